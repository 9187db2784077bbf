"""Work through many samples in memory for a few."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp

from .._types import Array, PyTree


#: Entries of one block of rows: 4 MB in float32, so that a block stays in a processor's cache.
BLOCK = 2**20

Carry = TypeVar("Carry")


def rows_per_chunk(n: int, columns: int, block: int | None = None) -> int:
    """How many samples to take at a time, if each makes a row of `columns` numbers: as many every
    time, so that the last chunk hardly reaches back."""
    block = BLOCK if block is None else block
    return -(-n // -(-n // max(block // columns, 128)))


def map_chunks(function: Callable[[Array], PyTree], x: Array, rows: int) -> PyTree:
    """`function(x)`, for a function that treats rows independently, `rows` rows at a time.

    The last chunk reaches back to have the same size as the others: its first rows are computed
    twice, to the same result, and nothing is padded or copied.
    """
    n = len(x)
    if rows >= n:
        return function(x)
    shapes = jax.eval_shape(function, jax.ShapeDtypeStruct((rows, *x.shape[1:]), x.dtype))
    start = jax.tree.map(lambda s: jnp.zeros((n, *s.shape[1:]), s.dtype), shapes)

    def write(i: Array, out: PyTree) -> PyTree:
        at = jnp.minimum(i * rows, n - rows)
        values = function(jax.lax.dynamic_slice_in_dim(x, at, rows))
        return jax.tree.map(
            lambda o, v: jax.lax.dynamic_update_slice_in_dim(o, v, at, 0), out, values
        )

    return jax.lax.fori_loop(0, -(-n // rows), write, start)


def sum_chunks(
    function: Callable[..., Carry],
    arrays: tuple[Array | None, ...],
    weight: Array,
    rows: int,
    shards: int = 1,
) -> Carry:
    """`function(*arrays, weight)`, for a function that adds up over rows and is linear in `weight`,
    in chunks.

    A chunk has `rows` rows of each of `shards` equal shards: with a shard on every device, none
    waits for another, and nothing is sent but sums. The last chunk reaches back; what it repeats
    has weight zero.
    """
    m = len(weight) // shards
    if rows >= m:
        return function(*arrays, weight)

    def take(array: Array, at: Array) -> Array:
        chunk = jax.lax.dynamic_slice_in_dim(
            array.reshape(shards, m, *array.shape[1:]), at, rows, axis=1
        )
        return chunk.reshape(shards * rows, *array.shape[1:])

    def chunk(i: Array | int) -> Carry:
        at = jnp.minimum(i * rows, m - rows)
        new = jnp.tile(at + jnp.arange(rows) >= i * rows, shards)
        return function(
            *(None if a is None else take(a, at) for a in arrays),
            jnp.where(new, take(weight, at), 0),
        )

    def add(total: Carry, i: Array) -> tuple[Carry, None]:
        return jax.tree.map(jnp.add, total, chunk(i)), None

    return jax.lax.scan(add, chunk(0), jnp.arange(1, -(-m // rows)))[0]
