"""Losses that depend on the winners alone: differentiated at the cost of a few pairs, not of a
matrix."""

import jax

from .._products import accumulated
from .._types import Array, ArrayLike, Float, MaybeLabels, PerSample
from ..losses import AbstractWinnerLoss
from ..metrics import AbstractQuadratic
from ..prototypes import Prototypes


def winner_losses(
    metric: AbstractQuadratic,
    prototypes: Prototypes,
    loss: AbstractWinnerLoss,
    points: Float[Array, "n ..."],
    y: MaybeLabels,
    progress: Float[ArrayLike, ""],
) -> PerSample:
    """`loss(metric(points, prototypes), labels, y, progress)`, of which δ itself is not
    differentiated.

    **Arguments:**

    - `metric`, `prototypes`, `loss`: the parts of a model.
    - `points`: encoded samples.
    - `y`, `progress`: as the loss takes them.
    """
    squared = jax.lax.stop_gradient(metric.squared(points, prototypes))
    delta = accumulated(metric.radial(squared, prototypes))
    columns = loss.winners(jax.lax.stop_gradient(delta), prototypes.labels, y).columns
    entries = metric.entries(squared, columns, points, prototypes)
    return loss.of_winners(accumulated(metric.radial(entries, prototypes, columns)), progress)
