"""Linear maps of a displacement, and the squared norms of mapped displacements in a flat space.

A map is shared by all prototypes, or *local*: every one of its arrays then has a leading axis p, one slice for each
prototype. No map ever builds the (n, p, d) tensor of all displacements in a flat space.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp

from .._products import accumulated, product
from .._types import Array, Float
from ..manifolds import centred, pairwise_squares


class AbstractLinearMap(eqx.Module):
    """v ↦ vA, row vectors times a matrix that is stored in whatever form is cheap to apply."""

    @abc.abstractmethod
    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        """Map row vectors (by one map: without the axis p)."""

    @abc.abstractmethod
    def squared_norm(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """\\(\\lVert vA \\rVert^2\\) by one map."""

    @abc.abstractmethod
    def local_squared_norms(self, x: Float[Array, "n d"], points: Float[Array, "p d"]) -> Float[Array, "n p"]:
        """\\(\\lVert (x_i - w_j) A_j \\rVert^2\\) for a local map."""


class Identity(AbstractLinearMap):
    """vA = v."""

    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        return v

    def squared_norm(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        return jnp.sum(accumulated(self.apply(v)) ** 2, axis=-1)

    def local_squared_norms(self, x: Float[Array, "n d"], points: Float[Array, "p d"]) -> Float[Array, "n p"]:
        return column_by_column(self, x, points)


class Scale(AbstractLinearMap):
    """A diagonal, given by its squares: (vA)_j = v_j a_j. Zeros are welcome."""

    squares: Float[Array, "*p d"]

    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        # A square that is zero has no derivative here: it comes from a softmax or a projection, which has none there either.
        positive = self.squares > 0
        return v * jnp.where(positive, jnp.sqrt(jnp.where(positive, self.squares, 1)), 0)

    def squared_norm(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        return jnp.sum(accumulated(v) ** 2 * self.squares, axis=-1)

    def local_squared_norms(self, x: Float[Array, "n d"], points: Float[Array, "p d"]) -> Float[Array, "n p"]:
        # Σ_j a² (x - w)² expands into two matrix products.
        x, points = centred(x, points)
        crossed = product(x * x, self.squares.T) - 2 * product(x, (self.squares * points).T)
        return jnp.maximum(crossed + jnp.sum(accumulated(self.squares) * points**2, axis=1), 0)


class Residual(AbstractLinearMap):
    """What an orthonormal basis leaves: vA = v - (vB)Bᵀ."""

    basis: Float[Array, "*p d s"]

    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        return v - (v @ self.basis) @ self.basis.T

    def squared_norm(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        return jnp.maximum(jnp.sum(accumulated(v) ** 2, axis=-1) - jnp.sum(accumulated(v @ self.basis) ** 2, axis=-1), 0)

    def local_squared_norms(self, x: Float[Array, "n d"], points: Float[Array, "p d"]) -> Float[Array, "n p"]:
        # ‖v‖² - ‖vB‖², one basis vector of every prototype at a time: a matrix product and an (n, p) block each.
        x, points = centred(x, points)
        squares = pairwise_squares(x, points)

        @jax.checkpoint
        def subtract(rest: Float[Array, "n p"], vectors: Float[Array, "p d"]) -> tuple[Float[Array, "n p"], None]:
            along = product(x, vectors.T) - jnp.sum(accumulated(points) * vectors, axis=1)
            return rest - along**2, None

        return jnp.maximum(jax.lax.scan(subtract, squares, jnp.moveaxis(self.basis, -1, 0))[0], 0)


class Dense(AbstractLinearMap):
    """A matrix: vA."""

    matrix: Float[Array, "*p d l"]

    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        return v @ self.matrix

    def squared_norm(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        return jnp.sum(accumulated(self.apply(v)) ** 2, axis=-1)

    def local_squared_norms(self, x: Float[Array, "n d"], points: Float[Array, "p d"]) -> Float[Array, "n p"]:
        return column_by_column(self, x, points)


class Composed(AbstractLinearMap):
    """One map after the other."""

    first: AbstractLinearMap
    second: AbstractLinearMap

    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        return self.second.apply(self.first.apply(v))

    def squared_norm(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        return jnp.sum(accumulated(self.apply(v)) ** 2, axis=-1)

    def local_squared_norms(self, x: Float[Array, "n d"], points: Float[Array, "p d"]) -> Float[Array, "n p"]:
        return column_by_column(self, x, points)


def column_by_column(maps: AbstractLinearMap, x: Float[Array, "n d"], points: Float[Array, "p d"]) -> Float[Array, "n p"]:
    """A few prototypes at a time: memory for a few (n, l) blocks, forwards and (recomputed) backwards."""

    @jax.checkpoint
    def column(one: AbstractLinearMap, w: Float[Array, " d"]) -> Float[Array, " n"]:
        return one.squared_norm(x - w)

    # Few samples leave a processor idle; a few prototypes at a time then make one product, but never all of them.
    together = max(1, min(len(points) // 4, 2**18 // x.size))
    return jax.lax.map(lambda args: column(*args), (maps, points), batch_size=together).T
