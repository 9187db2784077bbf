"""A few columns of a matrix of squared norms, those of the winners, and their derivative.

The matrix itself comes from somewhere else, and is not differentiated: the derivative costs what
the chosen pairs cost instead of all.
"""

import jax
import jax.numpy as jnp

from .._products import accumulated
from .._types import Array, Float, Int
from ._linear_maps import AbstractLinearMap


@jax.custom_vjp
def chosen_shared(
    squared: Float[Array, "n p"],
    z: Float[Array, "n l"],
    v: Float[Array, "p l"],
    columns: Int[Array, "m n"],
) -> Float[Array, "m n"]:
    """These entries of each row, as a function of z and v: \\(\\lVert z_i - v_j \\rVert^2\\)."""
    return _entries(squared, columns)


def _shared_forward(squared: Array, z: Array, v: Array, columns: Array) -> tuple[Array, tuple]:
    return chosen_shared(squared, z, v, columns), (z, v, columns)


def _shared_backward(residuals: tuple, cotangent: Array) -> tuple:
    z, v, columns = residuals
    dz, dv = jnp.zeros_like(accumulated(z)), jnp.zeros_like(accumulated(v))
    for j, g in zip(columns, cotangent, strict=True):
        dz += 2 * g[:, None] * (z - v[j])
        dv += 2 * (
            jax.ops.segment_sum(g, j, len(v))[:, None] * v
            - jax.ops.segment_sum(g[:, None] * z, j, len(v))
        )
    return None, dz.astype(z.dtype), dv.astype(v.dtype), None


chosen_shared.defvjp(_shared_forward, _shared_backward)


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
