"""Prototypes that learn from a sample together."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from .._module import AbstractHomogeneous, part, replaced
from .._types import Array, ArrayLike, Float, MaybeLabels, PerSample
from ..cooperation import AbstractCompetition, AbstractCooperation
from ._base import AbstractMemberships, AbstractSampleLoss, PrototypeLabels, nearness


class Cooperative(AbstractSampleLoss, AbstractMemberships, AbstractHomogeneous):
    """\\(\\ell = \\sum_j h_j\\,\\delta_j\\), h_j the share of prototype j, held fixed by the
    derivative.

    **Arguments:**

    - `cooperation`: how all prototypes share a sample. The shares are used as they are: they need
      not sum to one.

    ∂ℓ/∂δ are the shares. With `RankCooperation(λ)`, alternating optimisation is batch neural gas:
    the nearest prototype has share one, the next \\(e^{-1/\\lambda}\\). With
    `LatticeCooperation(lattice, σ)`, it is a self-organising map: the batch map by alternating
    optimisation, Kohonen's rule \\(\\Delta w_j = \\eta h_j (x - w_j)\\) by stochastic gradients (of
    squared Euclidean distances, with the rate η/2). With `WinnerTakesAll`, it is k-means, as by
    `HardClustering`.

    Decision: the prototype that wins in training; probabilities ∝ 1/δ_j. A cooperation that
    compares something else than dissimilarities (an `AbstractCompetition`) decides by this instead.

    Source: T. Martinetz, S. Berkovich, K. Schulten, *"Neural-gas" network for vector quantization
    and its application to time-series prediction*, IEEE Trans. Neural Networks 4, 1993; M.
    Cottrell, B. Hammer, A. Hasenfuß, T. Villmann, *Batch and median neural gas*, Neural Networks
    19, 2006.
    """

    cooperation: AbstractCooperation = part()
    degree: ClassVar[int] = 1
    supervised: ClassVar[bool] = False

    def __call__(
        self,
        delta: Float[Array, "n p"],
        labels: PrototypeLabels,
        y: MaybeLabels,
        progress: Float[ArrayLike, ""] = 1.0,
    ) -> PerSample:
        shares = jnp.exp(jax.lax.stop_gradient(self.cooperation.log_weights(delta.T, progress)))
        return jnp.sum(shares * delta.T, axis=0)

    def memberships(self, delta: Float[Array, "n p"]) -> Float[Array, "n p"]:
        return jnp.exp(self.cooperation.log_weights(delta.T, 1.0)).T

    def in_units(self, unit: Float[Array, "*d"]) -> "Cooperative":
        shares: Any = self.cooperation
        return (
            replaced(self, cooperation=shares.in_units(unit))
            if isinstance(shares, AbstractHomogeneous)
            else self
        )

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        if isinstance(self.cooperation, AbstractCompetition):
            delta = self.cooperation.compared(delta.T).T
        return nearness(delta)
