"""What may be relied on: certificates, sets of guaranteed coverage, rejections and explanations,
from the geometry that prototypes already have."""

from .._namespace import public as _public
from ._certificates import (
    Certificates as Certificates,
    certified_accuracy as certified_accuracy,
    certify as certify,
)
from ._conformal import (
    ConformalClassifier as ConformalClassifier,
    SetEvaluation as SetEvaluation,
    evaluate_sets as evaluate_sets,
)
from ._counterfactuals import (
    Counterfactuals as Counterfactuals,
    counterfactuals as counterfactuals,
)
from ._selective import (
    Selective as Selective,
    Tempered as Tempered,
    reject_by_cost as reject_by_cost,
    reject_by_risk as reject_by_risk,
    tempered as tempered,
)


__all__ = _public(globals())
