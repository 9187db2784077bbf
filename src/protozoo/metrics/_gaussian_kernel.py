"""The squared distance in a Gaussian kernel's feature space."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._module import as_float
from .._schedules import positive
from .._types import Array, ArrayLike, Float
from ..prototypes import Prototypes
from ._base import ALL, AbstractQuadratic, Columns
from ._linear_maps import AbstractLinearMap


class GaussianKernel(AbstractQuadratic):
    """\\(\\delta = 2\\,(1 - e^{-s/(2\\sigma_j^2)})\\) in [0, 2), s the inner metric's dissimilarity.

    **Arguments:**

    - `metric`: the inner metric.
    - `log_bandwidths`: \\(\\log\\sigma_j\\), shape `(p,)` or a scalar for all prototypes (σ = 1 by default): any
      value is a valid bandwidth.

    As σ → ∞, σ²δ → s. A sample much farther away than σ has no gradient: start from the data
    (`GaussianKernel.from_data`). Source: T. Villmann, S. Haase, M. Kaden, *Kernelized vector quantization in
    gradient-descent learning*, Neurocomputing 147, 2015.
    """

    metric: AbstractQuadratic
    log_bandwidths: Float[Array, "*p"] = eqx.field(converter=as_float, default=0.0)

    @classmethod
    def with_bandwidths(cls, metric: AbstractQuadratic, bandwidths: Float[ArrayLike, "*p"]) -> "GaussianKernel":
        """Given bandwidths σ_j > 0, in the units of the inner metric's square root."""
        positive(bandwidths, "bandwidths")
        return cls(metric, jnp.log(jnp.asarray(bandwidths)))

    @classmethod
    def from_data(
        cls, metric: AbstractQuadratic, x: Float[Array, "n ..."], prototypes: Prototypes, y: Array | None = None
    ) -> "GaussianKernel":
        """σ_j = the median inner distance of prototype j to the samples of its class (to all samples without `y`).

        Measured in the inner metric itself, so that the kernel starts where its gradient is largest.
        """
        distances = np.sqrt(np.asarray(metric(x, prototypes)))
        own = np.ones(distances.shape, bool) if y is None else np.asarray(y)[:, None] == prototypes.labels
        medians = np.array([np.median(column[mine]) for column, mine in zip(distances.T, own.T, strict=True)])
        # A class that coincides with its prototype has no scale of its own; it borrows the typical one.
        typical = medians.max()
        floor = 1e-3 * typical if typical > 0 else 1.0
        return cls.with_bandwidths(metric, np.maximum(medians, floor).astype(distances.dtype))

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
        return -2 * jnp.expm1(-0.5 * precisions[at] * self.metric.radial(squared, prototypes, at))
