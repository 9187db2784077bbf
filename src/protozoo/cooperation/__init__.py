"""Who shares the credit for a sample: the winner alone, all by rank, or all alike."""

from .._namespace import public as _public
from ._base import AbstractCooperation as AbstractCooperation
from ._equal import EqualShares as EqualShares
from ._rank import RankCooperation as RankCooperation
from ._winner import WinnerTakesAll as WinnerTakesAll


__all__ = _public(globals())
