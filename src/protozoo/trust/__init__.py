"""What may be relied on: certificates, sets of guaranteed coverage, rejections and explanations,
from the geometry that prototypes already have."""

from .._namespace import public as _public
from ._certificates import (
    Certificates as Certificates,
    certified_accuracy as certified_accuracy,
    certify as certify,
)
from ._counterfactuals import (
    Counterfactuals as Counterfactuals,
    counterfactuals as counterfactuals,
)


__all__ = _public(globals())
