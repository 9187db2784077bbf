"""Models and trainers for `pickle` and `copy`.

What they hold is plain, but for functions: activations, transfer functions, the closures of
optimisers. A function is pickled by the name under which the other process finds it, never by its
code; and a copy shares it, as it shares all that is structure, so that it goes into the same
compiled programs as the original.
"""

import copy
import copyreg
import dataclasses
import functools
import importlib
import types
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from ._registry import known, subclasses


#: What nobody can change, and `pickle` knows.
_KNOWN = (jax.Array, types.MethodType)


def make_portable() -> None:
    """Let `pickle` and `copy` take protozoo's own modules apart by `reduced`: those that exist by
    now."""
    for cls in subclasses(eqx.Module):
        if cls.__module__.split(".")[0] == "protozoo":
            copyreg.pickle(cls, reduced)  # pyright: ignore[reportArgumentType]


def reduced(thing: Any) -> tuple[Callable, tuple]:
    """What makes this module or dataclass again, as `pickle` asks for it: a function and its
    arguments."""
    fields = {}
    for field in dataclasses.fields(thing):
        value = getattr(thing, field.name)
        fields[field.name] = (
            Shared(value) if field.metadata.get("static", False) else _portable(value)
        )
    cls = type(thing)
    return _restored, (cls if _importable(cls) else Shared(cls), fields)


#: From a class to a function that makes its fields of those that an earlier version wrote.
_MIGRATIONS: dict[type, Callable[[dict[str, Any]], dict[str, Any]]] = {}


def migration(cls: type) -> Callable[[Callable], Callable]:
    """Declare how the fields of a class follow from those in the pickles of an earlier version."""

    def declare(function: Callable) -> Callable:
        _MIGRATIONS[cls] = function
        return function

    return declare


def _restored(cls: Any, fields: dict[str, Any]) -> Any:
    cls = _contents(cls)
    thing, values = object.__new__(cls), {name: _contents(value) for name, value in fields.items()}
    # A field that the class was given later has its default value.
    defaults = {
        field.name: field.default
        for field in dataclasses.fields(cls)
        if field.default is not dataclasses.MISSING
    }
    for name, value in {**defaults, **_MIGRATIONS.get(cls, dict)(values)}.items():
        object.__setattr__(thing, name, value)
    return thing


class Shared:
    """What a copy has in common with the original; in a pickle, itself."""

    def __init__(self, value: Any):
        self.value = value

    def __deepcopy__(self, memo: dict) -> Any:
        return self.value

    def __reduce__(self) -> tuple[Callable, tuple]:
        value = self.value
        if isinstance(value, functools.partial):
            return _partial, (
                type(value),
                *map(_portable, (value.func, value.args, value.keywords)),
            )
        if isinstance(value, type) or _is_function(value):
            return _by_name(value)
        if isinstance(value, jax.sharding.Sharding):
            raise ValueError(
                f"{value!r} names devices of this process: a trainer with `sharding` cannot be "
                f"pickled."
            )
        return _contents, (value if isinstance(value, _KNOWN) else _portable(value),)


class _Module:
    """A module of somebody else's class, of which a pickle and a copy have the parts."""

    def __init__(self, module: eqx.Module):
        self.value = module

    def __deepcopy__(self, memo: dict) -> Any:
        function, arguments = reduced(self.value)
        return function(*copy.deepcopy(arguments, memo))

    def __reduce__(self) -> tuple[Callable, tuple]:
        return reduced(self.value)


def _portable(value: Any) -> Any:
    """The same with stand-ins for everything that `pickle` and `copy` do not know how to take."""
    if isinstance(value, eqx.Module):
        return value if type(value) in copyreg.dispatch_table else _Module(value)
    if isinstance(value, (*_KNOWN, functools.partial)) or _is_function(value):
        return Shared(value)
    return _each(_portable, value)


def _contents(value: Any) -> Any:
    """The same without stand-ins. `pickle` and `copy.deepcopy` have replaced them by now;
    `copy.copy` leaves them alone."""
    return value.value if isinstance(value, Shared | _Module) else _each(_contents, value)


def _each(change: Callable[[Any], Any], value: Any) -> Any:
    """A list, tuple or dictionary with all of its items changed; anything else as it is."""
    kind = type(value)
    if kind in (list, tuple):
        return kind(map(change, value))
    if kind is dict:
        return {key: change(item) for key, item in value.items()}
    if isinstance(value, tuple) and isinstance(getattr(kind, "_fields", None), tuple):  # with names
        return kind(*map(change, value))
    return value


def _is_function(value: Any) -> bool:
    named = callable(value) and hasattr(value, "__name__")
    return named and not isinstance(value, type | types.GenericAlias | types.MethodType)


def _importable(thing: Any) -> bool:
    """Whether a class or function is what its module has under its name."""
    try:
        return attribute(thing.__module__, getattr(thing, "__qualname__", thing.__name__)) is thing
    except (ImportError, AttributeError, TypeError, ValueError):
        return False


def _by_name(thing: Any) -> tuple[Callable, tuple]:
    """How another process finds a function or a class: in the registry, or in the module that
    defines it."""
    for name, one in known().items():
        if one is thing:
            return _look_up, (name,)
    if _importable(thing):
        return attribute, (thing.__module__, getattr(thing, "__qualname__", thing.__name__))
    raise ValueError(
        f"{thing!r} cannot be pickled: functions and classes are pickled by their names, and this "
        "one has none under which another process would find it. Give it one, `pz.register(thing, "
        "name)`, here and in the program that loads."
    )


def _look_up(name: str) -> Any:
    if name not in known():
        raise ValueError(
            f"the pickle names {name!r}, which is not known here: register it with `pz.register` "
            f"before loading."
        )
    return known()[name]


def attribute(module: str, name: str) -> Any:
    """What has this dotted name in a module."""
    return functools.reduce(getattr, name.split("."), importlib.import_module(module))


def _partial(cls: type, function: Callable, arguments: tuple, keywords: dict[str, Any]) -> Any:
    return cls(function, *arguments, **keywords)
