"""A matrix of squared norms that is differentiated at a few columns of each row: those of the winners.

The matrix itself comes from somewhere else, and is not differentiated; what these functions add is the derivative, at the
cost of the chosen pairs instead of all.
"""

import jax
import jax.numpy as jnp

from .._products import accumulated
from .._types import Array, Float, Int
from ._linear_maps import AbstractLinearMap


@jax.custom_vjp
def differentiate_shared(
    squared: Float[Array, "n p"], z: Float[Array, "n l"], v: Float[Array, "p l"], columns: Int[Array, "n m"]
) -> Float[Array, "n p"]:
    """The matrix as a function of z and v in these columns: \\(\\lVert z_i - v_j \\rVert^2\\)."""
    return squared


def _shared_forward(squared: Array, z: Array, v: Array, columns: Array) -> tuple[Array, tuple]:
    return squared, (z, v, columns)


def _shared_backward(residuals: tuple, cotangent: Array) -> tuple:
    z, v, columns = residuals
    dz, dv = jnp.zeros_like(accumulated(z)), jnp.zeros_like(accumulated(v))
    for j, g in zip(columns.T, jnp.take_along_axis(cotangent, columns, axis=1).T, strict=True):
        dz += 2 * g[:, None] * (z - v[j])
        dv += 2 * (jax.ops.segment_sum(g, j, len(v))[:, None] * v - jax.ops.segment_sum(g[:, None] * z, j, len(v)))
    return None, dz.astype(z.dtype), dv.astype(v.dtype), None


differentiate_shared.defvjp(_shared_forward, _shared_backward)


@jax.custom_vjp
def differentiate_local(
    squared: Float[Array, "n p"],
    maps: AbstractLinearMap,
    x: Float[Array, "n d"],
    points: Float[Array, "p d"],
    columns: Int[Array, "n m"],
) -> Float[Array, "n p"]:
    """The matrix as a function of maps, x and points in these columns: \\(\\lVert (x_i - w_j)A_j \\rVert^2\\)."""
    return squared


def _local_forward(squared: Array, maps: AbstractLinearMap, x: Array, points: Array, columns: Array) -> tuple[Array, tuple]:
    return squared, (maps, x, points, columns)


def _local_backward(residuals: tuple, cotangent: Array) -> tuple:
    maps, x, points, columns = residuals
    n, p, pairs = len(x), len(points), columns.size
    weights = jnp.append(jnp.take_along_axis(cotangent, columns, axis=1).reshape(-1), 0)
    each = sum(leaf.size for leaf in jax.tree.leaves(maps)) // p
    size = min(256, max(8, pairs // p))
    if size == 8 and each <= 4 * x.shape[1]:  # to copy a thin map is cheaper than to sort the few pairs that share it
        size, prototype, members = 1, columns.reshape(-1), jnp.arange(pairs)[:, None]
    else:
        prototype, members = _blocks(columns.reshape(-1), p, size)

    def block(at: tuple[Array, Array]) -> tuple:
        j, member = at
        # The last, made-up pair fills blocks up: it weighs nothing.
        i, weight = jnp.minimum(member // columns.shape[1], n - 1), weights[member]

        def total(one: AbstractLinearMap, rows: Array, w: Array) -> Array:
            return jnp.sum(weight * one.squared_norm(rows - w))

        return jax.grad(total, (0, 1, 2))(jax.tree.map(lambda a: a[j], maps), x[i], points[j])

    # As many blocks together as fit into a processor's cache.
    together = max(1, 2**19 // (size * x.shape[1] + each))
    dmaps, dx, dw = jax.lax.map(block, (prototype, members), batch_size=together)

    def summed(g: Array, i: Array, rows: int) -> Array:
        return jax.ops.segment_sum(accumulated(g), i, rows).astype(g.dtype)

    dmaps, dw = jax.tree.map(lambda g: summed(g, prototype, p), (dmaps, dw))
    sample = jnp.minimum(members // columns.shape[1], n - 1).reshape(-1)
    return None, dmaps, summed(dx.reshape(-1, x.shape[1]), sample, n), dw, None


differentiate_local.defvjp(_local_forward, _local_backward)


def _blocks(column: Int[Array, " m"], p: int, size: int) -> tuple[Int[Array, " b"], Int[Array, "b s"]]:
    """Numbers 0…m-1 in blocks that share their column: the column of each block, and its members (m: none)."""
    m = len(column)
    blocks = m // size + p  # every column may leave one unfilled
    order = jnp.argsort(column)
    counts = jnp.bincount(column, length=p)
    used = -(-counts // size)
    first_member, first_block = jnp.cumsum(counts) - counts, jnp.cumsum(used) - used
    grouped = column[order]
    slot = first_block[grouped] * size + jnp.arange(m) - first_member[grouped]
    members = jnp.full(blocks * size, m).at[slot].set(order)
    of = jnp.searchsorted(jnp.cumsum(used), jnp.arange(blocks), side="right")
    return jnp.minimum(of, p - 1), members.reshape(blocks, size)
