"""Which values parameters may take, and how an optimiser that knows nothing of it gets to others of
them."""

import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp

from ._checks import of_kind, values_of
from ._types import Array, Float


class AbstractConstraint(eqx.Module):
    """A set of values: points of a manifold, orthonormal bases, matrices of unit trace. Declared on
    a field by `learned`.

    An optimiser adds; it knows nothing of constraints. So it is handed `chart(value)`, coordinates
    that may be added to, and `pull(gradient, value)`; and what it returns is carried back by
    `retract`. Averages go through `project`.
    """

    @abc.abstractmethod
    def chart(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        """A value in free coordinates centred on itself: `retract(chart(value), value)` is
        `value`."""

    @abc.abstractmethod
    def retract(
        self, coordinates: Float[Array, "..."], base: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """The value that these coordinates, in the chart of `base`, stand for."""

    @abc.abstractmethod
    def pull(
        self, gradient: Float[Array, "..."], value: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """The gradient by a value as one by its coordinates: the chain rule through `retract`, or
        the gradient itself, if what the constraint takes from it is lost in `retract` anyway."""

    @abc.abstractmethod
    def project(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        """The nearest value, in some sense, that satisfies the constraint."""


class AbstractProjected(AbstractConstraint):
    """A constraint that is restored after every step. One of your own needs `project`."""

    def chart(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        return value

    def retract(
        self, coordinates: Float[Array, "..."], base: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        return self.project(coordinates)

    def pull(
        self, gradient: Float[Array, "..."], value: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        return gradient


class Free(AbstractProjected):
    """Any value."""

    def project(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        return value


FREE = Free()


def by_chain_rule(
    constraint: AbstractConstraint, gradient: Float[Array, "..."], value: Float[Array, "..."]
) -> Float[Array, "..."]:
    """`pull` by automatic differentiation of `retract`."""
    return jax.vjp(lambda c: constraint.retract(c, value), constraint.chart(value))[1](gradient)[0]


class UnitTrace(AbstractConstraint):
    """Matrices Ω, `(*batch, d, l)`, with tr ΩΩᵀ = ‖Ω‖² = 1.

    Coordinates are columns of unit length (on average): the entries of Ω shrink as features are
    added, and a rate that suits four features would scramble the map of sixty-four.
    """

    def project(self, value: Float[Array, "*batch d l"]) -> Float[Array, "*batch d l"]:
        value = value / jax.lax.stop_gradient(jnp.max(jnp.abs(value), axis=(-2, -1), keepdims=True))
        return value / jnp.sqrt(jnp.sum(value**2, axis=(-2, -1), keepdims=True))

    def chart(self, value: Float[Array, "*batch d l"]) -> Float[Array, "*batch d l"]:
        return value * value.shape[-1] ** 0.5

    def retract(
        self, coordinates: Float[Array, "*batch d l"], base: Float[Array, "*batch d l"]
    ) -> Float[Array, "*batch d l"]:
        return self.project(coordinates)

    def pull(
        self, gradient: Float[Array, "*batch d l"], value: Float[Array, "*batch d l"]
    ) -> Float[Array, "*batch d l"]:
        return by_chain_rule(self, gradient, value)


class Orthonormal(AbstractProjected):
    """Matrices, `(*batch, d, s)`, with orthonormal columns, of which only the span means something.

    A function of the span has no derivative along it, which is all that the chain rule would take
    from a gradient.

    Projection is Gram and Schmidt's, each column freed twice of those before it for full precision.
    It is smooth where columns are orthonormal already, as a line search has them; the derivatives
    of singular vectors, by which the polar factor is found, are infinite there.
    """

    def project(self, value: Float[Array, "*batch d s"]) -> Float[Array, "*batch d s"]:
        columns = []
        for column in jnp.moveaxis(value, -1, 0):
            # Sums of products are faster than the many tiny matrices of a factorisation.
            for before in 2 * columns:
                column = column - jnp.sum(before * column, axis=-1, keepdims=True) * before
            columns.append(column / jnp.sqrt(jnp.sum(column**2, axis=-1, keepdims=True)))
        return jnp.stack(columns, axis=-1) if columns else value


class Box(AbstractProjected):
    """Numbers in [`low`, `high`]: an update that leaves the interval is clipped.

    Its gradient is whole even at a bound, where that of a clip is half.

    **Raises:** `ValueError` unless low < high.
    """

    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)

    def __init__(self, low: float, high: float):
        self.low, self.high = _finite(low, "low"), _finite(high, "high")
        if not self.low < self.high:
            raise ValueError(f"`low` must be less than `high`, got {self.low:g} and {self.high:g}.")

    def project(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.clip(value, self.low, self.high)


class Positive(AbstractConstraint):
    """Positive numbers, by their logarithms: a step is a factor, whatever the unit is."""

    def chart(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.log(value)

    def retract(
        self, coordinates: Float[Array, "..."], base: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        # By what has changed, so that no step is no change.
        return self.project(base * jnp.exp(coordinates - jnp.log(base)))

    def pull(
        self, gradient: Float[Array, "..."], value: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        return gradient * value

    def project(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.maximum(value, float(jnp.finfo(value.dtype).tiny))


def _finite(bound: float, name: str) -> float:
    """A number as Python has it: constraints are declared while classes are, and no array is made
    then."""
    try:
        number = float(values_of(of_kind(bound, float, name), name))
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"`{name}` must be finite, got {number:g}.")
    return number
