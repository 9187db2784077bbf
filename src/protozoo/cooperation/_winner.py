"""The winner alone."""

from typing import ClassVar

import jax.numpy as jnp

from .._argmin import nearest_row
from .._types import Array, ArrayLike, Float
from ._base import AbstractCooperation


class WinnerTakesAll(AbstractCooperation):
    """\\(h_j = 1\\) for the nearest member (the first of equals), zero for all others: pool(f) =
    f(min δ)."""

    winner_alone: ClassVar[bool] = True

    def log_weights(
        self,
        group: Float[Array, "*batch m n"],
        progress: Float[ArrayLike, ""],
    ) -> Float[Array, "*batch m n"]:
        wins = jnp.arange(group.shape[-2])[:, None] == nearest_row(group)[..., None, :]
        return jnp.where(wins, jnp.zeros((), group.dtype), -jnp.inf)
