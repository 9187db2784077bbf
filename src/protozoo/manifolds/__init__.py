"""Spaces in which prototypes live."""

from .._namespace import public as _public
from ._base import AbstractManifold as AbstractManifold, AbstractSpectral as AbstractSpectral
from ._constraint import OnManifold as OnManifold
from ._euclidean import Euclidean as Euclidean
from ._frechet import (
    FrechetMean as FrechetMean,
    curved_coordinates as curved_coordinates,
    curved_squares as curved_squares,
    curved_walk as curved_walk,
    frechet_mean as frechet_mean,
    karcher_mean as karcher_mean,
)
from ._grassmannian import Grassmannian as Grassmannian
from ._poincare import PoincareBall as PoincareBall
from ._product import Product as Product
from ._rotations import SO as SO
from ._samples import (
    covariances as covariances,
    embedded_tree as embedded_tree,
    rotations_from_axis_angle as rotations_from_axis_angle,
    rotations_from_quaternions as rotations_from_quaternions,
    subspaces as subspaces,
)
from ._simplex import Simplex as Simplex
from ._spd import SPD as SPD
from ._sphere import Sphere as Sphere
from ._squares import (
    centred as centred,
    pairwise_squares as pairwise_squares,
    regained as regained,
    shared_squares as shared_squares,
    squared_lengths as squared_lengths,
)


__all__ = _public(globals())
