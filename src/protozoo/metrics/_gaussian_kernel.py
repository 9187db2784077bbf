"""Squared distances in the feature spaces of kernels that have a bandwidth."""

from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import (
    as_floats,
    as_labels,
    known_value,
    of_kinds,
    of_values,
    on_device,
    present_samples,
    samples_of_host,
)
from .._module import AbstractHomogeneous, degree, learned, part, replaced
from .._schedules import positive
from .._statistics import weighted_median
from .._types import Array, ArrayLike, Float, Scalar
from ..prototypes import Prototypes
from ._base import (
    ALL,
    AbstractQuadratic,
    AbstractSaturating,
    Columns,
    differs_linearly,
    in_columns,
)
from ._linear_maps import AbstractLinearMap
from ._units import measured


Kernel = TypeVar("Kernel", bound="AbstractKernel")

#: Exponents beyond are continued by a straight line: e^60 and its products stay within float32.
LARGEST = 60.0


class AbstractKernel(AbstractQuadratic, AbstractHomogeneous):
    """What kernels with a bandwidth σ_j for each prototype, or one for all, have in common.

    As σ → ∞, σ²δ is the dissimilarity of the metric inside.
    """

    metric: eqx.AbstractVar[AbstractQuadratic]
    log_bandwidths: eqx.AbstractVar[Float[Array, "*p"]]

    @classmethod
    @of_kinds
    def with_bandwidths(
        cls: type[Kernel], metric: AbstractQuadratic, bandwidths: Float[ArrayLike, "*p"]
    ) -> Kernel:
        """Given bandwidths σ_j > 0, in the units of the inner metric's square root."""
        positive(bandwidths, "bandwidths")
        widths = as_floats(bandwidths, "bandwidths")
        if widths.ndim > 1 or widths.size == 0:
            raise ValueError(
                f"`bandwidths` must be a number or have shape (p,), got {widths.shape}."
            )
        known = known_value(widths)
        return cls(metric, jnp.log(widths) if known is None else on_device(np.log(known)))

    @classmethod
    @of_values
    @of_kinds
    def from_data(
        cls: type[Kernel],
        metric: AbstractQuadratic,
        x: Float[ArrayLike, "n ..."],
        prototypes: Prototypes,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Kernel:
        """σ_j = the median inner distance of prototype j to the samples of its class (to all
        samples without `y`).

        Measured in the inner metric itself, so that the kernel starts where its gradient is
        largest.

        **Arguments:**

        - `metric`, `prototypes`: what is measured by, and from where.
        - `x`, `y`: samples and their classes.
        - `sample_weight`: not negative, `(n,)`: how many copies of each sample there are.
        """
        x = samples_of_host(x, prototypes.space.point_shape)
        y = None if y is None else as_labels(y, len(x))
        weight, x, y = present_samples(x, sample_weight, y)
        found = measured(metric, as_floats(x), prototypes)
        squared = np.asarray(found.delta, float)
        medians = []
        for j, label in enumerate(prototypes.labels):
            mine = slice(None) if y is None else y == label
            medians.append(
                weighted_median(np.sqrt(squared[mine, j]), None if weight is None else weight[mine])
            )
        # A class that coincides with its prototype has no scale of its own; it borrows the typical
        # one.
        typical = max(medians)
        floor = 1e-3 * typical if typical > 0 else 1.0
        scale = float(found.unit) ** (0.5 * (degree(metric) or 0))
        return cls(metric, on_device(np.log(np.maximum(medians, floor)) + np.log(scale), float))

    @property
    def degree(self) -> int | None:
        """Zero, if that of the inner metric is known: bandwidths have its units."""
        return None if degree(self.metric) is None else 0

    def in_units(self: Kernel, unit: Scalar) -> Kernel:
        inner: Any = self.metric
        log_bandwidths = self.log_bandwidths - 0.5 * inner.degree * jnp.log(unit)
        return replaced(self, metric=inner.in_units(unit), log_bandwidths=log_bandwidths)

    @property
    def bandwidths(self) -> Float[Array, "*p"]:
        """σ_j > 0."""
        return jnp.exp(self.log_bandwidths)

    @property
    def local(self) -> bool:
        return self.metric.local

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return self.metric.linear_map(prototypes)

    def exponents(
        self, squared: Float[Array, "a b"], prototypes: Prototypes, at: Columns = ALL
    ) -> Float[Array, "a b"]:
        """\\(s / (2\\sigma_j^2)\\) of the squared norms inside the metric."""
        precisions = in_columns(jnp.exp(-2 * self.log_bandwidths), at, squared)
        return 0.5 * precisions * self.metric.radial(squared, prototypes, at)


class GaussianKernel(AbstractKernel, AbstractSaturating):
    """\\(\\delta = 2\\,(1 - e^{-s/(2\\sigma_j^2)})\\) in [0, 2), s the inner metric's
    dissimilarity.

    **Arguments:**

    - `metric`: the inner metric.
    - `log_bandwidths`: \\(\\log\\sigma_j\\), shape `(p,)` or a scalar for all prototypes (σ = 1 by
      default): any value is a valid bandwidth.

    As σ → ∞, σ²δ → s. A sample much farther away than σ has no gradient: start from the data
    (`GaussianKernel.from_data`). Source: T. Villmann, S. Haase, M. Kaden, *Kernelized vector
    quantization in gradient-descent learning*, Neurocomputing 147, 2015.
    """

    metric: AbstractQuadratic = part()
    log_bandwidths: Float[Array, "*p"] = learned(axis="prototype", default=0.0)

    def radial(
        self, squared: Float[Array, "a b"], prototypes: Prototypes, at: Columns = ALL
    ) -> Float[Array, "a b"]:
        return -2 * jnp.expm1(-self.exponents(squared, prototypes, at))

    def told_apart(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        squared = self.squared(x, prototypes)
        delta = self.radial(squared, prototypes)
        eps = float(jnp.finfo(delta.dtype).eps)

        def nearest_below() -> Float[Array, "n p"]:
            order = self._order(squared, x, prototypes)
            nearest = jnp.argmin(order, axis=1)[:, None] == jnp.arange(delta.shape[1])[None]
            others = jnp.min(jnp.where(nearest, jnp.inf, delta), axis=1, keepdims=True)
            below = jnp.minimum(delta, others * (1 - 2 * eps))
            return jnp.where(nearest & saturated, below, delta)

        saturated = jnp.min(delta, axis=1, keepdims=True) > 2 - 2**10 * eps
        return jax.lax.cond(jnp.any(saturated), nearest_below, lambda: delta)

    def _order(
        self, squared: Float[Array, "n p"], x: Float[Array, "n ..."], prototypes: Prototypes
    ) -> Float[Array, "n p"]:
        """Exponents but for what those of a sample have in common: of that, far away, they consist
        to the last digit."""
        if not (differs_linearly(self.metric) and prototypes.space.displacement_is_difference):
            return self.exponents(squared, prototypes)
        relative = self.metric.squared(x, prototypes, relative=True)
        common = squared[:, :1] - relative[:, :1]
        precisions = in_columns(jnp.exp(-2 * self.log_bandwidths), ALL, relative)
        wider = precisions - jnp.max(precisions)
        return precisions * relative + jnp.where(wider < 0, wider * common, 0)


class TangentExponentialKernel(AbstractKernel):
    """\\(\\delta = 2\\,(e^{s/(2\\sigma_j^2)} - 1)\\), s the inner metric's dissimilarity: the
    exponential kernel of displacements, as each prototype sees them from its own place.

    The kernel \\(\\kappa(x, w) = e^{x\\hat\\Lambda w^\\top}\\) is a function of the pair
    (`ExponentialKernel`), and in a curved space a pair has coordinates about one of them only: with
    the prototype at zero, its squared distance is \\(e^{\\lVert v\\hat\\Omega\\rVert^2} - 1\\).
    With one bandwidth, decisions are those of the inner metric; what changes is what distances mean
    to a loss: far ones count for more.

    **Arguments:**

    - `metric`: the inner metric.
    - `log_bandwidths`: \\(\\log\\sigma_j\\), shape `(p,)` or a scalar for all prototypes (σ = 1 by
      default).

    Exponents above 60 are continued by a straight line, so that nothing overflows and nothing ties.

    Source: T. Villmann, S. Haase, M. Kaden, *Kernelized vector quantization in gradient-descent
    learning*, Neurocomputing 147, 2015.
    """

    metric: AbstractQuadratic = part()
    log_bandwidths: Float[Array, "*p"] = learned(axis="prototype", default=0.0)

    def radial(
        self, squared: Float[Array, "a b"], prototypes: Prototypes, at: Columns = ALL
    ) -> Float[Array, "a b"]:
        exponents = self.exponents(squared, prototypes, at)
        within = jnp.minimum(exponents, LARGEST)
        return 2 * (jnp.expm1(within) + jnp.exp(within) * (exponents - within))
