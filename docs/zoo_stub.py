"""Write what type checkers and editors know of the zoo's rows, `src/protozoo/zoo/_rows.pyi`: the
options of each row, as its makers annotate them.

    python docs/zoo_stub.py

A test compares the file with what this would write.
"""

import json
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from protozoo import zoo
from protozoo._types import ArrayLike
from protozoo.zoo._options import options_of


HEADER = '''"""The zoo's rows for type checkers: written by `docs/zoo_stub.py`."""

# ruff: noqa
# fmt: off
from collections.abc import Callable, Mapping
from typing import Any, Literal, Required, TypedDict, Unpack

from .._schedules import AbstractSchedule
from .._types import ArrayLike, PRNGKeyArray
from ..backbones import AbstractScale
from ..manifolds import AbstractManifold
from ..models import PrototypeModel
from ._recipe import Recipe

TABLE: dict[str, Recipe]

class _Arguments(TypedDict, total=False):
    key: Required[PRNGKeyArray | int]
    space: AbstractManifold | None
    encoder: Callable[..., Any] | None
    latent_space: AbstractManifold | None
    sample_weight: ArrayLike | None
    standardise: bool | str | AbstractScale
'''

#: Where the stub stands.
PATH = Path(__file__).parent.parent / "src" / "protozoo" / "zoo" / "_rows.pyi"


def stub() -> str:
    """The text of the file: options of makers, then kinds of rows, then rows."""
    makers: dict[tuple, str] = {}
    kinds: dict[tuple, str] = {}
    rows = []
    for name in zoo.names():
        row = getattr(zoo, name)
        given = [_of_maker(maker, makers) for maker in row._makers()]
        kind = (_labels(row), *(one for one in given if one))
        rows.append(f"{name}: {kinds.setdefault(kind, f'_{name}')}")
    blocks = [HEADER.rstrip("\n")]
    blocks += ["\n".join(_options(name, options)) for options, name in makers.items()]
    blocks += ["\n".join(_kind(name, *kind)) for kind, name in kinds.items()]
    return "\n\n".join([*blocks, "\n".join(rows)]) + "\n"


def _of_maker(maker: Callable, known: dict[tuple, str]) -> str:
    """The name of the class of a maker's options; makers may have the same ones."""
    options = tuple((name, rendered(one.kind)) for name, one in options_of(maker).items())
    if not options:
        return ""
    called = "_" + maker.__name__.strip("_").title().replace("_", "") + "Options"
    while options not in known and called in known.values():
        called += "_"
    return known.setdefault(options, called)


def _labels(row: zoo.Recipe) -> str:
    if row.one_class:
        return "y: ArrayLike | None = None"
    return "y: ArrayLike" if row.supervised else "y: None = None"


def _options(name: str, options: tuple[tuple[str, str], ...]) -> Iterator[str]:
    yield f"class {name}(TypedDict, total=False):"
    for option, kind in options:
        yield f"    {option}: {kind}"


def _kind(name: str, labels: str, *options: str) -> Iterator[str]:
    yield f"class {name}Arguments(_Arguments, {', '.join([*options, 'total=False'])}): ..."
    yield ""
    yield f"class {name}(Recipe):"
    yield "    def __call__(  # type: ignore[override]"
    yield f"        self, x: ArrayLike, {labels}, **options: Unpack[{name}Arguments]"
    yield "    ) -> PrototypeModel: ..."


def rendered(kind: Any) -> str:
    """An annotation as it is written."""
    if kind is None or kind is type(None):
        return "None"
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        arrays = get_args(ArrayLike)
        if set(arrays) <= set(arguments):
            others = [one for one in arguments if one not in arrays]
            return " | ".join(["ArrayLike", *map(rendered, others)])
        return " | ".join(map(rendered, arguments))
    if origin is Literal:
        return f"Literal[{', '.join(map(json.dumps, arguments))}]"
    if kind is Callable:
        return "Callable[..., Any]"
    if origin is not None:
        inner = ("..." if one is Ellipsis else rendered(one) for one in arguments)
        return f"{origin.__name__}[{', '.join(inner)}]"
    return kind.__name__


if __name__ == "__main__":
    PATH.write_text(stub(), encoding="utf-8")
