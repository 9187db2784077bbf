"""Squared distances in a flat space, by one matrix product, right also where its terms cancel.

\\(\\lVert x - w\\rVert^2 = \\lVert x\\rVert^2 + \\lVert w\\rVert^2 - 2\\,x \\cdot w\\) costs one
matrix product for all pairs. Its rounding is relative to its terms, and not to the difference that
is left of them: points that are close together and far from the reference lose it. Such entries are
few where they matter, and are computed again from x - w.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from .._products import accumulated, linear_product, product
from .._types import Array, Bool, Float, Int, PyTree
from ._jacobi import precise_product


#: So few features are subtracted one after the other: as fast as a matrix product, and less is
#: lost.
FEW = 4


def centred(
    x: Float[Array, "n d"], points: Float[Array, "p d"]
) -> tuple[Float[Array, "n d"], Float[Array, "p d"]]:
    """Both sides, moved by a common reference: far from the origin, all terms of the square would
    be large."""
    reference = jax.lax.stop_gradient(points.mean(axis=0, keepdims=True))
    return x - reference, points - reference


def squared_lengths(v: Float[Array, "m d"]) -> Float[Array, " m"]:
    """\\(\\lVert v_i \\rVert^2\\)."""
    return jnp.sum(accumulated(v) ** 2, axis=1)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def pairwise_squares(
    x: Float[Array, "n d"], points: Float[Array, "p d"], relative: bool = False
) -> Float[Array, "n p"]:
    """\\(\\lVert x_i - w_j \\rVert^2\\) by one matrix product, not below zero.

    With `relative`, rows of samples that are far away from all points leave
    \\(\\lVert x_i \\rVert^2\\) out: beside it, what differs from point to point is lost in
    rounding.

    Its derivative is that of the exact squares, two matrix products; rounding below zero has no
    part in it. Like all matrices of dissimilarities it is written as the transpose of (p, n):
    samples lie side by side in memory, where a processor reduces many of them at once over their
    prototypes.
    """
    own, others = squared_lengths(x)[None], squared_lengths(points)[:, None]
    if x.shape[1] <= FEW:
        rows, columns = accumulated(x).T[:, None], accumulated(points).T[..., None]
        crossed = sum(rows[k] * columns[k] for k in range(len(rows)))
        near = sum((rows[k] - columns[k]) ** 2 for k in range(len(rows)))
    else:
        crossed = product(points, x.T)
        near = jnp.maximum(others + own - 2 * crossed, 0)
    squares = jnp.where(_far(own, others), others - 2 * crossed, near) if relative else near
    # Held back: computed once and read by all who ask, rather than by each of them anew, and
    # rounded otherwise.
    return jax.lax.optimization_barrier(squares).T


def _far(own: Float[Array, "1 n"], others: Float[Array, "p 1"]) -> Bool[Array, "1 n"]:
    """Which samples are far away from all points, by squared lengths."""
    return own > 2.0**12 * jnp.max(others)


def _pairwise_squares_jvp(
    relative: bool, primals: tuple[Array, Array], tangents: tuple
) -> tuple[Array, Array]:
    (x, points), (dx, dpoints) = primals, tangents
    squares = pairwise_squares(x, points, relative)
    change = jnp.zeros_like(squares.T)
    # What is constant, as samples mostly are, costs no product.
    if not isinstance(dx, SymbolicZero):
        own = jnp.sum(accumulated(x) * accumulated(dx), axis=1)[None]
        change += 2 * (own - linear_product(dx, points.T).T)
    if not isinstance(dpoints, SymbolicZero):
        others = jnp.sum(accumulated(points) * accumulated(dpoints), axis=1)[:, None]
        # A product, so that the sum over samples in its transpose is one, too.
        ones = jnp.ones((1, len(x)), others.dtype)
        change += 2 * (precise_product(others, ones) - linear_product(dpoints, x.T))
    # Unless it is held back, the transposition is merged into the derivative's product, which then
    # copies what it is given.
    return squares, jax.lax.optimization_barrier(change).T


pairwise_squares.defjvp(_pairwise_squares_jvp, symbolic_zeros=True)


#: \\(\\lVert (x_i - w_j) A_j \\rVert^2\\) from x - w, for one j of each sample: a function of maps,
#: x, points and j; with a slice in place of numbers, rows of x and of the points belong together.
Differences = Callable[
    [PyTree, Float[Array, "n d"], Float[Array, "p d"], Int[Array, " n"] | slice],
    Float[Array, " n"],
]

#: An expanded square that is below so many roundings of its terms has lost ten of the bits of its
#: dtype.
LOST = 2.0**13

#: How many samples are looked at together when squares are computed again.
TOGETHER = 256

_WITHOUT_LOOPS: ContextVar[bool] = ContextVar("without_loops", default=False)


@contextmanager
def without_loops() -> Iterator[None]:
    """For programs that had better have no loops: all squares are those of differences, right
    without a second look, for the memory of all displacements."""
    token = _WITHOUT_LOOPS.set(True)
    try:
        yield
    finally:
        _WITHOUT_LOOPS.reset(token)


def regained(
    squares: Float[Array, "n p"],
    own: Float[Array, "q n"],
    others: Float[Array, "p 1"],
    maps: PyTree,
    x: Float[Array, "n d"],
    points: Float[Array, "p d"],
    differences: Differences,
    subtracted: bool = False,
) -> Float[Array, "n p"]:
    """Expanded squares, in which those that are small beside their terms are computed again, by
    differences.

    A few samples at a time, and one point of each of them: nothing is as large as all
    displacements. Where nothing is lost, as with ordinary data, only looking for it costs
    something. The derivative is that of `squares`.

    **Arguments:**

    - `squares`: expanded.
    - `own`, `others`: their positive terms, whose rounding they have: those of the samples (1, n)
      or (p, n), and those of the points.
    - `maps`, `x`, `points`, `differences`: how they are computed again.
    - `subtracted`: they are squares of differences already, of points that were rounded before.
    """
    if not _WITHOUT_LOOPS.get():
        return _regained(squares, own, others, maps, x, points, differences, subtracted)

    def of_one(one: Float[Array, " d"]) -> Float[Array, " p"]:
        return differences(maps, jnp.broadcast_to(one, points.shape), points, slice(None))

    return jnp.where(own.T == -jnp.inf, squares, jax.vmap(of_one)(x).astype(squares.dtype))


@functools.partial(jax.custom_jvp, nondiff_argnums=(6, 7))
def _regained(
    squares: Float[Array, "n p"],
    own: Float[Array, "q n"],
    others: Float[Array, "p 1"],
    maps: PyTree,
    x: Float[Array, "n d"],
    points: Float[Array, "p d"],
    differences: Differences,
    subtracted: bool,
) -> Float[Array, "n p"]:
    """The same, where it is needed."""
    rows, n = squares.T, x.shape[0]
    each = jnp.arange(len(rows))[:, None]
    small = LOST * jnp.finfo(rows.dtype).eps
    small = small**2 if subtracted else small
    own = small * own

    def regain_next(
        carry: tuple[Array, Array, Array], own: Array, x: Array
    ) -> tuple[Array, Array, Array]:
        some, last, _ = carry
        lost = (some - small * others < own) & (each > last[None])
        j = jnp.min(jnp.where(lost, each, len(some)), axis=0)
        again = differences(maps, x, points, jnp.minimum(j, len(some) - 1))
        some = jnp.where(each == j[None], again[None].astype(some.dtype), some)
        return some, j, jnp.any(j < len(some))

    def regain_some(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        rows, lost = carry
        # Filled up, so that it works for any number of samples, also one that is not known yet.
        found, at = jax.lax.top_k(jnp.pad(lost, (0, TOGETHER)).astype(rows.dtype), TOGETHER)
        at = jnp.where(found > 0, at, n)
        mine, samples = own.at[:, at].get(mode="clip"), x.at[at].get(mode="clip")
        start = rows.at[:, at].get(mode="clip"), jnp.full(len(at), -1), jnp.asarray(True)
        some = jax.lax.while_loop(lambda c: c[2], lambda c: regain_next(c, mine, samples), start)[0]
        return rows.at[:, at].set(some, mode="drop"), lost.at[at].set(False, mode="drop")

    # One plain reduction tells whether there is anything to do.
    lost = jnp.min(rows - small * others - own, axis=0) < 0
    return jax.lax.while_loop(lambda carry: jnp.any(carry[1]), regain_some, (rows, lost))[0].T


@_regained.defjvp
def _regained_jvp(
    differences: Differences, subtracted: bool, primals: tuple, tangents: tuple
) -> tuple[Array, Array]:
    return _regained(*primals, differences, subtracted), tangents[0]


def shared_squares(
    x: Float[Array, "n d"], points: Float[Array, "p d"], linear: Any = None, relative: bool = False
) -> Float[Array, "n p"]:
    """\\(\\lVert (x_i - w_j) A \\rVert^2\\) for one linear map, a tree with `apply` and
    `squared_norm`; `None`: A = I.

    `relative` is that of `pairwise_squares`.
    """
    z, v = centred(x, points)
    if linear is not None:
        z, v = linear.apply(z), linear.apply(v)
    own, others = jax.lax.stop_gradient((squared_lengths(z)[None], squared_lengths(v)[:, None]))
    if relative:
        own = jnp.where(_far(own, others), -jnp.inf, own)
    held = jax.lax.stop_gradient((linear, x, points))
    return regained(
        pairwise_squares(z, v, relative), own, others, *held, _shared_differences, z.shape[1] <= FEW
    )


def _shared_differences(
    linear: Any, x: Array, points: Array, j: Int[Array, " n"] | slice
) -> Float[Array, " n"]:
    v = x - points[j]
    return squared_lengths(v) if linear is None else linear.squared_norm(v)
