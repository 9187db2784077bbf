"""A metric in the units in which distances between its own prototypes are neither large nor small.

Dissimilarities are squares of data: in float32, those of data of 1e-20 are zero and those of data
of 1e20 infinite. A unit is a power of two, so that nothing is rounded.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp

from .._module import degree, power_of_two
from .._products import flattened
from .._types import Array, Float
from ..prototypes import Prototypes
from ._base import AbstractLinearlyAdapted, AbstractMetric
from ._mahalanobis import Mahalanobis


class OwnUnits(NamedTuple):
    """A metric and prototypes for points that are divided by `unit`; dissimilarities are then
    divided by `factor`.

    Of a metric that does not know what units make of it, and in a curved space, both are one.
    """

    metric: AbstractMetric
    prototypes: Prototypes
    unit: Any = 1.0  # or an array of powers of two
    factor: Any = 1.0

    def of(self, points: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        """Points in these units."""
        return (
            points
            if isinstance(self.unit, float)
            else points / jnp.broadcast_to(self.unit.astype(points.dtype), points.shape)
        )

    def back(self, points: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        """Points in the units of the data again."""
        return points * jnp.broadcast_to(self.unit, points.shape)

    def part_back(self, part: Any) -> Any:
        """A part of the metric in the units of the data again."""
        return (
            part
            if isinstance(self.unit, float) or degree(part) is None
            else part.in_units(1 / self.unit.reshape(-1))
        )


def own_units(metric: AbstractMetric, prototypes: Prototypes) -> OwnUnits:
    """The same metric and prototypes in their own units."""
    known = degree(metric)
    if known is None or not prototypes.space.displacement_is_difference:
        return OwnUnits(metric, prototypes)
    unit, homogeneous = _unit(metric, prototypes), cast(Any, metric)
    # Squares of usual numbers are far from the ends of any range: they stay as they are, to the
    # last bit.
    unit = jnp.where((unit > 2.0**-16) & (unit < 2.0**16), 1, unit)
    shaped = unit.reshape(prototypes.space.point_shape) if unit.ndim else unit
    scaled = prototypes.moved(prototypes.points / jnp.broadcast_to(shaped, prototypes.points.shape))
    return OwnUnits(homogeneous.in_units(unit), scaled, shaped, unit**known if known else 1.0)


def _unit(metric: AbstractMetric, prototypes: Prototypes) -> Float[Array, "*d"]:
    """The power of two of the distances between prototypes, as the metric sees them; or what the
    metric says itself."""
    if isinstance(metric, Mahalanobis):
        return metric.own_unit
    v = flattened(prototypes.points)
    v = v - v.mean(axis=0, keepdims=True)
    if isinstance(metric, AbstractLinearlyAdapted):
        linear = metric.linear_map(prototypes)
        v = jax.vmap(lambda a, u: a.apply(u))(linear, v) if metric.local else linear.apply(v)
    return power_of_two(jnp.max(jnp.abs(v)))


def factor_of(metric: AbstractMetric, units: "OwnUnits | Measured") -> float:
    """What dissimilarities in own units are divided by, in double precision: squares of units do
    not leave its range."""
    if isinstance(units.factor, float):
        return units.factor
    return float(units.unit) ** (degree(metric) or 0)


class Measured(NamedTuple):
    """Dissimilarities of samples in units of their own, the unit, the factor that they are divided
    by, and what was made of them."""

    delta: Float[Array, "n p"]
    unit: Any
    factor: Any
    shares: Float[Array, "n p"] | None


@eqx.filter_jit
def measured(
    metric: AbstractMetric,
    x: Float[Array, "n ..."],
    prototypes: Prototypes,
    sharing: Callable | None = None,
) -> Measured:
    """Samples compared with prototypes, as one program; `sharing` makes shares of dissimilarities,
    whatever their unit."""
    units = own_units(metric, prototypes)
    delta = units.metric(units.of(x), units.prototypes)
    shares = None if sharing is None else sharing(delta)
    return Measured(delta, units.unit, units.factor, shares)
