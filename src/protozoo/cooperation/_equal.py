"""All members alike."""

import jax.numpy as jnp

from .._types import Array, ArrayLike, Float
from ._base import AbstractCooperation


class EqualShares(AbstractCooperation):
    """\\(h_j = 1\\) for every member: pool(f) is the mean of f over the group."""

    def log_weights(
        self,
        group: Float[Array, "*batch m n"],
        progress: Float[ArrayLike, ""],
    ) -> Float[Array, "*batch m n"]:
        return jnp.zeros_like(group)
