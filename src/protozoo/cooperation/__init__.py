"""Who shares the credit for a sample: the winner, its neighbours on a lattice or in a graph, all by
rank or by distance, or all alike."""

from .._namespace import public as _public
from ._base import (
    AbstractCompetition as AbstractCompetition,
    AbstractCooperation as AbstractCooperation,
)
from ._equal import EqualShares as EqualShares
from ._graded import GradedShares as GradedShares
from ._graph import GraphCooperation as GraphCooperation
from ._lattice import Lattice as Lattice, LatticeCooperation as LatticeCooperation
from ._rank import RankCooperation as RankCooperation
from ._soft import (
    GaussianShares as GaussianShares,
    ProductOfShares as ProductOfShares,
    StudentShares as StudentShares,
)
from ._winner import WinnerTakesAll as WinnerTakesAll


__all__ = _public(globals())
