"""Optimisers as trees.

Optax hides its numbers (learning rates, decays) in closures of functions that are new objects in
every call, so that equal optimisers are never equal, and each of them would be compiled anew. Here
a function becomes a module: its code is structure, compared by value, and what it closes over are
leaves.
"""

import importlib
import inspect
import types
from typing import Any

import equinox as eqx
import jax
import optax

from .._checks import is_number, known_value, on_device
from .._module import static
from .._schedules import AbstractSchedule, OverRun
from .._types import PyTree
from ..persistence.internal import Shared, attribute


class Code:
    """A function without what it closes over. Equal code with equal defaults is equal.

    It is pickled by its place: the module, the function in it that contains this one, and which one
    it is of those of its name. It is never pickled by its code, which could be anything.
    """

    def __init__(self, function: types.FunctionType):
        self.function = function
        self.defaults = (function.__defaults__, function.__kwdefaults__)

    def __hash__(self) -> int:
        return hash(self.function.__code__)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Code)
            and self.function.__code__ == other.function.__code__
            and self.function.__globals__ is other.function.__globals__
            and self.defaults == other.defaults
        )

    def __reduce__(self) -> tuple[Any, tuple]:
        code, module = self.function.__code__, self.function.__globals__["__name__"]
        try:
            place = module, code.co_qualname, _codes(module, code.co_qualname).index(code)
        except (ImportError, AttributeError, ValueError):
            raise ValueError(
                f"{self.function!r} cannot be pickled: another process would not find it as "
                f"{code.co_qualname!r} in the module {module!r}. Define the function that makes it "
                "at the top of a module."
            ) from None
        return _found, (*place, code.co_freevars, Shared(self.defaults))


def _codes(module: str, name: str) -> list[types.CodeType]:
    """The functions of this name (`outer.<locals>.inner`) that a module's function contains, in the
    order of its code."""
    outer = inspect.unwrap(attribute(module, name.split(".<locals>.")[0]))
    found, left = [], [outer.__code__]
    while left:
        code = left.pop()
        if code.co_qualname == name:
            found.append(code)
        elif name.startswith(code.co_qualname + "."):
            left += reversed([part for part in code.co_consts if isinstance(part, types.CodeType)])
    return found


def _found(
    module: str, name: str, place: int, closes_over: tuple[str, ...], defaults: tuple
) -> Code:
    codes = _codes(module, name)
    if place >= len(codes) or codes[place].co_freevars != closes_over:
        raise ValueError(
            f"{module}.{name} is not the function that was pickled: load it with the versions that "
            f"wrote it."
        )
    cells = tuple(types.CellType() for _ in closes_over)
    function = types.FunctionType(
        codes[place], vars(importlib.import_module(module)), name.rpartition(".")[2], None, cells
    )
    function.__defaults__, function.__kwdefaults__ = defaults
    return Code(function)


class Closure(eqx.Module):
    """A function whose closed-over values are fields."""

    name: str = static()  # what tells one function from another in the description of a checkpoint
    code: Code = static()
    contents: tuple[Any, ...]


class Empty(eqx.Module):
    """In place of a variable that a function closes over, and that was never given a value."""


#: Functions that ask their numbers questions (`if momentum > 0`): these numbers stay part of the
#: program.
_ASKS = ("optax._src.transform.scale_by_sm3.",)


def contents_of(function: types.FunctionType) -> tuple[Any, ...]:
    """What a function closes over, in the order of its code."""

    def content(cell: types.CellType) -> Any:
        try:
            return cell.cell_contents
        except ValueError:
            return Empty()

    return tuple(map(content, function.__closure__ or ()))


def opened(tree: PyTree, numbers: bool = True) -> PyTree:
    """`tree` with all functions turned into modules, recursively, and (unless they are asked about)
    floats into arrays."""
    return jax.tree.map(lambda leaf: _open(leaf, numbers), tree)


def _open(leaf: Any, numbers: bool) -> Any:
    # A function made by another one is a new object every time, also if it closes over nothing.
    if isinstance(leaf, types.FunctionType) and "<locals>" in leaf.__qualname__:
        name = f"{leaf.__module__}.{leaf.__qualname__}"
        contents = tuple(
            opened(one, numbers and not name.startswith(_ASKS)) for one in contents_of(leaf)
        )
        return Closure(name, Code(leaf), contents)
    return on_device(leaf, float) if type(leaf) is float and numbers else leaf


def closed(tree: PyTree) -> PyTree:
    """Undo `opened`: plain functions again, over the leaves as they are now.

    They must be plain: JAX takes the branches of a conditional for functions that can be hashed,
    and a module that holds traced numbers cannot.
    """
    return jax.tree.map(_close, tree, is_leaf=lambda node: isinstance(node, Closure))


def _close(node: Any) -> Any:
    if not isinstance(node, Closure):
        return node
    old, contents = node.code.function, node.contents
    cells = tuple(
        types.CellType() if isinstance(one, Empty) else types.CellType(closed(one))
        for one in contents
    )
    new = types.FunctionType(
        old.__code__, old.__globals__, old.__name__, old.__defaults__, cells or None
    )
    new.__kwdefaults__ = old.__kwdefaults__
    return new


#: Functions that only hold others together.
_SILENT = ("chain", "with_extra_args_support")


def outlined(node: Any) -> str:
    """An opened optimiser in a line: the transformations that it is made of, and their numbers."""
    if isinstance(node, optax.GradientTransformation):
        return outlined(node.update)
    if isinstance(node, tuple | list):
        return ", ".join(filter(None, map(outlined, node)))
    if not isinstance(node, Closure):
        return ""
    name = node.name.split(".<locals>")[0].rpartition(".")[2]
    if name in _SILENT:
        return outlined(node.contents)
    variables, said = node.code.function.__code__.co_freevars, []
    for variable, value in zip(variables, node.contents, strict=True):
        if is_number(value) and known_value(value) is not None:
            said.append(f"{variable}={float(value):g}")
        elif isinstance(value, AbstractSchedule | OverRun):
            said.append(f"{variable}={type(value).__name__}")
        elif name == "scale_by_schedule" or not isinstance(value, Closure):  # no inner workings
            said.append(outlined(value))
    return f"{name}({', '.join(filter(None, said))})"
