"""The flat space."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from .._module import static
from .._products import accumulated, linear_product, product
from .._types import Array, Float, PRNGKeyArray
from ._base import AbstractManifold


class Euclidean(AbstractManifold):
    """Arrays of one shape with the Euclidean distance.

    **Arguments:**

    - `shape`: the shape of one point, or its number of features d.

    A point is flattened to its coordinates, k = prod(shape); displacements are plain differences, x - w.

    **Raises:** `ValueError` if a size is not positive.
    """

    shape: tuple[int, ...] = static()
    flat: ClassVar[bool] = True

    def __init__(self, shape: int | tuple[int, ...]):
        self.shape = (int(shape),) if not isinstance(shape, tuple) else tuple(int(s) for s in shape)
        if not self.shape or min(self.shape) < 1:
            raise ValueError(f"`shape` must hold positive sizes, got {shape!r}.")

    @property
    def point_shape(self) -> tuple[int, ...]:
        return self.shape

    @property
    def dimension(self) -> int:
        return math.prod(self.shape)

    def coordinates(self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]) -> Float[Array, "n p k"]:
        return x.reshape(len(x), 1, -1) - points.reshape(1, len(points), -1)

    def squared_distances(self, points: Float[Array, "p ..."], x: Float[Array, "n ..."]) -> Float[Array, "n p"]:
        points, x = points.reshape(len(points), -1), x.reshape(len(x), -1)
        return pairwise_squares(*centred(x, points))

    def exp(self, points: Float[Array, "p ..."], coordinates: Float[Array, "p k"]) -> Float[Array, "p ..."]:
        return points + coordinates.reshape(points.shape)

    def project(self, points: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        return points

    def violation(self, points: Float[Array, "p ..."]) -> str | None:
        return None

    def random_points(self, key: PRNGKeyArray, count: int) -> Float[Array, "p ..."]:
        return jax.random.normal(key, (count, *self.shape))


def centred(x: Float[Array, "n d"], points: Float[Array, "p d"]) -> tuple[Float[Array, "n d"], Float[Array, "p d"]]:
    """Both sides, moved by a common reference: far from the origin, the terms of an expanded square cancel to noise."""
    reference = jax.lax.stop_gradient(points.mean(axis=0))
    return x - reference, points - reference


@jax.custom_jvp
def pairwise_squares(x: Float[Array, "n d"], points: Float[Array, "p d"]) -> Float[Array, "n p"]:
    """\\(\\lVert x_i - w_j \\rVert^2\\) by one matrix product, not below zero.

    Its derivative is that of the exact squares, two matrix products; rounding below zero has no part in it. Like all matrices
    of dissimilarities it is written as the transpose of (p, n): samples lie side by side in memory, where a processor reduces
    many of them at once over their prototypes.
    """
    squares = jnp.sum(accumulated(points) ** 2, axis=1)[:, None] + jnp.sum(accumulated(x) ** 2, axis=1)
    return jnp.maximum(squares - 2 * product(points, x.T), 0).T


def _pairwise_squares_jvp(primals: tuple[Array, Array], tangents: tuple) -> tuple[Array, Array]:
    (x, points), (dx, dpoints) = primals, tangents
    squares = pairwise_squares(x, points)
    change = jnp.zeros_like(squares.T)
    # What is constant, as samples mostly are, costs no product.
    if not isinstance(dx, SymbolicZero):
        change += 2 * (jnp.sum(accumulated(x) * dx, axis=1) - linear_product(dx, points.T).T)
    if not isinstance(dpoints, SymbolicZero):
        change += 2 * (jnp.sum(accumulated(points) * dpoints, axis=1)[:, None] - linear_product(dpoints, x.T))
    # Unless it is held back, the transposition is merged into the derivative's product, which then copies what it is given.
    return squares, jax.lax.optimization_barrier(change).T


pairwise_squares.defjvp(_pairwise_squares_jvp, symbolic_zeros=True)
