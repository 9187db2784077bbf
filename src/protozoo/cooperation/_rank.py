"""Neural-gas cooperation."""

import jax
import jax.numpy as jnp

from .._schedules import AbstractSchedule, as_schedule, positive, value_at
from .._types import Array, ArrayLike, Float, Int
from ._base import AbstractCooperation


class RankCooperation(AbstractCooperation):
    """Members share by rank: \\(h_j = e^{-r_j/\\gamma}\\), r_j = 0 for the nearest.

    **Arguments:**

    - `neighbourhood`: γ > 0, in ranks: a number or a schedule of training progress (usually
      falling).

    Ranks carry no gradient. γ → 0 recovers `WinnerTakesAll`, γ → ∞ `EqualShares`. Cooperation is a
    matter of training: a trained model decides by its dissimilarities alone.

    **Raises:** `ValueError` if γ is not positive.

    Source: T. Martinetz, S. Berkovich, K. Schulten, *"Neural-gas" network for vector quantization
    and its application to time-series prediction*, IEEE Trans. Neural Networks 4, 1993; B. Hammer,
    M. Strickert, T. Villmann, *Supervised neural gas with general similarity measure*, Neural
    Processing Letters 21, 2005.
    """

    neighbourhood: AbstractSchedule

    def __init__(self, neighbourhood: AbstractSchedule | ArrayLike):
        self.neighbourhood = as_schedule(neighbourhood, "neighbourhood")
        positive(value_at(self.neighbourhood, 1.0), "neighbourhood")

    def log_weights(
        self,
        group: Float[Array, "*batch m n"],
        progress: Float[ArrayLike, ""],
    ) -> Float[Array, "*batch m n"]:
        return -ranks(group).astype(group.dtype) / self.neighbourhood(progress)


def ranks(group: Float[Array, "*batch m n"]) -> Int[Array, "*batch m n"]:
    """How many members are smaller (ties: are earlier). Counting beats sorting twice, unless a
    group is very large. No member is compared with itself: where it is computed twice, one of them
    may be smaller."""
    group = jax.lax.stop_gradient(group)
    m = group.shape[-2]
    if m > 1024:
        return jnp.argsort(jnp.argsort(group.swapaxes(-1, -2))).swapaxes(-1, -2)
    if m > 48:
        number = jnp.arange(m).reshape(*[1] * (group.ndim - 2), m, 1)

        def counted(j: Int[Array, ""], rank: Int[Array, "*batch m n"]) -> Int[Array, "*batch m n"]:
            # One member after the other, for all samples: what is compared stays in a processor's
            # cache.
            other = jax.lax.dynamic_slice_in_dim(group, j, 1, axis=-2)
            before = jnp.where(number > j, other <= group, (number < j) & (other < group))
            return rank + before

        return jax.lax.fori_loop(0, m, counted, jnp.zeros(group.shape, jnp.int32))
    mine, other = group[..., :, None, :], group[..., None, :, :]
    below = jnp.tri(m, k=-1, dtype=bool)
    earlier, later = (some.reshape(*[1] * (group.ndim - 2), m, m, 1) for some in (below, below.T))
    return jnp.sum(earlier & (other <= mine) | later & (other < mine), axis=-2)
