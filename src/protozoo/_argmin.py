"""The nearest of many."""

import jax
import jax.numpy as jnp

from ._types import Array, Float, Int


def nearest_column(delta: Float[Array, "n p"]) -> Int[Array, " n"]:
    """The index of the smallest dissimilarity of each sample, the first of equals."""
    return nearest_row(delta.T)


def nearest_row(rows: Float[Array, "*batch p n"]) -> Int[Array, "*batch n"]:
    """The same where samples are the last axis."""
    # Two plain reductions, which processors vectorise, as they do not vectorise `argmin`.
    p, smallest = rows.shape[-2], jnp.min(rows, axis=-2, keepdims=True)
    first = jnp.min(jnp.where(rows <= smallest, jnp.arange(p)[:, None], p), axis=-2)
    # Where all is NaN, zero.
    return jnp.where(first < p, first, 0)


@jax.custom_jvp
def smallest_row(rows: Float[Array, "*batch p n"]) -> Float[Array, "*batch n"]:
    """The smallest dissimilarity of each sample, where samples are the last axis.

    Its derivative is a one at the nearest, the first of equals. What JAX makes of a minimum's
    derivative looks for what equals it, and where both are computed apart it finds others, or none.
    """
    return jnp.min(rows, axis=-2)


@smallest_row.defjvp
def _smallest_row_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (rows,), (change,) = primals, tangents
    chosen = nearest_row(rows)[..., None, :] == jnp.arange(rows.shape[-2])[:, None]
    return smallest_row(rows), jnp.sum(jnp.where(chosen, change, 0), axis=-2)
