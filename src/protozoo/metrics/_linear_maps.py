"""Linear maps of a displacement, and the squared norms of mapped displacements in a flat space.

A map is shared by all prototypes, or *local*: every one of its arrays then has a leading axis p, one slice for each
prototype. No map ever builds the (n, p, d) tensor of all displacements in a flat space.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import Array, Float


class AbstractLinearMap(eqx.Module):
    """v ↦ vA, row vectors times a matrix that is stored in whatever form is cheap to apply."""

    @abc.abstractmethod
    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        """Map row vectors (by one map: without the axis p)."""

    @abc.abstractmethod
    def local_squared_norms(self, x: Float[Array, "n d"], points: Float[Array, "p d"]) -> Float[Array, "n p"]:
        """\\(\\lVert (x_i - w_j) A_j \\rVert^2\\) for a local map."""


class Identity(AbstractLinearMap):
    """vA = v."""

    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        return v

    def local_squared_norms(self, x: Float[Array, "n d"], points: Float[Array, "p d"]) -> Float[Array, "n p"]:
        return column_by_column(self, x, points)


class Scale(AbstractLinearMap):
    """A diagonal: (vA)_j = v_j a_j."""

    factors: Float[Array, "*p d"]

    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        return v * self.factors

    def local_squared_norms(self, x: Float[Array, "n d"], points: Float[Array, "p d"]) -> Float[Array, "n p"]:
        # Σ_j a² (x - w)² expands into two matrix products, near a common reference as every expansion.
        reference = jax.lax.stop_gradient(points.mean(axis=0))
        x, points, squares = x - reference, points - reference, self.factors**2
        expanded = (x * x) @ squares.T - 2 * x @ (squares * points).T + jnp.sum(squares * points**2, axis=1)
        return jnp.maximum(expanded, 0)


class Dense(AbstractLinearMap):
    """A matrix: vA."""

    matrix: Float[Array, "*p d l"]

    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        return v @ self.matrix

    def local_squared_norms(self, x: Float[Array, "n d"], points: Float[Array, "p d"]) -> Float[Array, "n p"]:
        return column_by_column(self, x, points)


class Composed(AbstractLinearMap):
    """One map after the other."""

    first: AbstractLinearMap
    second: AbstractLinearMap

    def apply(self, v: Float[Array, "*batch d"]) -> Float[Array, "*batch l"]:
        return self.second.apply(self.first.apply(v))

    def local_squared_norms(self, x: Float[Array, "n d"], points: Float[Array, "p d"]) -> Float[Array, "n p"]:
        return column_by_column(self, x, points)


def column_by_column(maps: AbstractLinearMap, x: Float[Array, "n d"], points: Float[Array, "p d"]) -> Float[Array, "n p"]:
    """One prototype at a time: memory for one (n, l) block, forwards and (recomputed) backwards."""

    @jax.checkpoint
    def column(one: AbstractLinearMap, w: Float[Array, " d"]) -> Float[Array, " n"]:
        v = one.apply(x - w)
        return jnp.sum(v * v, axis=-1)

    return jax.lax.map(lambda args: column(*args), (maps, points)).T
