"""The table: published names of models, each a composition of parts.

`pz.zoo.GMLVQ(x, y, key=key)` builds the model; `pz.zoo.GMLVQ.trainer()` is its default trainer;
`.citation`, `.bibtex()`, `.rule` and `.options` are data. `help(pz.zoo.GMLVQ)` explains its
options; `pz.zoo.names()` lists what there is.
"""

import typing as _typing

from .._namespace import public as _public
from .._sources import Source as Source
from ._cross_validate import (
    Comparison as Comparison,
    CrossValidation as CrossValidation,
    compare as compare,
    cross_validate as cross_validate,
)
from ._fit import fit as fit
from ._makers import Context as Context
from ._options import Option as Option
from ._recipe import Recipe as Recipe

# Rows by their names, so that checkers and editors know each of them, and find the misspelt ones.
from ._rows import *  # noqa: F403
from ._rows import TABLE as _TABLE


def names() -> tuple[str, ...]:
    """The names of all rows, in the order of the table."""
    return tuple(_TABLE)


if not _typing.TYPE_CHECKING:  # to a checker, this would be any name

    def __getattr__(name: str) -> Recipe:
        raise AttributeError(
            f"the zoo has no model {name!r}; `pz.zoo.names()` lists those it has: "
            f"{', '.join(_TABLE)}."
        )


__all__ = _public(globals())
