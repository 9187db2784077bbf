"""All rows, by their names. What checkers and editors read of it is `_rows.pyi`: each row with its
options, written by `docs/zoo_stub.py`."""

from . import _one_class, _relational, _riemannian, _supervised, _topology, _unsupervised
from ._recipe import Recipe


_FILES = (_supervised, _riemannian, _unsupervised, _topology, _relational, _one_class)

#: In the order of the files, and of the rows in them.
TABLE = {row.name: row for file in _FILES for row in vars(file).values() if isinstance(row, Recipe)}

globals().update(TABLE)
__all__ = [*TABLE]
