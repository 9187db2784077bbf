"""Spaces in which prototypes live."""

from ._base import AbstractManifold as AbstractManifold
from ._euclidean import Euclidean as Euclidean
from ._spd import SPD as SPD
