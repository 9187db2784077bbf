"""Gaussian components: a covariance for each prototype."""

import math
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import as_finite, as_floats, as_samples, as_weights, known_value, of_kinds, refuse_negative
from .._module import AbstractHomogeneous, hyper, learned, power_of_two, replaced, static
from .._statistics import mean_and_variance, present, shares
from .._types import Array, ArrayLike, Float, Num
from ..prototypes import Prototypes
from ._base import ALL, AbstractClosedForm, AbstractQuadratic, Columns, Moments
from ._linear_maps import AbstractLinearMap, Dense, Scale


class Mahalanobis(AbstractQuadratic, AbstractClosedForm, AbstractHomogeneous):
    """\\(\\delta_j = (x-w_j)^\\top \\Sigma_j^{-1} (x-w_j)\\), *normalised* by
    \\(+\\log\\det\\Sigma_j + d\\log 2\\pi\\), so that \\(\\delta_j = -2\\log\\mathcal N(x; w_j, \\Sigma_j)\\).

    **Arguments:**

    - `log_scales`: logarithms of the diagonal of each precision factor P_j (\\(P_jP_j^\\top = \\Sigma_j^{-1}\\)), `(p, d)`.
    - `upper`: the strict upper triangles of the P_j, `(p, d, d)`, or `None` for diagonal covariances.
    - `regularisation`: added to the variances by every closed-form refit, in squared data units: a number, or one for each
      feature, `(d,)`.
    - `normalised`: add the terms above; without them, a local adaptation that a loss may shrink at will.
    - `unit`: what points were divided by, a number or `(d,)`; densities are those before (`in_units`).

    Any value of the parameters is a valid covariance, the log-determinant is a plain sum, and gradients are finite: the
    same metric learns by EM and by gradient descent.
    """

    log_scales: Float[Array, "p d"] = learned(axis="prototype")
    upper: Float[Array, "p d d"] | None = learned(axis="prototype", default=None)
    regularisation: Float[Array, "*d"] = hyper(default=1e-6)
    normalised: bool = static(default=True)
    unit: Float[Array, "*d"] = hyper(default=1.0)
    degree: ClassVar[int] = 0

    def __check_init__(self):
        known = known_value(self.regularisation)
        if known is not None and not (np.isfinite(known).all() and known.min() >= 0):
            raise ValueError(f"`regularisation` must be finite and not negative, got {known.min():g} as its smallest.")

    @classmethod
    @of_kinds
    def from_covariances(
        cls,
        covariances: Float[ArrayLike, "p d"] | Float[ArrayLike, "p d d"],
        regularisation: Float[ArrayLike, "*d"] = 1e-6,
    ) -> "Mahalanobis":
        """From full covariance matrices `(p, d, d)` or variances `(p, d)`."""
        covariances = as_floats(covariances, "covariances")
        if not (covariances.ndim == 2 or (covariances.ndim == 3 and covariances.shape[1] == covariances.shape[2])):
            raise ValueError(f"`covariances` must have shape (p, d, d) or (p, d), got {covariances.shape}.")
        return cls(*_precision_factor(covariances), regularisation=as_floats(regularisation, "regularisation"))

    @classmethod
    @of_kinds
    def from_data(
        cls,
        x: Float[ArrayLike, "n ..."],
        prototypes: Prototypes,
        covariance: str = "full",
        regularisation: Float[ArrayLike, "*d"] | None = None,
        sample_weight: Num[ArrayLike, " n"] | None = None,
    ) -> "Mahalanobis":
        """Every component starts with the variances of all the data.

        **Arguments:**

        - `x`: samples, weighted by `sample_weight`, `(n,)`, if given.
        - `prototypes`: the means.
        - `covariance`: `"full"` or `"diagonal"`.
        - `regularisation`: by default a millionth of each feature's variance among the samples that are nearest to the same
          prototype: a component whose samples coincide keeps a thousandth of that standard deviation.

        **Raises:** `ValueError` for a covariance that is neither `"full"` nor `"diagonal"`.
        """
        if covariance not in ("full", "diagonal"):
            raise ValueError(f"`covariance` must be 'full' or 'diagonal', got {covariance!r}.")
        x = np.asarray(as_samples(x, prototypes.space.point_shape))
        weight, x, _ = present(as_weights(sample_weight, len(x)), x)
        x, points = x.reshape(len(x), -1), np.asarray(prototypes.points, float).reshape(len(prototypes), -1)
        variances = _known_scales(mean_and_variance(x, weight)[1])
        if regularisation is None:
            regularisation = 1e-6 * _known_scales(_variances_within(x, points, np.sqrt(variances), weight), variances)
        regularisation = np.asarray(as_finite(regularisation, Any, "regularisation"), float)
        if regularisation.shape not in ((), variances.shape):
            raise ValueError(f"`regularisation` must be a number or have shape {variances.shape}, got {regularisation.shape}.")
        refuse_negative(regularisation, "regularisation")
        log_scales = np.broadcast_to(-0.5 * np.log(variances + regularisation), (len(prototypes), len(variances)))
        upper = None if covariance == "diagonal" else jnp.zeros((*log_scales.shape, len(variances)))
        return cls(jnp.asarray(log_scales), upper, jnp.asarray(regularisation))

    def in_units(self, unit: Float[Array, "*d"]) -> "Mahalanobis":
        # Each feature has a unit of its own: v P = (v / u)(diag(u) P).
        unit = jnp.broadcast_to(unit, self.log_scales.shape[-1:])
        return replaced(
            self,
            log_scales=self.log_scales + jnp.log(unit)[None],
            upper=None if self.upper is None else self.upper * unit[None, :, None],
            regularisation=self.regularisation / unit / unit,
            unit=self.unit * unit,
        )

    @property
    def own_unit(self) -> Float[Array, " d"]:
        """For each feature the power of two of its widest component."""
        return power_of_two(jnp.exp(-jnp.min(self.log_scales, axis=0)))

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
        log_scales = self.log_scales - jnp.log(jnp.broadcast_to(self.unit, self.log_scales.shape))
        terms = log_scales.shape[-1] * math.log(2 * math.pi) - 2 * jnp.sum(log_scales, axis=-1)
        return squared + jnp.broadcast_to(terms[at], squared.shape)

    def refit(self, moments: Moments, moved: Float[Array, "p k"], step: Float[Array, ""]) -> "Mahalanobis":
        """Σ_j ← (1-step) Σ_j + step · (weighted scatter about the moved prototype + regularisation)."""
        scatter, rounding = moments.scatter(moved), None
        if self.upper is None:
            target = jnp.maximum(scatter, 0) + jnp.broadcast_to(self.regularisation, scatter.shape)
        else:
            # Features that depend on each other leave eigenvalues of the size of rounding, of either sign.
            d, variances = scatter.shape[-1], jnp.diagonal(scatter, axis1=-2, axis2=-1)
            rounding = 2 * d * jnp.finfo(scatter.dtype).eps * variances
            added = jnp.broadcast_to(self.regularisation, variances.shape) + rounding
            target = scatter + added[..., None] * jnp.eye(d, dtype=scatter.dtype)[None]
        seen = (moments.weight > 0).reshape(-1, *[1] * (target.ndim - 1))
        covariances = self.covariances
        covariances = covariances + step * jnp.where(seen, target - covariances, 0)
        log_scales, upper = _precision_factor(covariances, rounding)
        return replaced(self, log_scales=log_scales, upper=upper)

    def _factor(self) -> Float[Array, "p d d"]:
        assert self.upper is not None
        diagonal = jax.vmap(jnp.diag)(jnp.exp(self.log_scales))
        return diagonal + jnp.triu(self.upper, 1)


def _precision_factor(
    covariances: Float[Array, "p d"] | Float[Array, "p d d"], rounding: Float[Array, "p d"] | None = None
) -> tuple[Float[Array, "p d"], Float[Array, "p d d"] | None]:
    """Σ = LLᵀ gives the upper triangular P = L⁻ᵀ with PPᵀ = Σ⁻¹; of sums, up to their `rounding`."""
    if covariances.ndim == 2:
        return -0.5 * jnp.log(covariances), None
    lower = jnp.linalg.cholesky(covariances) if rounding is None else _factorised(covariances, rounding)
    eye = jnp.eye(covariances.shape[-1], dtype=covariances.dtype)
    factor = jax.vmap(lambda f: jax.scipy.linalg.solve_triangular(f, eye, lower=True).T)(lower)
    return jnp.log(jax.vmap(jnp.diag)(factor)), jnp.triu(factor, 1)


def _factorised(covariances: Float[Array, "p d d"], rounding: Float[Array, "p d"]) -> Float[Array, "p d d"]:
    """L with LLᵀ = Σ. Where rounding left an eigenvalue below zero, ever more of it is added to the variances: few times,
    so that what is not finite ends as well."""

    def failed(lower: Array) -> Array:
        return jnp.any(jnp.isnan(lower), axis=(-2, -1))

    def unfinished(carry: tuple[Array, Array, Array]) -> Array:
        return jnp.any(failed(carry[0])) & (carry[2] < 12)

    def again(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        lower, added, times = carry
        more = jnp.where(failed(lower)[:, None], 4 * added, added)
        shifted = covariances + more[..., None] * jnp.eye(more.shape[-1], dtype=more.dtype)[None]
        return jnp.where(failed(lower)[:, None, None], jnp.linalg.cholesky(shifted), lower), more, times + 1

    start = jnp.linalg.cholesky(covariances), rounding, jnp.zeros((), jnp.int32)
    return jax.lax.while_loop(unfinished, again, start)[0]


def _known_scales(
    variances: Float[np.ndarray, " d"], typical: Float[np.ndarray, " d"] | None = None
) -> Float[np.ndarray, " d"]:
    """Variances, none of them zero: a feature that does not vary borrows from `typical`, or from the others."""
    varies = variances > 0
    others = variances[varies].mean() if varies.any() else 1.0
    return np.where(varies, variances, others if typical is None else typical)


def _variances_within(
    x: Float[np.ndarray, "n d"],
    points: Float[np.ndarray, "p d"],
    scales: Float[np.ndarray, " d"],
    weight: Float[np.ndarray, " n"] | None,
) -> Float[np.ndarray, " d"]:
    """Mean squared deviations of samples from the nearest of the points, all features counting alike."""
    share = shares(len(x), weight)
    total, rows = np.zeros(x.shape[1]), max(1, 2**18 // max(1, x.shape[1]))
    for start in range(0, len(x), rows):
        some = np.asarray(x[start : start + rows], float) / scales
        squares = np.stack([np.sum((some - point) ** 2, axis=1) for point in points / scales])
        deviations = (some - (points / scales)[squares.argmin(axis=0)]) ** 2
        total += share[start : start + rows] @ deviations
    return total * scales**2
