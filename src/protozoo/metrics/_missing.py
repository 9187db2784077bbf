"""Samples with gaps."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from .._module import AbstractHomogeneous, degree, part
from .._products import flattened
from .._types import Array, Float, Scalar
from ..prototypes import Prototypes
from ._base import AbstractLinearlyAdapted, AbstractQuadratic
from ._linear_maps import AbstractLinearMap


class Missing(AbstractLinearlyAdapted, AbstractHomogeneous):
    """\\(\\delta\\) of the features that a sample has: where x is NaN, its displacement from every
    prototype is zero.

    \\(\\delta = \\mathrm{radial}(\\lVert (m \\odot (x - w))\\,A \\rVert^2)\\), m the mask of the
    features that are there. Samples are compared with prototypes, never with each other: each
    decision rests on the same features for all classes.

    **Arguments:**

    - `metric`: any quadratic metric, in a flat space.

    Prototypes have no gaps: choose them among complete samples, or fill the gaps first
    (`jnp.where(jnp.isnan(x), means, x)`).

    Source: L. van Veen, *Analysis of missing data with matrix relevance learning vector
    quantization*, 2016.
    """

    metric: AbstractQuadratic = part()
    takes_gaps: ClassVar[bool] = True

    @property
    def degree(self) -> int | None:
        """That of the metric."""
        return degree(self.metric)

    def in_units(self, unit: Scalar) -> "Missing":
        inner: Any = self.metric
        return Missing(inner.in_units(unit))

    @property
    def local(self) -> bool:
        return self.metric.local

    def linear_map(self, prototypes: Prototypes) -> AbstractLinearMap:
        return self.metric.linear_map(prototypes)

    def __call__(self, x: Float[Array, "n ..."], prototypes: Prototypes) -> Float[Array, "n p"]:
        if not prototypes.space.displacement_is_difference:
            raise ValueError(
                f"`Missing` needs a flat space: a point of {prototypes.space} with gaps is no "
                f"point of it."
            )
        x, points = flattened(x), flattened(prototypes.points)
        there = ~jnp.isnan(x)
        # Filled before anything is subtracted: the derivative of a gap is zero, not NaN.
        x = jnp.where(there, x, 0)
        linear = self.map_for(x, prototypes)

        @jax.checkpoint
        def column(one: AbstractLinearMap, w: Float[Array, " d"]) -> Float[Array, " n"]:
            return one.squared_norm(jnp.where(there, x - w[None], 0))

        def each(j: Array) -> Float[Array, " n"]:
            return column(jax.tree.map(lambda a: a[j], linear) if self.local else linear, points[j])

        squared = jax.lax.map(each, jnp.arange(len(points))).T
        return self.metric.radial(squared, prototypes)
