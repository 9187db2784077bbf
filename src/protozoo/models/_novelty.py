"""What lies where a model has seen nothing: borders found from samples."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import as_weights, values_of
from .._module import degree
from .._statistics import weighted_quantile
from .._types import ArrayLike, Float, Scalar
from ..losses import AbstractVisibility, Level, Radii
from ..losses.internal import refuse_no_share
from ..metrics import AbstractMetric, Mahalanobis


def visibility_of(
    model: Any,
    x: Float[ArrayLike, "n ..."],
    rejected: float,
    by: str,
    sample_weight: ArrayLike | None,
) -> AbstractVisibility:
    """Where a model sees all of these samples but a share."""
    refuse_no_share(rejected, "rejected")
    if by == "radii":
        delta = values_of(model.distances(x), "x", float)
        if _of_densities(model.metric) or delta.min() < 0:
            raise ValueError(
                f"dissimilarities of {type(model.metric).__name__} may be negative, so that they "
                "have no radius: use `by='loss'`, of a model whose loss needs no labels."
            )
        return Radii.from_distances(delta, rejected, sample_weight=sample_weight)
    loss = model.loss
    if loss.supervised or not loss.additive:
        raise ValueError(
            "`by='loss'` needs a loss that is known of a sample without its label, and "
            f"{type(loss).__name__} is not: use `by='radii'`."
        )
    labels = model.prototypes.labels
    losses = values_of(loss(model.distances(x), labels, None), "x", float)
    level = weighted_quantile(losses, 1 - rejected, as_weights(sample_weight, len(losses)))
    # A difference of log densities is one of logarithms; other losses have a unit, for which the
    # level is one.
    return Level(
        loss, jnp.asarray(level), 1.0 if degree(loss) in (None, 0) or not level > 0 else level
    )


def _of_densities(metric: AbstractMetric) -> bool:
    """Whether it is one of densities, or wrapped around one."""

    def gaussian(node: Any) -> bool:
        return isinstance(node, Mahalanobis)

    return any(
        node.is_density for node in jax.tree.leaves(metric, is_leaf=gaussian) if gaussian(node)
    )


def conformal_border(log_odds: Float[np.ndarray, " n"], rate: float) -> Scalar:
    """The log-odds at the border beyond which a new sample lies with this probability at most.

    **Raises:** `ValueError` for a rate outside (0, 1) and samples too few for it.
    """
    refuse_no_share(rate, "false_alarm_rate")
    n = len(log_odds)
    rank = math.ceil((n + 1) * (1 - rate) - 1e-9)
    if rank > n:
        raise ValueError(
            f"`x` has {n} samples, which cannot tell a false alarm rate of {rate:g}: hold out "
            f"{math.ceil(1 / rate - 1 - 1e-9)} at least, or allow more false alarms."
        )
    return jnp.asarray(np.sort(log_odds)[n - rank])
