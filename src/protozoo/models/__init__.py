"""The assembled thing, and what it answers."""

from .._namespace import public as _public
from ._base import AbstractTrainable as AbstractTrainable
from ._boundaries import Boundaries as Boundaries, boundaries as boundaries
from ._card import Card as Card
from ._contributions import Contributions as Contributions, contributions as contributions
from ._model import PrototypeModel as PrototypeModel
from ._selection import Selection as Selection
from ._sparse import Sparse as Sparse, sparse as sparse


__all__ = _public(globals())
