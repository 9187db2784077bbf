"""What files of earlier versions say in other words.

A file names a class and its fields as they were when it was written. Where a class has another name
now, or its fields have, a migration makes of what a file says what is said today: it is given the
fields as they were read, by name, and returns the class of today with its fields. That is all there
is to do for a renamed class or field; a field that is new needs only a default.
"""

from collections.abc import Callable
from typing import Any

from ..cooperation import EqualShares
from ..losses import RSLVQ, Cooperative
from ..metrics import Diagonal, Full, Mahalanobis
from ._pickling import migration


Fields = dict[str, Any]
Migration = Callable[[Fields], tuple[type, Fields]]


def _neural_gas(fields: Fields) -> tuple[type, Fields]:
    return Cooperative, fields


def _rslvq(fields: Fields) -> tuple[type, Fields]:
    # Without a cooperation, there was none.
    shares = EqualShares() if fields.get("cooperation") is None else fields["cooperation"]
    return RSLVQ, {**fields, "cooperation": shares}


def _mahalanobis(fields: Fields) -> tuple[type, Fields]:
    return Mahalanobis, covariance_as_part(fields)


def covariance_as_part(fields: Fields) -> Fields:
    """Covariances were once fields of the metric."""
    if "log_scales" not in fields:
        return fields
    log_scales, upper = fields.pop("log_scales"), fields.pop("upper", None)
    covariance = Diagonal(log_scales) if upper is None else Full(log_scales, upper)
    normalisation = "density" if fields.pop("normalised", True) else "none"
    return {**fields, "covariance": covariance, "normalisation": normalisation}


#: By the name that a class has in files. Files of today pass through as they are.
MIGRATIONS: dict[str, Migration] = {
    "protozoo.losses.NeuralGas": _neural_gas,
    "protozoo.losses.RSLVQ": _rslvq,
    "protozoo.metrics.Mahalanobis": _mahalanobis,
}


migration(Mahalanobis)(covariance_as_part)
