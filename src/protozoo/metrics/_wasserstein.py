"""Prototypes that are distributions."""

from typing import ClassVar

import jax
import jax.numpy as jnp

from .._module import AbstractHomogeneous, learned, part
from .._types import Array, Float, Scalar
from ..prototypes import Prototypes
from ._base import ALL, AbstractAdaptation, AbstractQuadratic, Columns, in_columns
from ._linear_maps import AbstractLinearMap


class Wasserstein(AbstractQuadratic, AbstractHomogeneous):
    """\\(\\delta_j = \\lVert (x - w_j)A_j \\rVert^2 + \\mathrm{tr}(A_j^\\top \\Sigma_j A_j)\\): the
    squared 2-Wasserstein distance between a sample and the Gaussian N(w_j, Σ_j), Σ_j diagonal, in
    the adapted space.

    **Arguments:**

    - `metric`: the adaptation A; it acts on the variances as on the means.
    - `log_variances`: logarithms of the diagonals of the Σ_j, shape `(p, k)`: any value is a valid
      variance.

    Source: C. Villani, *Optimal transport: old and new*, Springer, 2009 (the distance between
    Gaussians).
    """

    metric: AbstractAdaptation = part()
    log_variances: Float[Array, "p k"] = learned(axis="prototype")
    degree: ClassVar[int] = 2

    def in_units(self, unit: Scalar) -> "Wasserstein":
        return Wasserstein(self.metric, self.log_variances - 2 * jnp.log(unit))

    @property
    def local(self) -> bool:
        return self.metric.local

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return self.metric.linear_map(prototypes)

    def radial(
        self, squared: Float[Array, "a b"], prototypes: Prototypes, at: Columns = ALL
    ) -> Float[Array, "a b"]:
        if self.log_variances.shape != (
            expected := (len(prototypes), prototypes.space.coordinate_size)
        ):
            raise ValueError(
                f"`log_variances` must have shape {expected}, got {self.log_variances.shape}."
            )
        # tr(AᵀΣA) = Σ_j σ_j² ‖e_j A‖²: the diagonal of Λ weighs the variances.
        linear, unit = (
            self.linear_map(prototypes),
            jnp.eye(self.log_variances.shape[1], dtype=squared.dtype),
        )
        diagonal = (
            jax.vmap(lambda a: a.squared_norm(unit))(linear)
            if self.local
            else linear.squared_norm(unit)
        )
        variances = jnp.exp(self.log_variances)
        traces = jnp.sum(variances * jnp.broadcast_to(diagonal, variances.shape), axis=1)
        return squared + in_columns(traces, at, squared)
