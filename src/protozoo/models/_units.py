"""The parts of a model that compare points, in units of their own."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from .._module import degree, power_of_two
from .._products import accumulated
from .._types import Array, Float
from ..losses import AbstractDecision
from ..metrics import AbstractLinearlyAdapted, AbstractMetric, OwnUnits, own_units
from ..prototypes import Prototypes


class Judge(NamedTuple):
    """A metric, prototypes, and a decision (of a loss, perhaps) by dissimilarities in their
    units; `scale` is the power of two of the prototypes there."""

    units: OwnUnits
    decision: AbstractDecision
    scale: Any

    @classmethod
    def of(
        cls, prototypes: Prototypes, metric: AbstractMetric, decision: AbstractDecision
    ) -> "Judge":
        """These parts in units of their own; in those of the data, if the decision does not know
        what units make of it."""
        homogeneous: Any = decision
        if degree(decision) is None and degree(metric) != 0:
            units = OwnUnits(metric, prototypes)
        else:
            units = own_units(metric, prototypes)
            if not isinstance(units.factor, float):
                decision = homogeneous.in_units(units.factor)
        return cls(units, decision, power_of_two(jnp.max(jnp.abs(units.prototypes.points))))

    def bounded(self, points: Float[Array, "n ..."], linear: bool) -> Float[Array, "n ..."]:
        """Points in own units, brought back from where their squares (or, if that is all, linear
        functions) overflow: on the line to the origin, so that they are seen in the direction in
        which they lie."""
        metric, prototypes, *_ = self.units
        if not (
            prototypes.space.displacement_is_difference
            and isinstance(metric, AbstractLinearlyAdapted)
        ):
            return self.units.of(points)
        # Farther out than prototypes are from each other by more than rounding tells; squares leave
        # room for wide ranges.
        limit = jnp.maximum(
            2 * self.scale, float(jnp.finfo(points.dtype).max) ** (0.85 if linear else 0.35)
        )
        unit = self.units.unit
        # Found once for each sample, before it is divided: the guards ask the same.
        reach = magnitude(points, metric.takes_gaps)
        seen = self.units.of(points)
        reach = magnitude(seen, metric.takes_gaps) if jnp.ndim(unit) else reach / unit
        factor = jnp.minimum(limit / reach, 1).astype(points.dtype)
        return seen * factor.reshape(-1, *[1] * (points.ndim - 1))


def in_own_units(seen: Any) -> Float[Array, "n p"]:
    """Of samples that a model was asked about, δ in the metric's own units (`own_units`), whatever
    the decision knows of units."""
    units = own_units(seen.model.metric, seen.model.encoded_prototypes())
    return accumulated(units.metric(units.of(seen.points), units.prototypes))


def magnitude(rows: Float[Array, "n ..."], gaps: bool = False) -> Float[Array, " n"]:
    """The largest absolute value of each row; with `gaps`, of those that are numbers."""
    absolute = jnp.where(jnp.isnan(rows), 0, jnp.abs(rows)) if gaps else jnp.abs(rows)
    return jnp.max(absolute, axis=tuple(range(1, rows.ndim)))
