"""What matrices between the units of one layer may be."""

import abc

import jax.numpy as jnp

from .._constraints import FREE, AbstractConstraint
from .._types import Array, Float


class AbstractSubspace(AbstractConstraint):
    """Matrices of a linear subspace. One of your own needs `project`, the orthogonal projection."""

    @abc.abstractmethod
    def project(self, value: Float[Array, "d d"]) -> Float[Array, "d d"]:
        """The nearest matrix of the subspace."""

    def chart(self, value: Float[Array, "d d"]) -> Float[Array, "d d"]:
        return value

    def retract(
        self, coordinates: Float[Array, "d d"], base: Float[Array, "d d"]
    ) -> Float[Array, "d d"]:
        return self.project(coordinates)

    def pull(
        self, gradient: Float[Array, "d d"], value: Float[Array, "d d"]
    ) -> Float[Array, "d d"]:
        return self.project(gradient)


class Hollow(AbstractSubspace):
    """Square matrices whose diagonal is zero: no unit sends to itself through them."""

    def project(self, value: Float[Array, "d d"]) -> Float[Array, "d d"]:
        return jnp.where(jnp.eye(len(value), dtype=bool), 0, value)


class Symmetric(AbstractSubspace):
    """Symmetric matrices whose diagonal is zero: what a unit does to another, the other does to
    it."""

    def project(self, value: Float[Array, "d d"]) -> Float[Array, "d d"]:
        return HOLLOW.project((value + value.T) / 2)


HOLLOW = Hollow()

#: By what `Dense` calls them.
KINDS: dict[str, AbstractConstraint] = {"free": FREE, "hollow": HOLLOW, "symmetric": Symmetric()}
