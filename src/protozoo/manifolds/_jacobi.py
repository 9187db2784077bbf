"""Singular values of many small matrices, each to its own precision."""

import functools
import operator
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.export import is_symbolic_dim

from .._types import Array, Float


#: Entries of the matrices that are rotated together: what stays in the nearest caches of a
#: processor.
TOGETHER = 2**15
#: Sweeps after which nothing more is expected; ten are many.
SWEEPS = 30


@jax.custom_jvp
def left_svd(
    matrices: Float[Array, "*batch i i"],
) -> tuple[Float[Array, "*batch i i"], Float[Array, "*batch i"]]:
    """The left singular vectors U and the singular values s of M = U s Vᵀ, in no particular order.

    One-sided Jacobi: rotations of two columns at a time until all are orthogonal; their lengths
    then are the singular values. However much the columns of a well-conditioned matrix are scaled,
    every value has the relative precision of the type (Demmel & Veselić 1992). Eigenvalues of MMᵀ
    lose what is below the rounding of the largest one.

    The derivatives of the vectors are NaN or infinite where values coincide, as they are undefined.
    """
    return _left_svd(matrices)


@left_svd.defjvp
def _left_svd_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple:
    (m,), (change,) = primals, tangents
    left, values = left_svd(m)
    moved = precise_product(change, right_vectors(m, left, values))
    relative = precise_product(left.mT, moved) / values[..., :, None]
    gaps = 2 * jnp.sinh(pairs(jnp.subtract, jnp.log(values)))
    still = jnp.broadcast_to(jnp.eye(m.shape[-1], dtype=bool), m.shape)
    turned = jnp.where(still, 0, relative + relative.mT) / jnp.where(still, -1, -gaps)
    return (left, values), (precise_product(left, turned), jnp.sum(left * moved, axis=-2))


def right_vectors(
    m: Float[Array, "*batch i i"],
    left: Float[Array, "*batch i i"],
    values: Float[Array, "*batch i"],
) -> Float[Array, "*batch i i"]:
    """The right singular vectors that belong to the left ones."""
    return precise_product(m.mT, left) / values[..., None, :]


def pairs(
    function: Callable[[Array, Array], Array], values: Float[Array, "*batch i"]
) -> Float[Array, "*batch i i"]:
    """`function` of each two values."""
    return function(values[..., :, None], values[..., None, :])


def precise_product(
    a: Float[Array, "... i j"], b: Float[Array, "... j k"]
) -> Float[Array, "... i k"]:
    """AB. By default an accelerator may round the factors to a few bits; geometry does not survive
    that."""
    return jnp.matmul(a, b, precision="highest")


@jax.jit
def _left_svd(matrices: Array) -> tuple[Array, Array]:
    *batch, size, _ = matrices.shape
    flat = matrices.reshape(-1, size, size)
    # Whole vectors of a processor. An accelerator has no such caches, and is idle unless it gets
    # all matrices at once.
    rows = 16 * max(1, TOGETHER // (16 * size**2))
    rows = rows if is_symbolic_dim(flat.shape[0]) else min(rows, flat.shape[0])
    blocks = functools.partial(_in_blocks, rows=rows)
    vectors, values = jax.lax.platform_dependent(flat, cpu=blocks, default=_decomposed)
    return vectors.reshape(matrices.shape), values.reshape(*batch, size)


def _in_blocks(matrices: Float[Array, "n i i"], rows: int) -> tuple[Array, Array]:
    n = matrices.shape[0]
    # A symbolic number is seen to be divisible only if it is written as a product.
    blocks = (n + rows - 1) // rows
    more = jnp.broadcast_to(matrices[-1:], (blocks * rows - n, *matrices.shape[1:]))
    filled = jnp.concatenate([matrices, more])
    parts = jax.lax.map(_decomposed, filled.reshape(blocks, rows, *matrices.shape[1:]))
    vectors, values = (a.reshape(-1, *a.shape[2:])[:n] for a in parts)
    return vectors, values


def _decomposed(
    matrices: Float[Array, "n i i"],
) -> tuple[Float[Array, "n i i"], Float[Array, "n i"]]:
    # Side by side in memory: one instruction of a processor works on many matrices.
    columns = jnp.moveaxis(matrices, 0, -1)
    # By a power of two, which rounds nothing: squares of small entries would vanish, those of large
    # ones overflow.
    exponent = jnp.frexp(jnp.max(jnp.abs(columns), axis=(0, 1)))[1]
    columns = _orthogonal(jnp.ldexp(columns, -exponent[None, None]))
    lengths = jnp.sqrt(_dot(columns, columns))
    return jnp.moveaxis(columns / lengths[None], -1, 0), jnp.ldexp(lengths, exponent[None]).T


def _orthogonal(columns: Float[Array, "i j n"]) -> Float[Array, "i j n"]:
    """Rotate columns, the second axis, until they are orthogonal."""
    size, _, n = columns.shape
    half = (size + 1) // 2
    # An odd one out is paired with zeros, which are orthogonal to everything.
    columns = jnp.pad(columns, ((0, 0), (0, 2 * half - size), (0, 0)))
    rounding = size**0.5 * float(jnp.finfo(columns.dtype).eps)

    def play(state: tuple, _: None) -> tuple[tuple, None]:
        left, right, settled, cosine, moved = state
        a, b, product = _dot(left, left), _dot(right, right), _dot(left, right)
        lengths = jnp.sqrt(a) * jnp.sqrt(b)
        lengths = jnp.where(lengths > 0, lengths, 1)
        aligned = jnp.abs(product) / lengths
        # What is orthogonal stays as it is, whoever else is worked on.
        turning = (aligned > rounding) & ~settled
        slope = (b - a) / jnp.where(turning, 2 * product, 1)
        t = jnp.where(slope >= 0, 1.0, -1.0) / (jnp.abs(slope) + jnp.sqrt(1 + slope * slope))
        t = jnp.where(turning, t, 0)
        c = 1 / jnp.sqrt(1 + t * t)
        s = c * t
        left, right = _next_round(
            c[None] * left - s[None] * right, s[None] * left + c[None] * right
        )
        # How much of the longer column is added to the shorter one, in units of the latter's
        # length, at most.
        share = jnp.abs(s) * (1 + 2 * jnp.abs(slope) * aligned)
        return (left, right, settled, jnp.maximum(cosine, aligned), jnp.maximum(moved, share)), None

    def sweep(state: tuple) -> tuple:
        i, left, right, settled = state
        none = jnp.zeros((half, n), columns.dtype)
        start, rounds = (left, right, settled, none, none), max(2 * half - 1, 1)
        # A loop copies its state once in every turn: three rounds make a turn.
        (left, right, _, cosine, moved), _ = jax.lax.scan(play, start, length=rounds, unroll=3)
        # By no more than this product do rotations disturb other pairs: if it is rounding, another
        # sweep would find nothing to do.
        unsettled = jnp.max(cosine, axis=0) * jnp.max(moved, axis=0) > rounding
        return i + 1, left, right, settled | ~unsettled[None]

    def unfinished(state: tuple) -> Array:
        i, _, _, settled = state
        return ~jnp.all(settled) & (i < SWEEPS)

    start = 0, columns[:, :half], columns[:, half:], jnp.zeros((1, n), bool)
    _, left, right, _ = jax.lax.while_loop(unfinished, sweep, start)
    return jnp.concatenate([left, right], axis=1)[:, :size]


def _next_round(left: Float[Array, "i j n"], right: Float[Array, "i j n"]) -> tuple[Array, Array]:
    """New pairs as in a tournament: the first stays, the others move on by one place. After a sweep
    all are back where they were."""
    if left.shape[1] == 1:
        return left, right
    above = jnp.concatenate([left[:, :1], right[:, :1], left[:, 1:-1]], axis=1)
    return above, jnp.concatenate([right[:, 1:], left[:, -1:]], axis=1)


def _dot(a: Float[Array, "i j n"], b: Float[Array, "i j n"]) -> Float[Array, "j n"]:
    # Written out: a compiler makes vector instructions of these sums, and few of a reduction over
    # the first axis.
    return functools.reduce(operator.add, [a[i] * b[i] for i in range(len(a))])
