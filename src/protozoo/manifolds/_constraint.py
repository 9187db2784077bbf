"""Parameters that are points of a space."""

import jax.numpy as jnp

from .._constraints import AbstractConstraint, by_chain_rule
from .._module import part
from .._types import Array, Float
from ._base import AbstractManifold


class OnManifold(AbstractConstraint):
    """Points of a space, `(p, *point_shape)`.

    They are trained by dynamic trivialisation: an optimiser sees their tangent coordinates, zero before each step, so that
    its gradient is the Riemannian one and they never leave the space. In a flat space, points are their coordinates.

    Source: M. Lezcano-Casado, *Trivializations for gradient-based optimization on manifolds*, NeurIPS 2019.
    """

    space: AbstractManifold = part()

    def project(self, value: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        return value if self.space.flat else self.space.project(value)

    def chart(self, value: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        return value if self.space.flat else jnp.zeros((len(value), self.space.dimension), value.dtype)

    def retract(self, coordinates: Float[Array, "p ..."], base: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        return coordinates if self.space.flat else self.space.exp(base, coordinates)

    def pull(self, gradient: Float[Array, "p ..."], value: Float[Array, "p ..."]) -> Float[Array, "p ..."]:
        return gradient if self.space.flat else by_chain_rule(self, gradient, value)
