"""Covariances of components, by factors of their inverses: any value of the parameters is a valid
covariance."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import known_value, on_device
from .._module import as_declared, learned, replaced
from .._types import Array, Bool, Float, PerPrototype
from ._closed_form import Order, Step
from ._linear_maps import AbstractLinearMap, Dense, Scale


class AbstractCovariances(eqx.Module):
    """The covariances Σ_j of p components of d features, as factors P_j with
    \\(P_jP_j^\\top = \\Sigma_j^{-1}\\).

    Logarithms of the diagonals of the P_j make every value valid, log det Σ a plain sum, and
    gradients finite.
    """

    log_scales: eqx.AbstractVar[Array]

    @property
    @abc.abstractmethod
    def local(self) -> bool:
        """Whether each component has a covariance of its own."""

    @property
    @abc.abstractmethod
    def second_moments(self) -> Order:
        """Which second moments a refit needs."""

    @abc.abstractmethod
    def factors(self) -> Float[Array, "..."]:
        """The P_j: triangles `(p, d, d)` or `(d, d)`, or the diagonals `(p, d)` or `(p,)`."""

    @abc.abstractmethod
    def linear_map(self, d: int) -> AbstractLinearMap:
        """v ↦ vP."""

    @abc.abstractmethod
    def log_determinants(self, d: int) -> Float[Array, "*p"]:
        """log det Σ_j."""

    @abc.abstractmethod
    def values(self) -> Float[Array, "..."]:
        """The numbers of the Σ_j: `(p, d, d)`, `(d, d)`, `(p, d)` or `(p,)`."""

    @abc.abstractmethod
    def roots(self, p: int, d: int) -> Float[Array, "p d d"]:
        """All \\(R_j = P_j^{-1}\\), upper triangular: noise times a root has the covariance
        \\(R_j^\\top R_j = \\Sigma_j\\)."""

    def matrices(self, p: int, d: int) -> Float[Array, "p d d"]:
        """All Σ_j as matrices."""
        roots = self.roots(p, d)
        return roots.swapaxes(-1, -2) @ roots

    @abc.abstractmethod
    def towards(
        self,
        scatter: Float[Array, "p d"] | Float[Array, "p d d"],
        weight: PerPrototype,
        added: Float[Array, "*d"],
        step: Step,
    ) -> "AbstractCovariances":
        """(1-step) Σ_j + step · (scatter + `added` to the variances), where a component has any
        weight."""

    @abc.abstractmethod
    def in_units(self, unit: Float[Array, "*d"]) -> "AbstractCovariances":
        """The covariances of features divided by `unit`."""

    @abc.abstractmethod
    def own_unit(self) -> Float[Array, "*d"]:
        """The standard deviation of each feature in its widest component, or that of all
        features."""

    @abc.abstractmethod
    def parameters(self, p: int, d: int) -> int:
        """How many free numbers there are."""


class AbstractTriangular(AbstractCovariances):
    """Covariances with all their entries, by upper triangular factors."""

    upper: eqx.AbstractVar[Array]

    def __post_init__(self):
        self.log_scales, self.upper = (as_declared(self, name) for name in ("log_scales", "upper"))
        shape = (*self.log_scales.shape, self.log_scales.shape[-1])
        if self.upper.shape != shape:
            raise ValueError(
                f"`upper` must have shape {shape}, for `log_scales` of shape "
                f"{self.log_scales.shape}, got {self.upper.shape}."
            )
        # What lies elsewhere means nothing, and is not kept.
        known = known_value(self.upper)
        if known is None:
            self.upper = jnp.triu(self.upper, 1)
        elif np.tril(known).any():
            self.upper = on_device(np.triu(known, 1))

    @property
    def second_moments(self) -> Order:
        return "full"

    def factors(self) -> Float[Array, "..."]:
        return _on_the_diagonal(jnp.exp(self.log_scales)) + jnp.triu(self.upper, 1)

    def linear_map(self, d: int) -> AbstractLinearMap:
        return Dense(self.factors())

    def log_determinants(self, d: int) -> Float[Array, "*p"]:
        return -2 * jnp.sum(self.log_scales, axis=-1)

    def roots(self, p: int, d: int) -> Float[Array, "p d d"]:
        return jnp.broadcast_to(self._roots(), (p, d, d))

    def in_units(self, unit: Float[Array, "*d"]) -> "AbstractCovariances":
        # v P = (v / u)(diag(u) P).
        unit = jnp.broadcast_to(unit, self.log_scales.shape)
        return replaced(
            self, log_scales=self.log_scales + jnp.log(unit), upper=self.upper * unit[..., None]
        )

    def own_unit(self) -> Float[Array, "*d"]:
        scales = jnp.exp(-self.log_scales)
        return scales.max(axis=0) if self.local else scales

    def values(self) -> Float[Array, "..."]:
        roots = self._roots()
        return roots.swapaxes(-1, -2) @ roots

    def _roots(self) -> Float[Array, "*p d d"]:
        return _inverted(self.factors(), lower=False)

    def _towards(
        self,
        scatter: Float[Array, "*p d d"],
        seen: Bool[Array, "*p"],
        added: Float[Array, "*d"],
        step: Float[Array, "..."],
    ) -> "AbstractCovariances":
        # Features that depend on each other leave eigenvalues of the size of rounding, of either
        # sign.
        d, variances = scatter.shape[-1], jnp.diagonal(scatter, axis1=-2, axis2=-1)
        rounding = 2 * d * jnp.finfo(scatter.dtype).eps * variances
        added = jnp.broadcast_to(added, variances.shape) + rounding
        target = scatter + _on_the_diagonal(added)
        old = self.values()
        log_scales, upper = _precision_factor(
            old + step * jnp.where(seen[..., None, None], target - old, 0), rounding
        )
        return replaced(self, log_scales=log_scales, upper=upper)


class Full(AbstractTriangular):
    """A covariance with all its entries for each component.

    **Arguments:**

    - `log_scales`: logarithms of the diagonals of the P_j, `(p, d)`.
    - `upper`: their strict upper triangles, `(p, d, d)`; all other entries become zero.

    **Raises:** `ValueError` for other shapes.
    """

    log_scales: Float[Array, "p d"] = learned(axis="prototype")
    upper: Float[Array, "p d d"] = learned(axis="prototype")

    @property
    def local(self) -> bool:
        return True

    def towards(
        self,
        scatter: Float[Array, "p d"] | Float[Array, "p d d"],
        weight: PerPrototype,
        added: Float[Array, "*d"],
        step: Step,
    ) -> "AbstractCovariances":
        return self._towards(scatter, weight > 0, added, step.each[:, None, None])

    def parameters(self, p: int, d: int) -> int:
        return p * d * (d + 1) // 2


class Tied(AbstractTriangular):
    """One covariance with all its entries, which the components share.

    **Arguments:**

    - `log_scales`: logarithms of the diagonal of P, `(d,)`.
    - `upper`: its strict upper triangle, `(d, d)`; all other entries become zero.

    **Raises:** `ValueError` for another shape.
    """

    log_scales: Float[Array, " d"] = learned()
    upper: Float[Array, "d d"] = learned(decays=False)

    @property
    def local(self) -> bool:
        return False

    def towards(
        self,
        scatter: Float[Array, "p d"] | Float[Array, "p d d"],
        weight: PerPrototype,
        added: Float[Array, "*d"],
        step: Step,
    ) -> "AbstractCovariances":
        total = jnp.sum(weight)
        share = weight / jnp.where(total > 0, total, 1)
        pooled = jnp.einsum("p,pij->ij", share, scatter)
        return self._towards(pooled, total > 0, added, step.whole)

    def parameters(self, p: int, d: int) -> int:
        return d * (d + 1) // 2


class AbstractVariances(AbstractCovariances):
    """Features that do not covary: factors are diagonal."""

    @property
    def local(self) -> bool:
        return True

    @property
    def second_moments(self) -> Order:
        return "diagonal"

    def factors(self) -> Float[Array, "..."]:
        return jnp.exp(self.log_scales)

    def values(self) -> Float[Array, "..."]:
        return jnp.exp(-2 * self.log_scales)

    def roots(self, p: int, d: int) -> Float[Array, "p d d"]:
        return _on_the_diagonal(jnp.broadcast_to(jnp.exp(-self.log_scales).reshape(p, -1), (p, d)))

    def in_units(self, unit: Float[Array, "*d"]) -> "AbstractCovariances":
        return replaced(
            self,
            log_scales=self.log_scales + jnp.log(jnp.broadcast_to(unit, self.log_scales.shape)),
        )

    def own_unit(self) -> Float[Array, "*d"]:
        return jnp.exp(-jnp.min(self.log_scales, axis=0))

    def _towards(
        self,
        scatter: Float[Array, "p *d"],
        weight: PerPrototype,
        added: Float[Array, "*d"],
        step: Float[Array, "..."],
    ) -> "AbstractCovariances":
        target, variances = (
            jnp.maximum(scatter, 0) + jnp.broadcast_to(added, scatter.shape),
            self.values(),
        )
        seen = (weight > 0).reshape(-1, *[1] * (variances.ndim - 1))
        return replaced(
            self,
            log_scales=-0.5 * jnp.log(variances + step * jnp.where(seen, target - variances, 0)),
        )


class Diagonal(AbstractVariances):
    """Variances of the features for each component, which do not covary.

    **Arguments:**

    - `log_scales`: \\(-\\tfrac12\\log\\sigma^2\\), `(p, d)`.
    """

    log_scales: Float[Array, "p d"] = learned(axis="prototype")

    def linear_map(self, d: int) -> AbstractLinearMap:
        return Scale(jnp.exp(2 * self.log_scales))

    def log_determinants(self, d: int) -> Float[Array, "*p"]:
        return -2 * jnp.sum(self.log_scales, axis=-1)

    def towards(
        self,
        scatter: Float[Array, "p d"] | Float[Array, "p d d"],
        weight: PerPrototype,
        added: Float[Array, "*d"],
        step: Step,
    ) -> "AbstractCovariances":
        return self._towards(scatter, weight, added, step.each[:, None])

    def parameters(self, p: int, d: int) -> int:
        return p * d


class Spherical(AbstractVariances):
    """One variance for each component, that of all features. All features are in one unit.

    **Arguments:**

    - `log_scales`: \\(-\\tfrac12\\log\\sigma^2\\), `(p,)`.
    """

    log_scales: PerPrototype = learned(axis="prototype")

    def linear_map(self, d: int) -> AbstractLinearMap:
        return Scale(
            jnp.broadcast_to(jnp.exp(2 * self.log_scales)[:, None], (len(self.log_scales), d))
        )

    def log_determinants(self, d: int) -> Float[Array, "*p"]:
        return -2 * d * self.log_scales

    def towards(
        self,
        scatter: Float[Array, "p d"] | Float[Array, "p d d"],
        weight: PerPrototype,
        added: Float[Array, "*d"],
        step: Step,
    ) -> "AbstractCovariances":
        return self._towards(jnp.mean(scatter, axis=-1), weight, jnp.mean(added), step.each)

    def parameters(self, p: int, d: int) -> int:
        return p


#: The kinds of covariance by their names.
KINDS = {"full": Full, "tied": Tied, "diagonal": Diagonal, "spherical": Spherical}


def _precision_factor(
    covariances: Float[Array, "*p d d"], rounding: Float[Array, "*p d"]
) -> tuple[Float[Array, "*p d"], Float[Array, "*p d d"]]:
    """Σ = LLᵀ gives the upper triangular P = L⁻ᵀ with PPᵀ = Σ⁻¹, as the logarithms of its diagonal
    and the rest; of covariances that are sums, up to their `rounding`."""
    factor = _inverted(_factorised(covariances, rounding), lower=True).swapaxes(-1, -2)
    return jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)), jnp.triu(factor, 1)


def _on_the_diagonal(values: Float[Array, "*p d"]) -> Float[Array, "*p d d"]:
    return jnp.vectorize(jnp.diag, signature="(d)->(d,d)")(values)


def _inverted(triangles: Float[Array, "*p d d"], lower: bool) -> Float[Array, "*p d d"]:
    eye = jnp.broadcast_to(jnp.eye(triangles.shape[-1], dtype=triangles.dtype), triangles.shape)
    return jax.scipy.linalg.solve_triangular(triangles, eye, lower=lower)


def _factorised(
    covariances: Float[Array, "*p d d"], rounding: Float[Array, "*p d"]
) -> Float[Array, "*p d d"]:
    """L with LLᵀ = Σ. Where rounding left an eigenvalue below zero, ever more of it is added to the
    variances: few times, so that what is not finite ends as well."""

    def failed(lower: Array) -> Array:
        return jnp.any(jnp.isnan(lower), axis=(-2, -1))

    def unfinished(carry: tuple[Array, Array, Array]) -> Array:
        return jnp.any(failed(carry[0])) & (carry[2] < 12)

    def again(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        lower, added, times = carry
        more = jnp.where(failed(lower)[..., None], 4 * added, added)
        new = jnp.linalg.cholesky(covariances + _on_the_diagonal(more))
        return jnp.where(failed(lower)[..., None, None], new, lower), more, times + 1

    start = jnp.linalg.cholesky(covariances), rounding, jnp.zeros((), jnp.int32)
    return jax.lax.while_loop(unfinished, again, start)[0]
