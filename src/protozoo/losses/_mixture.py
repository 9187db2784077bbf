"""Maximum likelihood of a mixture."""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import as_finite, of_kinds, of_values, on_device, positive_integer
from .._module import hyper, learned
from .._schedules import positive
from .._statistics import shares
from .._types import Array, ArrayLike, Float, MaybeLabels, PerPrototype, PerSample, Scalar
from ..metrics import AbstractClosedForm, Moments, Step
from ._base import AbstractMemberships, AbstractSampleLoss, PrototypeLabels
from ._pooling import log_total


class Mixture(AbstractSampleLoss, AbstractMemberships, AbstractClosedForm):
    """\\(\\ell = -\\log \\sum_j \\pi_j e^{-\\delta_j/2}\\): the negative
    log-likelihood where δ = -2 log density (`Mahalanobis`).

    ∂ℓ/∂δ_j is half the responsibility; alternating optimisation is expectation-maximisation.

    **Arguments:**

    - `logits`: the mixing weights are π = softmax(logits), shape `(p,)`.
    - `fuzzifier`: m > 1, for fuzzy maximum likelihood estimates: memberships \\(u_j \\propto
      (\\pi_j e^{-\\delta_j/2})^{1/(m-1)}\\) count as \\(u_j^m\\), held fixed by the derivative:
      \\(\\ell = \\sum_j u_j^m(\\tfrac12\\delta_j - \\log\\pi_j)\\). `None`: the likelihood.

    Decision: the responsibilities, or memberships.

    **Raises:** `ValueError` unless m > 1.

    Source: A. Dempster, N. Laird, D. Rubin, *Maximum likelihood from incomplete data via the EM
    algorithm*, Journal of the Royal Statistical Society B 39, 1977; I. Gath, A. Geva, *Unsupervised
    optimal fuzzy clustering*, IEEE Trans. Pattern Analysis and Machine Intelligence 11, 1989.
    """

    logits: PerPrototype = learned(axis="prototype")
    fuzzifier: Scalar | None = hyper(default=None)
    relative: ClassVar[bool] = True
    supervised: ClassVar[bool] = False

    @classmethod
    @of_kinds
    def uniform(cls, prototypes: int) -> "Mixture":
        """Equal mixing weights."""
        positive_integer(prototypes, "prototypes")
        return cls(on_device(np.zeros(prototypes), float))

    @classmethod
    @of_values
    @of_kinds
    def from_weights(
        cls, weights: Float[ArrayLike, " p"], fuzzifier: Float[ArrayLike, ""] | None = None
    ) -> "Mixture":
        """Given mixing weights, not negative, which are divided by their sum.

        **Raises:** `ValueError` for a weight that is negative, and if all are zero.
        """
        weights = np.asarray(as_finite(weights, Any, "weights"), float)
        if weights.ndim != 1 or weights.size == 0 or weights.min() < 0 or not weights.any():
            raise ValueError(
                f"`weights` must be p numbers that are not negative, and not all zero, got "
                f"{weights}."
            )
        tiny = np.finfo(np.float32).tiny
        share = shares(len(weights), weights)
        return cls(on_device(np.log(np.maximum(share, tiny)), float), fuzzifier)

    def __check_init__(self):
        if self.fuzzifier is not None:
            positive(self.fuzzifier, "fuzzifier", above=1.0)

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
        logits = self._logits(delta, least).T
        if self.fuzzifier is None:
            return 0.5 * least - log_total(logits)
        shares = (
            jax.lax.stop_gradient(jax.nn.softmax(logits / (self.fuzzifier - 1), axis=0))
            ** self.fuzzifier
        )
        return jnp.sum(shares * (0.5 * least[None] - logits), axis=0)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        logits = self._logits(delta, jnp.min(delta, axis=1))
        return logits if self.fuzzifier is None else logits / (self.fuzzifier - 1)

    def memberships(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        return jax.nn.softmax(self.scores(delta, np.arange(delta.shape[1])).T, axis=0).T

    def _logits(self, delta: Float[Array, "n p"], least: PerSample) -> Float[Array, "n p"]:
        """The logarithms of the joint densities, those of each sample less half of `least`: no
        large numbers."""
        return jax.nn.log_softmax(self.logits)[None] - 0.5 * (delta - least[:, None])

    def refit(self, moments: Moments, moved: Float[Array, "p k"], step: Step) -> "Mixture":
        """π ← (1-step) π + step · (each component's share of the responsibilities)."""
        share = moments.weight / jnp.sum(moments.weight)
        weights = self.weights + step.whole * (share - self.weights)
        return eqx.tree_at(
            lambda s: s.logits, self, jnp.log(jnp.maximum(weights, jnp.finfo(weights.dtype).tiny))
        )
