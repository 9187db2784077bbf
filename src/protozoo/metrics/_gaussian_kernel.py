"""The squared distance in a Gaussian kernel's feature space."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._checks import as_floats, as_labels, as_samples, as_weights, of_kinds
from .._module import AbstractHomogeneous, degree, learned, part
from .._schedules import positive
from .._statistics import present, weighted_median
from .._types import Array, ArrayLike, Float, Scalar
from ..prototypes import Prototypes
from ._base import ALL, AbstractMetric, AbstractQuadratic, Columns
from ._linear_maps import AbstractLinearMap
from ._units import own_units


class GaussianKernel(AbstractQuadratic, AbstractHomogeneous):
    """\\(\\delta = 2\\,(1 - e^{-s/(2\\sigma_j^2)})\\) in [0, 2), s the inner metric's dissimilarity.

    **Arguments:**

    - `metric`: the inner metric.
    - `log_bandwidths`: \\(\\log\\sigma_j\\), shape `(p,)` or a scalar for all prototypes (σ = 1 by default): any
      value is a valid bandwidth.

    As σ → ∞, σ²δ → s. A sample much farther away than σ has no gradient: start from the data
    (`GaussianKernel.from_data`). Source: T. Villmann, S. Haase, M. Kaden, *Kernelized vector quantization in
    gradient-descent learning*, Neurocomputing 147, 2015.
    """

    metric: AbstractQuadratic = part()
    log_bandwidths: Float[Array, "*p"] = learned(axis="prototype", default=0.0)

    @classmethod
    @of_kinds
    def with_bandwidths(cls, metric: AbstractQuadratic, bandwidths: Float[ArrayLike, "*p"]) -> "GaussianKernel":
        """Given bandwidths σ_j > 0, in the units of the inner metric's square root."""
        positive(bandwidths, "bandwidths")
        widths = as_floats(bandwidths, "bandwidths")
        if widths.ndim > 1 or widths.size == 0:
            raise ValueError(f"`bandwidths` must be a number or have shape (p,), got {widths.shape}.")
        return cls(metric, jnp.log(widths))

    @classmethod
    @of_kinds
    def from_data(
        cls,
        metric: AbstractQuadratic,
        x: Float[ArrayLike, "n ..."],
        prototypes: Prototypes,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> "GaussianKernel":
        """σ_j = the median inner distance of prototype j to the samples of its class (to all samples without `y`).

        Measured in the inner metric itself, so that the kernel starts where its gradient is largest.

        **Arguments:**

        - `metric`, `prototypes`: what is measured by, and from where.
        - `x`, `y`: samples and their classes.
        - `sample_weight`: not negative, `(n,)`: how many copies of each sample there are.
        """
        x, units = as_samples(x, prototypes.space.point_shape), own_units(metric, prototypes)
        weight, x, y = present(as_weights(sample_weight, len(x)), np.asarray(x), None if y is None else as_labels(y, len(x)))
        squared = np.asarray(_squared(units.metric, units.of(as_floats(x)), units.prototypes), float)
        medians = []
        for j, label in enumerate(prototypes.labels):
            mine = slice(None) if y is None else y == label
            medians.append(weighted_median(np.sqrt(squared[mine, j]), None if weight is None else weight[mine]))
        # A class that coincides with its prototype has no scale of its own; it borrows the typical one.
        typical = max(medians)
        floor = 1e-3 * typical if typical > 0 else 1.0
        scale = float(units.unit) ** (0.5 * (degree(metric) or 0))
        return cls(metric, jnp.asarray(np.log(np.maximum(medians, floor)) + np.log(scale)))

    @property
    def degree(self) -> int | None:
        """Zero, if that of the inner metric is known: bandwidths have its units."""
        return None if degree(self.metric) is None else 0

    def in_units(self, unit: Scalar) -> "GaussianKernel":
        inner: Any = self.metric
        return GaussianKernel(inner.in_units(unit), self.log_bandwidths - 0.5 * inner.degree * jnp.log(unit))

    @property
    def bandwidths(self) -> Float[Array, "*p"]:
        """σ_j > 0."""
        return jnp.exp(self.log_bandwidths)

    @property
    def local(self) -> bool:
        return self.metric.local

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return self.metric.linear_map(prototypes)

    def radial(self, squared: Float[Array, "a b"], prototypes: Prototypes, at: Columns = ALL) -> Float[Array, "a b"]:
        precisions = jnp.broadcast_to(jnp.exp(-2 * self.log_bandwidths), len(prototypes))
        precisions = jnp.broadcast_to(precisions[at], squared.shape)
        return -2 * jnp.expm1(-0.5 * precisions * self.metric.radial(squared, prototypes, at))


@eqx.filter_jit
def _squared(metric: AbstractMetric, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
    return metric(x, prototypes)
