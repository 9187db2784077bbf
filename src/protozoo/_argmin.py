"""The nearest of many."""

import jax.numpy as jnp

from ._types import Array, Float, Int


def nearest_column(delta: Float[Array, "n p"]) -> Int[Array, " n"]:
    """The index of the smallest dissimilarity of each sample, the first of equals."""
    return nearest_row(delta.T)


def nearest_row(rows: Float[Array, "*batch p n"]) -> Int[Array, "*batch n"]:
    """The same where samples are the last axis."""
    # Two plain reductions, which processors vectorise, as they do not vectorise `argmin`.
    p, smallest = rows.shape[-2], jnp.min(rows, axis=-2, keepdims=True)
    first = jnp.min(jnp.where(rows == smallest, jnp.arange(p)[:, None], p), axis=-2)
    # Where all is NaN, zero.
    return jnp.where(first < p, first, 0)
