"""Maximum likelihood of a mixture."""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp

from .._checks import of_kinds, positive_integer
from .._module import learned
from .._types import Array, ArrayLike, Float, MaybeLabels, PerPrototype, PerSample
from ..metrics import AbstractClosedForm, Moments
from ._base import AbstractSampleLoss, PrototypeLabels
from ._pooling import log_total


class Mixture(AbstractSampleLoss, AbstractClosedForm):
    """\\(\\ell = -\\log \\sum_j \\pi_j e^{-\\delta_j/2}\\): the negative
    log-likelihood where δ = -2 log density (`Mahalanobis`).

    ∂ℓ/∂δ_j is half the responsibility; alternating optimisation is expectation-maximisation.

    **Arguments:**

    - `logits`: the mixing weights are π = softmax(logits), shape `(p,)`.

    Decision: the responsibilities.

    Source: A. Dempster, N. Laird, D. Rubin, *Maximum likelihood from incomplete data via the EM algorithm*, Journal of the
    Royal Statistical Society B 39, 1977.
    """

    logits: PerPrototype = learned(axis="prototype")
    relative: ClassVar[bool] = True
    supervised: ClassVar[bool] = False

    @classmethod
    @of_kinds
    def uniform(cls, prototypes: int) -> "Mixture":
        """Equal mixing weights."""
        positive_integer(prototypes, "prototypes")
        return cls(jnp.zeros(prototypes))

    @property
    def second_moments(self) -> Literal["none", "diagonal", "full"]:
        return "none"

    @property
    def weights(self) -> PerPrototype:
        """π: positive, with sum one."""
        return jax.nn.softmax(self.logits)

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        least = jax.lax.stop_gradient(jnp.min(delta.T, axis=0))
        return 0.5 * least - log_total(self._logits(delta, least).T)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return self._logits(delta, jnp.min(delta, axis=1))

    def _logits(self, delta: Float[Array, "n p"], least: PerSample) -> Float[Array, "n p"]:
        """The logarithms of the joint densities, those of each sample less half of `least`: no large numbers."""
        return jax.nn.log_softmax(self.logits)[None] - 0.5 * (delta - least[:, None])

    def refit(self, moments: Moments, moved: Float[Array, "p k"], step: Float[Array, ""]) -> "Mixture":
        """π ← (1-step) π + step · (each component's share of the responsibilities)."""
        weights = self.weights + step * (moments.weight / jnp.sum(moments.weight) - self.weights)
        return eqx.tree_at(lambda s: s.logits, self, jnp.log(jnp.maximum(weights, jnp.finfo(weights.dtype).tiny)))
