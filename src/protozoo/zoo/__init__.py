"""The table: published names of models, each a composition of parts.

`pz.zoo.GMLVQ(x, y, key=key)` builds the model; `pz.zoo.GMLVQ.trainer()` is its default trainer; `.citation`, `.rule` and
`.options` are data. `pz.zoo.names()` lists what there is.
"""

from .._namespace import public as _public
from ._cross_validate import CrossValidation as CrossValidation, cross_validate as cross_validate
from ._fit import fit as fit
from ._makers import Context as Context
from ._recipe import Recipe as Recipe
from ._riemannian import ROWS as _RIEMANNIAN
from ._supervised import ROWS as _SUPERVISED
from ._unsupervised import ROWS as _UNSUPERVISED


_TABLE = {row.name: row for row in (*_SUPERVISED, *_RIEMANNIAN, *_UNSUPERVISED)}


def names() -> tuple[str, ...]:
    """The names of all rows, in the order of the table."""
    return tuple(_TABLE)


def __getattr__(name: str) -> Recipe:
    if name in _TABLE:
        return _TABLE[name]
    raise AttributeError(f"the zoo has no model {name!r}; `pz.zoo.names()` lists those it has: {', '.join(_TABLE)}.")


def __dir__() -> list[str]:
    return __all__


__all__ = [*_TABLE, *_public(globals())]
