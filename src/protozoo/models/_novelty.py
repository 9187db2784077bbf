"""What lies where a model has seen nothing: borders found from samples."""

import math
from typing import Any

import jax
import numpy as np

from .._checks import as_weights, on_device, refuse_out_of_range, values_of
from .._module import degree, replaced
from .._statistics import weighted_quantile
from .._types import Array, ArrayLike, Float, Scalar
from ..losses import AbstractVisibility, Level, Radii
from ..losses.internal import refuse_no_share
from ..metrics import AbstractMetric, Mahalanobis, own_units
from ..metrics.internal import factor_of
from ._units import in_own_units


def visibility_of(
    model: Any,
    x: Float[ArrayLike, "n ..."],
    rejected: float,
    by: str,
    sample_weight: ArrayLike | None,
) -> AbstractVisibility:
    """Where a model sees all of these samples but a share."""
    refuse_no_share(rejected, "rejected")
    known, factor = degree(model.loss), 1.0
    if by == "loss" and known is None:
        # A loss that does not know of units is asked in those of the data.
        delta = values_of(model.distances(x), "x", float)
    else:
        # In units in which squares neither vanish nor overflow.
        delta = values_of(model.ask(in_own_units, x), "x", float)
        units = own_units(model.metric, model.encoded_prototypes())
        factor = factor_of(model.metric, units)
    if by == "radii":
        if of_densities(model.metric) or delta.min() < 0:
            raise ValueError(
                f"dissimilarities of {type(model.metric).__name__} may be negative, so that they "
                "have no radius: use `by='loss'`, of a model whose loss needs no labels."
            )
        found = Radii.from_distances(delta, rejected, sample_weight=sample_weight)
        return replaced(found, radii=_of_data(found.radii, factor))
    loss = model.loss
    if loss.supervised or not loss.additive:
        raise ValueError(
            "`by='loss'` needs a loss that is known of a sample without its label, and "
            f"{type(loss).__name__} is not: use `by='radii'`."
        )
    if factor != 1:
        loss = loss.in_units(on_device(factor, float))
    delta = on_device(delta, float)
    losses = values_of(loss(delta, model.prototypes.labels, None), "x", float)
    level = weighted_quantile(losses, 1 - rejected, as_weights(sample_weight, len(losses)))
    level = _of_data(level, factor ** (known or 0))
    # A difference of log densities is one of logarithms; other losses have a unit, for which the
    # level is one.
    return Level(model.loss, level, 1.0 if known in (None, 0) or not level > 0 else level)


def _of_data(values: ArrayLike, factor: float) -> Array:
    """Numbers in the units of dissimilarities of the data again.

    **Raises:** `ValueError` where no float of the model's holds them.
    """
    found = np.asarray(values, float) * factor
    refuse_out_of_range(np.atleast_1d(found), jax.dtypes.canonicalize_dtype(float))
    return on_device(found, float)


def of_densities(metric: AbstractMetric) -> bool:
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
    return on_device(np.sort(log_odds)[n - rank])
