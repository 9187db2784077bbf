"""Parameters that are points of a space."""

import math

import jax.numpy as jnp

from .._constraints import AbstractConstraint, by_chain_rule
from .._module import part
from .._types import Array, Float
from ._base import AbstractManifold


#: The longest step, in injectivity radii: beyond one, ways there are shorter than the way that was
#: taken.
LONGEST = 0.5


class OnManifold(AbstractConstraint):
    """Points of a space, `(p, *point_shape)`.

    They are trained by dynamic trivialisation: an optimiser sees their tangent coordinates, zero
    before each step, so that its gradient is the Riemannian one and they never leave the space. No
    step is longer than half the injectivity radius. Where displacements are differences, points are
    their own coordinates, and a point that leaves a part of the flat space is projected back on it.

    Source: M. Lezcano-Casado, *Trivializations for gradient-based optimization on manifolds*,
    NeurIPS 2019.
    """

    space: AbstractManifold = part()

    def project(self, value: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        return self.space.project(value)

    def chart(self, value: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        return (
            value
            if self._is_flat
            else jnp.zeros((len(value), self.space.coordinate_size), value.dtype)
        )

    def retract(
        self, coordinates: Float[Array, "p ..."], base: Float[Array, "p ..."]
    ) -> Float[Array, "p ..."]:
        if self._is_flat:
            return self.project(coordinates)
        return self.space.exp(base, limited(self.space, coordinates))

    def pull(
        self, gradient: Float[Array, "p ..."], value: Float[Array, "p ..."]
    ) -> Float[Array, "p ..."]:
        return by_chain_rule(self, gradient, value)

    @property
    def _is_flat(self) -> bool:
        return self.space.displacement_is_difference


def limited(space: AbstractManifold, coordinates: Float[Array, "p k"]) -> Float[Array, "p k"]:
    """Steps, of which too long ones are shortened to what the space allows."""
    if math.isinf(space.injectivity_radius):
        return coordinates
    squared = jnp.sum(coordinates**2, axis=-1, keepdims=True)
    longest = LONGEST * space.injectivity_radius
    beyond = squared > longest**2
    return coordinates * jnp.where(beyond, longest / jnp.sqrt(jnp.where(beyond, squared, 1)), 1)
