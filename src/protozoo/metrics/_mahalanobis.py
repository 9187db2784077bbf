"""Gaussian components: a covariance for each prototype."""

import math
from typing import Literal

import jax
import jax.numpy as jnp

from .._module import hyper, learned, static
from .._types import Array, ArrayLike, Float, Scalar
from ..prototypes import Prototypes
from ._base import ALL, AbstractClosedForm, AbstractQuadratic, Columns, Moments
from ._linear_maps import AbstractLinearMap, Dense, Scale


class Mahalanobis(AbstractQuadratic, AbstractClosedForm):
    """\\(\\delta_j = (x-w_j)^\\top \\Sigma_j^{-1} (x-w_j)\\), *normalised* by
    \\(+\\log\\det\\Sigma_j + d\\log 2\\pi\\), so that \\(\\delta_j = -2\\log\\mathcal N(x; w_j, \\Sigma_j)\\).

    **Arguments:**

    - `log_scales`: logarithms of the diagonal of each precision factor P_j (\\(P_jP_j^\\top = \\Sigma_j^{-1}\\)), `(p, d)`.
    - `upper`: the strict upper triangles of the P_j, `(p, d, d)`, or `None` for diagonal covariances.
    - `regularisation`: added to the variances by every closed-form refit, in squared data units.
    - `normalised`: add the terms above; without them, a local adaptation that a loss may shrink at will.

    Any value of the parameters is a valid covariance, the log-determinant is a plain sum, and gradients are finite: the
    same metric learns by EM and by gradient descent.
    """

    log_scales: Float[Array, "p d"] = learned()
    upper: Float[Array, "p d d"] | None = learned(default=None)
    regularisation: Scalar = hyper(default=1e-6)
    normalised: bool = static(default=True)

    @classmethod
    def from_covariances(
        cls, covariances: Float[ArrayLike, "p d"] | Float[ArrayLike, "p d d"], regularisation: float = 1e-6
    ) -> "Mahalanobis":
        """From full covariance matrices `(p, d, d)` or variances `(p, d)`."""
        return cls(*_precision_factor(jnp.asarray(covariances)), regularisation=regularisation)

    @classmethod
    def from_data(
        cls,
        x: Float[Array, "n ..."],
        prototypes: Prototypes,
        covariance: str = "full",
        regularisation: float = 1e-6,
    ) -> "Mahalanobis":
        """Every component starts with the variances of all the data.

        **Raises:** `ValueError` for a covariance that is neither `"full"` nor `"diagonal"`.
        """
        if covariance not in ("full", "diagonal"):
            raise ValueError(f"`covariance` must be 'full' or 'diagonal', got {covariance!r}.")
        variances = jnp.var(x.reshape(len(x), -1), axis=0) + regularisation
        one = jnp.diag(variances) if covariance == "full" else variances
        return cls.from_covariances(jnp.broadcast_to(one, (len(prototypes), *one.shape)), regularisation)

    @property
    def second_moments(self) -> Literal["none", "diagonal", "full"]:
        return "diagonal" if self.upper is None else "full"

    @property
    def local(self) -> bool:
        return True

    @property
    def covariances(self) -> Float[Array, "p d"] | Float[Array, "p d d"]:
        """Σ_j: matrices, or variances if diagonal."""
        if self.upper is None:
            return jnp.exp(-2 * self.log_scales)
        factor = self._factor()
        inverse = jax.vmap(lambda f: jax.scipy.linalg.solve_triangular(f, jnp.eye(len(f), dtype=f.dtype)))(factor)
        return inverse.swapaxes(-1, -2) @ inverse

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return Scale(jnp.exp(2 * self.log_scales)) if self.upper is None else Dense(self._factor())

    def radial(self, squared: Float[Array, "a b"], prototypes: Prototypes, at: Columns = ALL) -> Float[Array, "a b"]:
        if not self.normalised:
            return squared
        dimension = self.log_scales.shape[-1]
        return squared + (dimension * math.log(2 * math.pi) - 2 * jnp.sum(self.log_scales, axis=-1))[at]

    def refit(self, moments: Moments, moved: Float[Array, "p k"], step: Float[Array, ""]) -> "Mahalanobis":
        """Σ_j ← (1-step) Σ_j + step · (weighted scatter about the moved prototype + regularisation)."""
        scatter = moments.scatter(moved)
        if self.upper is None:
            target = jnp.maximum(scatter, 0) + self.regularisation
        else:
            target = scatter + self.regularisation * jnp.eye(scatter.shape[-1], dtype=scatter.dtype)
        seen = (moments.weight > 0).reshape(-1, *[1] * (target.ndim - 1))
        covariances = self.covariances
        covariances = covariances + step * jnp.where(seen, target - covariances, 0)
        log_scales, upper = _precision_factor(covariances)
        return Mahalanobis(log_scales, upper, self.regularisation, self.normalised)

    def _factor(self) -> Float[Array, "p d d"]:
        assert self.upper is not None
        diagonal = jax.vmap(jnp.diag)(jnp.exp(self.log_scales))
        return diagonal + jnp.triu(self.upper, 1)


def _precision_factor(
    covariances: Float[Array, "p d"] | Float[Array, "p d d"],
) -> tuple[Float[Array, "p d"], Float[Array, "p d d"] | None]:
    """Σ = LLᵀ gives the upper triangular P = L⁻ᵀ with PPᵀ = Σ⁻¹."""
    if covariances.ndim == 2:
        return -0.5 * jnp.log(covariances), None
    lower = jnp.linalg.cholesky(covariances)
    eye = jnp.eye(covariances.shape[-1], dtype=covariances.dtype)
    factor = jax.vmap(lambda f: jax.scipy.linalg.solve_triangular(f, eye, lower=True).T)(lower)
    return jnp.log(jax.vmap(jnp.diag)(factor)), jnp.triu(factor, 1)
