"""Prototypes that learn from a sample together."""

from typing import ClassVar

import jax.numpy as jnp

from .._module import AbstractScaleFree, part
from .._types import Array, ArrayLike, Float, MaybeLabels, PerSample
from ..cooperation import AbstractCooperation
from ._base import AbstractSampleLoss, PrototypeLabels, nearness


class Cooperative(AbstractSampleLoss, AbstractScaleFree):
    """\\(\\ell = \\sum_j h_j\\,\\delta_j\\), h_j the share of prototype j, held fixed by the derivative.

    **Arguments:**

    - `cooperation`: how all prototypes share a sample. The shares are used as they are: they need not
      sum to one.

    ∂ℓ/∂δ are the shares. With `RankCooperation(λ)`, alternating optimisation is batch neural gas: the
    nearest prototype has share one, the next \\(e^{-1/\\lambda}\\). With `WinnerTakesAll`, it is k-means, as
    by `HardClustering`. Decision: the nearest prototype; probabilities ∝ 1/δ_j.

    Source: T. Martinetz, S. Berkovich, K. Schulten, *"Neural-gas" network for vector quantization and its
    application to time-series prediction*, IEEE Trans. Neural Networks 4, 1993; M. Cottrell, B. Hammer,
    A. Hasenfuß, T. Villmann, *Batch and median neural gas*, Neural Networks 19, 2006.
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
        shares = jnp.exp(self.cooperation.log_weights(delta.T, progress))
        return jnp.sum(shares * delta.T, axis=0)

    def scores(self, delta: Float[Array, "n p"], labels: PrototypeLabels) -> Float[Array, "n c"]:
        return nearness(delta)
