"""A model in the units in which its own numbers are neither large nor small.

Dissimilarities are squares of data: in float32, those of data of 1e-20 are zero and those of data of 1e20 infinite. The
answers of a model do not depend on units; so they are computed in its own, which are powers of two: nothing is rounded.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._module import degree, power_of_two
from .._types import Array, Float, Scalar
from ..losses import AbstractLoss
from ..metrics import AbstractLinearlyAdapted, AbstractMetric
from ..prototypes import Prototypes


class Judge(eqx.Module):
    """The parts of a model that compare points, in units of its own; `None` where these are those of the data."""

    prototypes: Prototypes
    metric: AbstractMetric
    loss: AbstractLoss
    unit: Scalar | None

    @classmethod
    def of(cls, prototypes: Prototypes, metric: AbstractMetric, loss: AbstractLoss) -> "Judge":
        """The same judgement of points that are divided by `unit`."""
        parts: tuple[Any, Any] = (metric, loss)
        if not prototypes.space.flat or None in map(degree, parts):
            return cls(prototypes, metric, loss, None)
        unit = _unit(prototypes, metric)
        scaled = prototypes.moved(prototypes.points / unit)
        return cls(scaled, parts[0].in_units(unit), parts[1].in_units(unit ** parts[0].degree), unit)

    def own(self, points: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        """Points in the units of this judge."""
        return points if self.unit is None else points / self.unit

    def bounded(self, points: Float[Array, "n ..."], linear: bool) -> Float[Array, "n ..."]:
        """The same points, brought back from where their squares (or, if that is all, linear functions) overflow."""
        if not (self.prototypes.space.flat and isinstance(self.metric, AbstractLinearlyAdapted)):
            return points
        scale = power_of_two(jnp.max(jnp.abs(self.prototypes.points)))
        limit = scale * float(jnp.finfo(points.dtype).max) ** (0.85 if linear else 0.43)
        return jnp.clip(points, -limit, limit)


def _unit(prototypes: Prototypes, metric: AbstractMetric) -> Scalar:
    """The power of two of the distances between prototypes, as the metric sees them."""
    v = prototypes.points.reshape(len(prototypes), -1)
    v = v - v.mean(axis=0)
    if isinstance(metric, AbstractLinearlyAdapted):
        linear = metric.linear_map(prototypes)
        v = jax.vmap(lambda a, u: a.apply(u))(linear, v) if metric.local else linear.apply(v)
    return power_of_two(jnp.max(jnp.abs(v)))
