"""Work through many samples in memory for a few."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import aligned
from .._types import Array, PyTree


#: Entries of one block of rows: 4 MB in float32, so that a block stays in a processor's cache.
BLOCK = 2**20

#: Arrays of the host that are larger than this many bytes are handed over in pieces of so many.
LARGE, PIECE = 2**26, 2**24

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


def rows_per_piece(x: np.ndarray | Array) -> int:
    """How many samples of an array are handed to the device at a time: all of them, unless they
    are many and on the host, in memory or on a disk."""
    n = len(x)
    if not isinstance(x, np.ndarray) or x.nbytes <= LARGE:
        return n
    return -(-n // -(-x.nbytes // PIECE))


def map_pieces(function: Callable[[slice], PyTree], n: int, rows: int) -> PyTree:
    """What `function` says of all rows, asked of `rows` of them at a time: in memory for one piece
    beside the answer.

    The last piece reaches back, as the last chunk does (`map_chunks`).
    """
    answer: Any = None
    for at in range(0, n, rows):
        piece = slice(min(at, n - rows), min(at, n - rows) + rows)
        values = function(piece)
        if answer is None:
            answer = jax.tree.map(lambda v: aligned((n, *v.shape[1:]), v.dtype), values)
        for whole, some in zip(jax.tree.leaves(answer), jax.tree.leaves(values), strict=True):
            whole[piece] = some
    return jax.tree.map(jnp.asarray, answer)


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
