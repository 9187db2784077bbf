"""Where a model's decisions change between two of its prototypes."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import of_model, of_values, on_device
from .._products import accumulated
from .._types import Array, Float, Int
from ..metrics import AbstractMetric, own_units
from ..prototypes import Prototypes
from ._model import PrototypeModel


#: So often an interval is halved: more than the digits of a double.
HALVINGS = 60


class Boundaries(NamedTuple):
    """Points on shortest ways between prototypes, where both are equally dissimilar.

    - `pairs`: the numbers of both prototypes, `(m, 2)`.
    - `times`: where on the way, 0 at the first and 1 at the second; NaN where one of them is nearer
      all along.
    - `points`: the places, `(m, *point_shape)`.
    """

    pairs: Int[np.ndarray, "m 2"]
    times: Float[np.ndarray, " m"]
    points: Float[np.ndarray, "m ..."]


@of_values
@of_model
def boundaries(model: PrototypeModel) -> Boundaries:
    """The points of the decision boundary on the shortest ways between all prototypes of different
    classes (of a model without classes, of all pairs), as the model's own metric has it.

    With the distance of the space, this is the middle of the way; relevances, bandwidths and maps
    of each prototype move it. Ways run where prototypes are compared, behind an encoder in its
    output space.
    """
    prototypes = model.encoded_prototypes()
    labels = np.asarray(prototypes.labels)
    first, second = np.triu_indices(len(labels), 1)
    pairs = np.stack([first, second], axis=1)[labels[first] != labels[second]]
    times, points = _bisected(model.metric, prototypes, on_device(pairs))
    return Boundaries(pairs, np.asarray(times), np.asarray(points))


@eqx.filter_jit
def _bisected(
    metric: AbstractMetric, prototypes: Prototypes, pairs: Int[Array, "m 2"]
) -> tuple[Float[Array, " m"], Float[Array, "m ..."]]:
    units = own_units(metric, prototypes)
    metric, prototypes = units.metric, units.prototypes
    space, starts = prototypes.space, prototypes.points[pairs[:, 0]]
    ways = space.displacements(starts, prototypes.points[pairs[:, 1]])

    def at(times: Float[Array, " m"]) -> Float[Array, "m ..."]:
        return space.exp(starts, times[:, None] * ways)

    def excess(times: Float[Array, " m"]) -> Float[Array, " m"]:
        delta = accumulated(metric(at(times), prototypes))
        own, other = (jnp.take_along_axis(delta, pairs[:, i : i + 1], axis=1)[:, 0] for i in (0, 1))
        return own - other

    def halved(_: Any, interval: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = interval
        middle = (low + high) / 2
        before = excess(middle) < 0
        return jnp.where(before, middle, low), jnp.where(before, high, middle)

    zeros = jnp.zeros(len(pairs), prototypes.points.dtype)
    low, high = jax.lax.fori_loop(0, HALVINGS, halved, (zeros, zeros + 1))
    crossed = (excess(zeros) < 0) & (excess(zeros + 1) > 0)
    times = jnp.where(crossed, (low + high) / 2, jnp.nan)
    points = units.back(at(jnp.where(crossed, times, 0.5)))
    return times, jnp.where(crossed.reshape(-1, *[1] * (points.ndim - 1)), points, jnp.nan)
