"""What functions do, told in plain values: a run is the same run only with the same functions.

A function is its code and what it holds: the values that it closes over, its defaults, the
arguments of a partial, the fields of an object that is called, and the globals of its own module
that it reads. Functions that a library or a file has a name for are told apart by that name.
"""

import contextlib
import dataclasses
import dis
import functools
import hashlib
import mmap
import types
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..persistence import digest
from ..persistence.internal import has_name
from ._closures import Closure, contents_of


#: Packages whose functions are what their names say.
_LIBRARIES = frozenset({"protozoo", "jax", "jaxlib", "optax", "equinox", "numpy", "scipy"})


def functions_in(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The functions in a tree that another program may have under the same name, by their
    places."""
    if isinstance(node, Closure) and _in_library(node.code.function):
        names = node.code.function.__code__.co_freevars
        parts = ((f".{name}", one) for name, one in zip(names, node.contents, strict=True))
    elif isinstance(node, Closure) or _is_function(node):
        if not _has_name(node):
            yield path, node
        return
    elif isinstance(node, eqx.Module):
        parts = ((f".{f.name}", getattr(node, f.name)) for f in dataclasses.fields(node))
    elif isinstance(node, tuple | list):
        parts = ((f"[{i}]", one) for i, one in enumerate(node))
    elif isinstance(node, Mapping):
        parts = ((f"[{key!r}]", one) for key, one in node.items())
    else:
        return
    for step, part in parts:
        yield from functions_in(part, path + step)


def code_of(function: Any) -> str:
    """The digest of what a function does, wherever it stands: of the one that was decorated or
    compiled, if it was. Empty for what has no code of its own."""
    plain = function.code.function if isinstance(function, Closure) else function
    plain = getattr(plain, "__wrapped__", plain)
    return _code_digest(plain) if isinstance(plain, types.FunctionType) else ""


def held_by(function: Any) -> str:
    """The digest of all that a function is: its code and what it holds, the functions among it
    too."""
    return digest(_described(function, ()))


def in_memory(x: Any) -> bool:
    """Whether an array is one of memory, and no view of what lies on a disk."""
    base = x
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return isinstance(x, np.ndarray | jax.Array) and not isinstance(base, np.memmap | mmap.mmap)


def bits_of(array: Any) -> bytes | memoryview:
    """What an array holds, not copied if its bits lie side by side; of one of objects, their
    texts."""
    array = np.asarray(array)
    if array.dtype == object:
        return repr(array.tolist()).encode()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _is_function(thing: Any) -> bool:
    return callable(thing) and not isinstance(thing, type | eqx.Module)


def _in_library(thing: Any) -> bool:
    return str(getattr(thing, "__module__", "")).split(".")[0] in _LIBRARIES


def _has_name(function: Any) -> bool:
    """Whether its name tells a function from all others: that of a library, or one in files."""
    name = getattr(function, "__qualname__", "<>")
    return (_in_library(function) and "<" not in name) or has_name(function)


def _described(thing: Any, above: tuple[int, ...]) -> Any:
    """A value as plain ones, ready for JSON. Of objects of unknown kinds, their class."""
    if thing is None or isinstance(thing, bool | int | str):
        return thing
    if isinstance(thing, float | complex | bytes | range | slice | Enum | PurePath | np.dtype):
        return [type(thing).__name__, repr(thing)]
    if id(thing) in above:  # a function that calls itself
        return ["again", above[::-1].index(id(thing))]
    told = functools.partial(_described, above=(*above, id(thing)))
    kind = type(thing)
    if isinstance(thing, jax.Array | np.ndarray | np.generic):
        return _numbers(thing)
    if isinstance(thing, list | tuple):
        return [kind.__name__, *map(told, thing)]
    if isinstance(thing, set | frozenset):
        return ["set", *sorted(digest(told(one)) for one in thing)]
    if isinstance(thing, Mapping):
        return ["mapping", *([told(key), told(value)] for key, value in thing.items())]
    if isinstance(thing, functools.partial):
        return ["partial", told(thing.func), told(thing.args), told(thing.keywords)]
    if isinstance(thing, types.MethodType):
        return ["method", told(thing.__func__), told(thing.__self__)]
    if isinstance(thing, Closure):
        return ["function", *_of_function(thing.code.function, thing.contents, told)]
    if isinstance(thing, type | types.ModuleType) or _has_name(thing):
        called = getattr(thing, "__name__", kind.__name__)
        return [getattr(thing, "__module__", ""), getattr(thing, "__qualname__", called)]
    if isinstance(thing, types.FunctionType):
        return ["function", *_of_function(thing, contents_of(thing), told)]
    name = f"{kind.__module__}.{kind.__qualname__}"
    if callable(thing) and (within := getattr(thing, "__wrapped__", None)) is not None:
        return ["wrapped", name, told(within)]
    if callable(thing) or dataclasses.is_dataclass(thing) or kind is types.SimpleNamespace:
        return ["object", name, getattr(thing, "__name__", ""), *map(told, _of_object(thing))]
    return name


def _of_function(
    function: types.FunctionType, contents: tuple[Any, ...], told: Callable[[Any], Any]
) -> Iterator[Any]:
    """What a function does, and what it closes over; of one that is no library's, also its
    defaults, and the numbers, texts, arrays and functions of its own module that it reads, its
    inner functions too."""
    space, names, left = function.__globals__, set[str](), [function.__code__]
    yield told(dict(zip(function.__code__.co_freevars, contents, strict=True)))
    if space.get("__name__", "").split(".")[0] in _LIBRARIES:
        yield f"{space['__name__']}.{function.__code__.co_qualname}"
        return
    yield _code_digest(function)
    yield told([function.__defaults__, function.__kwdefaults__])
    while left:
        code = left.pop()
        steps = dis.get_instructions(code)
        names |= {step.argval for step in steps if step.opname == "LOAD_GLOBAL"}
        left += [one for one in code.co_consts if isinstance(one, types.CodeType)]
    read = {name: space[name] for name in sorted(names & set(space))}
    kinds = bool | int | float | str | tuple | np.generic | np.ndarray | jax.Array
    kinds |= functools.partial
    own = space.get("__name__")
    yield told(
        {
            name: one
            for name, one in read.items()
            if isinstance(one, kinds)
            or (_is_function(one) and getattr(one, "__module__", None) == own)
        }
    )


def _of_object(thing: Any) -> Iterator[Any]:
    """What an object holds; of one that is called, also what its class says, if it is no
    library's."""
    kind: type = type(thing)
    with contextlib.suppress(TypeError):  # an object of another language
        yield object.__getstate__(thing)
    if callable(thing):
        own = [base for base in kind.__mro__[:-1] if not _in_library(base)]
        said = {key: one for base in reversed(own) for key, one in vars(base).items()}
        yield {k: said[k] for k in sorted(said) if k == "__call__" or not k.startswith("__")}


def _code_digest(function: types.FunctionType) -> str:
    return hashlib.sha256(repr(_code(function.__code__)).encode()).hexdigest()


def _numbers(array: Any) -> list[Any]:
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    bits = hashlib.sha256(bits_of(array)).hexdigest()
    return [str(array.dtype), [*array.shape], bits]


def _code(code: types.CodeType) -> tuple:
    def constant(one: Any) -> Any:
        if isinstance(one, frozenset):  # in no order
            return sorted(map(repr, one))
        return _code(one) if isinstance(one, types.CodeType) else one

    return (
        code.co_code.hex(),
        [*map(constant, code.co_consts)],
        code.co_names,
        code.co_varnames,
        code.co_freevars,
    )
