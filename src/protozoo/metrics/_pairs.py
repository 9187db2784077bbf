"""Squared norms of displacements as what training differentiates: a whole matrix of them, or a few
columns of each row, those of the winners.

The matrix itself comes from somewhere else, and is not differentiated: the derivative of the chosen
pairs costs what these cost instead of all. And it is that of differences: where squares are
expanded, so is their derivative, in which terms of the size of the whole data cancel.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from .._products import accumulated
from .._types import Array, Bool, Float, Int
from ..manifolds import pairwise_squares, squared_lengths
from ._linear_maps import AbstractLinearMap


#: By a map, by samples and by points.
Derivatives = tuple[AbstractLinearMap, Float[Array, "n d"], Float[Array, "p d"]]

#: By how much the terms of squares may exceed them before their derivative, whose rounding is
#: relative to these terms, is found by differences.
LOST = 2.0**10


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def all_entries(
    squared: Float[Array, "n p"],
    linear: AbstractLinearMap,
    x: Float[Array, "n d"],
    points: Float[Array, "p d"],
    local: bool,
) -> Float[Array, "n p"]:
    """All of them, as a function of map, x and points: \\(\\lVert (x_i - w_j)A_j \\rVert^2\\);
    `local` says whether there is a map for each j."""
    return squared


def _all_forward(
    squared: Array, linear: AbstractLinearMap, x: Array, points: Array, local: bool
) -> tuple[Array, tuple]:
    return squared, (squared, linear, x, points)


def _all_backward(local: bool, residuals: tuple, cotangent: Array) -> tuple:
    squared, *given = residuals

    def expanded(linear: Any, x: Array, points: Array) -> tuple[Array, Array]:
        if local:
            return linear.expanded(x, points)[:2]
        z = linear.apply(x)
        return pairwise_squares(z, linear.apply(points)), squared_lengths(z)[None]

    _, pull, own = jax.vjp(expanded, *given, has_aux=True)
    g = cotangent.T
    lost = _lost(g, squared.T, own)
    exactly = functools.partial(_of_columns, local)
    return None, *_unless(exactly, pull(cotangent), lost, (*given, g))


all_entries.defvjp(_all_forward, _all_backward)


@jax.custom_vjp
def chosen_shared(
    squared: Float[Array, "n p"],
    linear: AbstractLinearMap,
    x: Float[Array, "n d"],
    points: Float[Array, "p d"],
    columns: Int[Array, "m n"],
) -> Float[Array, "m n"]:
    """These entries of each row, as a function of one map, x and points."""
    return _entries(squared, columns)


def _shared_forward(
    squared: Array, linear: AbstractLinearMap, x: Array, points: Array, columns: Array
) -> tuple[Array, tuple]:
    entries = chosen_shared(squared, linear, x, points, columns)
    return entries, (entries, linear, x, points, columns)


def _shared_backward(residuals: tuple, cotangent: Array) -> tuple:
    entries, *given, columns = residuals

    def mapped(linear: AbstractLinearMap, x: Array, points: Array) -> tuple[Array, Array]:
        return linear.apply(x), linear.apply(points)

    mapped_to, pull = jax.vjp(mapped, *given)
    z, v = jax.tree.map(accumulated, mapped_to)
    dz, dv = jnp.zeros_like(z), jnp.zeros_like(v)
    for j, g in zip(columns, cotangent, strict=True):
        dz += 2 * g[:, None] * (z - v[j])
        dv += 2 * (
            jax.ops.segment_sum(g, j, len(v))[:, None] * v
            - jax.ops.segment_sum(g[:, None] * z, j, len(v))
        )
    found = pull(jax.tree.map(lambda a, b: a.astype(b.dtype), (dz, dv), mapped_to))
    lost = _lost(cotangent, entries, squared_lengths(z)[None])
    return None, *_unless(_of_pairs, found, lost, (*given, cotangent, columns)), None


chosen_shared.defvjp(_shared_forward, _shared_backward)


def _lost(
    g: Float[Array, "m n"], entries: Float[Array, "m n"], terms: Float[Array, "q n"]
) -> Bool[Array, ""]:
    """Whether the terms of expanded squares are far above the squares, where it matters: a few
    hundred samples tell."""
    step = -(-g.shape[1] // 256)
    g, entries, terms = (a[:, ::step] for a in (g, entries, terms))
    share = jnp.abs(g)
    return jnp.sum(share * terms) > LOST * jnp.sum(share * entries)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _unless(add: Callable, found: Derivatives, lost: Bool[Array, ""], given: tuple) -> Derivatives:
    """The derivatives that were found, unless they are lost: then sums by differences, to which
    `add(sums, k, *given)` adds those of one prototype of each sample. Second derivatives are those
    of what was found."""
    none = jax.tree.map(lambda a: jnp.zeros_like(accumulated(a)), found)
    # No step, unless something is lost: where many models are trained by one program, a condition
    # would compute both of its branches.
    steps = jnp.where(lost, len(given[3]), 0)

    def next_one(k: Array, sums: Derivatives) -> Derivatives:
        return jax.tree.map(lambda a, b: b.astype(a.dtype), sums, add(sums, k, *given))

    exact = jax.lax.fori_loop(0, steps, next_one, none)
    return jax.tree.map(lambda a, b: jnp.where(lost, a.astype(b.dtype), b), exact, found)


@_unless.defjvp
def _unless_jvp(add: Callable, primals: tuple, tangents: tuple) -> tuple[Derivatives, Derivatives]:
    return _unless(add, *primals), tangents[0]


def _of_one(
    linear: AbstractLinearMap, v: Float[Array, "n d"], g: Float[Array, " n"]
) -> tuple[AbstractLinearMap, Float[Array, "n d"]]:
    """The derivatives of \\(\\sum_i g_i \\lVert v_i A \\rVert^2\\), in a precision for sums."""

    def total(linear: AbstractLinearMap, v: Array) -> Array:
        return jnp.sum(g * linear.squared_norm(v))

    return jax.tree.map(accumulated, jax.grad(total, (0, 1))(linear, v))


def _of_pairs(
    sums: Derivatives,
    k: Int[Array, ""],
    linear: AbstractLinearMap,
    x: Float[Array, "n d"],
    points: Float[Array, "p d"],
    g: Float[Array, "m n"],
    columns: Int[Array, "m n"],
) -> Derivatives:
    """Of the k-th of these columns, by one map."""
    j = columns[k]
    dlinear, dv = _of_one(linear, x - points[j], g[k])
    dpoints = -jax.ops.segment_sum(dv, j, len(points))
    return jax.tree.map(jnp.add, sums, (dlinear, dv, dpoints))


def _of_columns(
    local: bool,
    sums: Derivatives,
    k: Int[Array, ""],
    linear: AbstractLinearMap,
    x: Float[Array, "n d"],
    points: Float[Array, "p d"],
    g: Float[Array, "p n"],
) -> Derivatives:
    """Of all entries of the k-th prototype, by one map or by its own."""
    one = jax.tree.map(lambda a: a[k], linear) if local else linear
    derivative, dv = _of_one(one, x - points[k][None], g[k])
    dlinear, dx, dpoints = sums
    dlinear = jax.tree.map(
        lambda a, b: a.at[k].set(b.astype(a.dtype)) if local else a + b, dlinear, derivative
    )
    return dlinear, dx + dv, dpoints.at[k].set(-jnp.sum(dv, axis=0).astype(dpoints.dtype))


@jax.custom_vjp
def chosen_local(
    squared: Float[Array, "n p"],
    maps: AbstractLinearMap,
    x: Float[Array, "n d"],
    points: Float[Array, "p d"],
    columns: Int[Array, "m n"],
) -> Float[Array, "m n"]:
    """These entries of each row, as a function of maps, x and points:
    \\(\\lVert (x_i - w_j)A_j \\rVert^2\\)."""
    return _entries(squared, columns)


def _local_forward(
    squared: Array, maps: AbstractLinearMap, x: Array, points: Array, columns: Array
) -> tuple[Array, tuple]:
    return chosen_local(squared, maps, x, points, columns), (maps, x, points, columns)


def _local_backward(residuals: tuple, cotangent: Array) -> tuple:
    maps, x, points, columns = residuals
    dmaps, dx, dpoints = maps.pair_gradient(x, points, columns, cotangent)
    return None, dmaps, dx, dpoints, None


chosen_local.defvjp(_local_forward, _local_backward)


def _entries(matrix: Float[Array, "n p"], columns: Int[Array, "m n"]) -> Float[Array, "m n"]:
    return matrix.T.at[columns, jnp.arange(len(matrix))].get(mode="promise_in_bounds")
