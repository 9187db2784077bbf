"""Spaces in which prototypes live."""

from .._namespace import public as _public
from ._base import AbstractManifold as AbstractManifold
from ._euclidean import Euclidean as Euclidean, centred as centred, pairwise_squares as pairwise_squares
from ._spd import SPD as SPD


__all__ = _public(globals())
