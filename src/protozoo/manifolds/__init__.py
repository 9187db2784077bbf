"""Spaces in which prototypes live."""

from .._namespace import public as _public
from ._base import AbstractManifold as AbstractManifold
from ._constraint import OnManifold as OnManifold
from ._euclidean import Euclidean as Euclidean
from ._spd import SPD as SPD
from ._squares import (
    centred as centred,
    pairwise_squares as pairwise_squares,
    regained as regained,
    shared_squares as shared_squares,
    squared_lengths as squared_lengths,
)


__all__ = _public(globals())
