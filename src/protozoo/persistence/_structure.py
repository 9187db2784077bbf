"""The structure of a model as JSON, and the model again from structure and arrays.

| in the model                | in the structure                                                   |
| --------------------------- | ------------------------------------------------------------------ |
| `None`, a bool, number, str | itself; `{"float": "inf"}` where JSON has no number                |
| list, tuple, named dict     | `[…]`, `{"tuple": […]}`, `{"dict": {…}}`                           |
| JAX array                   | `{"array": dtype, "shape": […]}`, `"weak": true` if it is          |
| NumPy array or number       | the same with `"numpy": true`; `{"number": value, "dtype": dtype}` |
| module                      | `{"class": name, "fields": {…}}`, static fields too                |
| function                    | `{"function": name}`                                               |

Arrays are kept apart, under the path of their place in the model: `"model.prototypes.points"`.
"""

import contextlib
import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Set
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import on_device
from .._module import constraint_of, refuse_other_kinds
from .._types import Array, PyTree
from ._migrations import MIGRATIONS
from ._precision import restored
from ._registry import known, qualified


ROOT = "model"

# A structure is read by recursion, and comes from anywhere: what can be saved has bounds, which
# whoever loads can rely on.
DEPTH, LONGEST_PATH, LARGEST_INTEGER = 100, 4000, 2**2048
#: Of what a class says of values that it refuses: checkers of shapes print whole arguments.
LONGEST_REASON = 500
_PLAIN = (str, int, type(None))
_NUMBERS = {
    np.dtype(number).name: number
    for number in (
        *(
            np.bool_,
            np.int8,
            np.int16,
            np.int32,
            np.int64,
            np.uint8,
            np.uint16,
            np.uint32,
            np.uint64,
        ),
        *(np.float16, np.float32, np.float64),
    )
}


def describe(tree: PyTree, *, strict: bool = True) -> Any:
    """The structure of a model: everything but the numbers in its arrays.

    **Arguments:**

    - `tree`: a model, or any tree of modules, lists, tuples, dicts, arrays, plain values and
      functions.
    - `strict`: whether anything that `rebuild` could not make again is an error. Otherwise it is
      written as `{"opaque": its qualified name}`, with what arrays it holds if it is a tree.

    **Returns:** plain lists, dicts, strings and numbers, ready for JSON.

    **Raises:** `ValueError` for a class, function or object that is not known; it says where it is,
    and what to do.
    """
    return _Description(strict).describe(tree, ROOT)


def decompose(tree: PyTree) -> tuple[Any, dict[str, Any]]:
    """A model as its structure and its arrays, which `rebuild` takes.

    **Returns:** the structure, and a dict from paths to arrays.

    **Raises:** `ValueError` as `describe`.
    """
    description = _Description(strict=True)
    return description.describe(tree, ROOT), description.arrays


def digest(structure: Any) -> str:
    """The SHA-256 of a structure in canonical JSON (sorted keys, no spaces), in hexadecimal."""
    canonical = json.dumps(structure, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def fingerprint(tree: PyTree, *, strict: bool = True) -> str:
    """The digest of a model's structure: equal for models that differ in the numbers of their
    arrays only.

    **Arguments:** as `describe`.

    **Raises:** `ValueError` as `describe`.
    """
    return digest(describe(tree, strict=strict))


def rebuild(structure: Any, arrays: Mapping[str, Any]) -> PyTree:
    """The model with this structure and these arrays.

    No `__init__` runs: fields are set as they were, then each class checks its invariants
    (`__check_init__`).

    **Arguments:**

    - `structure`: what `describe` returned.
    - `arrays`: from paths to arrays; an array without elements may be left out.

    A field that a class was given later has its default value.

    **Raises:** `ValueError` for a class or function that is not known, fields that its class has
    not or that are missing, an array that is missing, too many, or of another shape or dtype, and
    anything that is not a structure.
    """
    return reconstruct(structure, arrays, frozenset())


def reconstruct(structure: Any, arrays: Mapping[str, Any], rounded: Set[str]) -> PyTree:
    """The same, where some arrays were rounded, and go back onto their constraints."""
    construction = _Construction(arrays, rounded)
    tree = construction.build(structure, ROOT)
    if unused := sorted(set(arrays) - construction.used):
        raise ValueError(
            f"there are arrays that the structure does not mention: {', '.join(unused)}."
        )
    construction.finish()
    return tree


def layout(structure: Any) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
    """From the path of each array in a structure to its dtype and shape.

    **Raises:** `ValueError` for what no array can have.
    """
    return dict(_layout(structure, ROOT, 0))


def _layout(
    node: Any, path: str, depth: int
) -> Iterator[tuple[str, tuple[np.dtype, tuple[int, ...]]]]:
    _bounded(path, depth)
    match node:
        case {"array": str() as dtype, "shape": list() as shape}:
            yield path, (_parse_dtype(dtype, path), _parse_shape(shape, path))
    for step, child in _children(node):
        if isinstance(child, dict | list):
            yield from _layout(child, path + step, depth + 1)


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    """What a node of a structure is made of, with the step that leads there."""
    match node:
        case list() as items:
            yield from ((f"[{i}]", item) for i, item in enumerate(items))
        case {"tuple": list() as items, **rest} if not rest:
            yield from ((f"[{i}]", item) for i, item in enumerate(items))
        case {"dict": dict() as items, **rest} if not rest:
            yield from ((f"[{key!r}]", item) for key, item in items.items())
        case {"class": str(), "fields": dict() as fields, **rest} if not rest:
            yield from ((f".{name}", item) for name, item in fields.items())


def _bounded(path: str, depth: int) -> None:
    """Refuse what cannot be read again within bounds."""
    if depth > DEPTH or len(path) > LONGEST_PATH:
        raise ValueError(
            f"{path[:50]}… lies too deep: a saved model has at most {DEPTH} levels, and "
            f"{LONGEST_PATH} letters in the path of an array."
        )


def _numeric(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, np.number) or jnp.issubdtype(dtype, np.bool_)


def _brief(thing: Any) -> str:
    text = " ".join(repr(thing).split())
    return text if len(text) <= 100 else f"{text[:99]}…"


class _Description:
    """One walk through a tree; `arrays` holds what it met."""

    def __init__(self, strict: bool):
        self.strict = strict
        self.arrays: dict[str, Any] = {}
        self._depth = 0
        # By identity, as functions and classes are: equality is up to the object.
        self._names = {id(thing): name for name, thing in reversed(known().items())}

    def describe(self, node: Any, path: str) -> Any:
        if self.strict:
            _bounded(path, self._depth)
        self._depth += 1
        try:
            return self._describe(node, path)
        finally:
            self._depth -= 1

    def _describe(self, node: Any, path: str) -> Any:
        kind = type(node)
        if kind is int and self.strict and abs(node) >= LARGEST_INTEGER:
            raise ValueError(
                f"{path} is an integer of {node.bit_length()} bits, which cannot be saved: keep it "
                f"as text."
            )
        if node is None or kind in (bool, int, str):
            return node
        if kind is float:
            return node if math.isfinite(node) else {"float": repr(node)}
        if kind in (list, tuple):
            items = [self.describe(item, f"{path}[{i}]") for i, item in enumerate(node)]
            return items if kind is list else {"tuple": items}
        if kind is dict and all(type(key) is str for key in node):
            return {
                "dict": {key: self.describe(item, f"{path}[{key!r}]") for key, item in node.items()}
            }
        if isinstance(node, np.generic) and node.dtype.name in _NUMBERS:
            return {"number": self.describe(node.item(), path), "dtype": node.dtype.name}
        # A subclass of NumPy's arrays (a masked one) is more than its numbers.
        if isinstance(node, jax.Array) or kind is np.ndarray:
            return self._array(node, path)
        if isinstance(node, eqx.Module):
            name = self._names.get(id(kind)) or self._unknown(node, path)["opaque"]
            fields = [field.name for field in dataclasses.fields(node)]
            return {
                "class": name,
                "fields": {f: self.describe(getattr(node, f), f"{path}.{f}") for f in fields},
            }
        if id(node) in self._names and not isinstance(node, type):
            return {"function": self._names[id(node)]}
        return self._opaque(node, path)

    def _array(self, array: Any, path: str) -> Any:
        if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
            if self.strict:
                raise ValueError(
                    f"{path} is a typed PRNG key, which cannot be saved in a model: keep its "
                    "`jax.random.key_data` instead, and `jax.random.wrap_key_data` where it is "
                    "used."
                )
            return {"array": str(array.dtype), "shape": list(array.shape)}
        if not _numeric(array.dtype):
            return self._opaque(array, path)
        self.arrays[path] = array
        node = {"array": array.dtype.name, "shape": list(array.shape)}
        if isinstance(array, np.ndarray):
            return node | {"numpy": True}
        return node | {"weak": True} if array.weak_type else node

    def _opaque(self, node: Any, path: str) -> Any:
        opaque = self._unknown(node, path)
        # One level at a time, so that the modules among the children are described as modules.
        children, _ = jax.tree_util.tree_flatten_with_path(
            node, is_leaf=lambda child: child is not node
        )
        described = [
            self.describe(child, path + jax.tree_util.keystr(keys))
            for keys, child in children
            if keys
        ]
        return opaque | {"children": described} if described else opaque

    def _unknown(self, thing: Any, path: str) -> dict[str, str]:
        """A stand-in for what `rebuild` could not make again, or an error."""
        if not self.strict:
            return {"opaque": qualified(thing)}
        if isinstance(thing, eqx.Module):
            cls = type(thing)
            what, remedy = (
                f"a {qualified(cls)}",
                f"Register the class, `pz.register({cls.__name__})`",
            )
        elif callable(thing) and not isinstance(thing, type):
            what, remedy = _brief(thing), "Register the function, `pz.register(function)`"
        else:
            raise ValueError(
                f"{path} is {_brief(thing)} of type {qualified(type(thing))}, which cannot be "
                "saved. Models hold arrays, numbers, strings, None, lists, tuples, dicts with "
                "string keys, and modules and functions that are known or were registered with "
                "`pz.register`."
            )
        raise ValueError(
            f"{path} is {what}, which cannot be saved: a saved model names classes and functions, "
            f"and this one has no known name. {remedy}, here and in the program that loads."
        )


class _Construction:
    """One walk through a structure; `used` holds the paths of the arrays that it took."""

    def __init__(self, arrays: Mapping[str, Any], rounded: Set[str] = frozenset()):
        self.used: set[str] = set()
        self._arrays = arrays
        self._known = known()
        # What is left to be restored: the shapes that are expected.
        self._rounded, self._pending = rounded, dict[str, tuple[int, ...]]()

    def build(self, node: Any, path: str, depth: int = 0) -> Any:
        _bounded(path, depth)
        if isinstance(node, _PLAIN):
            return node
        parts = [
            child if isinstance(child, _PLAIN) else self.build(child, path + step, depth + 1)
            for step, child in _children(node)
        ]
        match node:
            case float() if math.isfinite(node):
                return node
            case list():
                return parts
            case {"tuple": list(), **rest} if not rest:
                return tuple(parts)
            case {"dict": dict() as items, **rest} if not rest:
                return dict(zip(items, parts, strict=True))
            case {"float": "inf" | "-inf" | "nan" as value, **rest} if not rest:
                return float(value)
            case {"number": value, "dtype": str() as dtype, **rest} if (
                dtype in _NUMBERS and not rest
            ):
                return self._number(self.build(value, path, depth + 1), _NUMBERS[dtype], path)
            case {"array": str() as dtype, "shape": list() as shape, **marks} if set(marks) <= {
                "weak",
                "numpy",
            }:
                if all(mark is True for mark in marks.values()):
                    return self._array(
                        path, _parse_dtype(dtype, path), _parse_shape(shape, path), **marks
                    )
            case {"class": str() as name, "fields": dict() as fields, **rest} if not rest:
                found = dict(zip(fields, parts, strict=True))
                if name in MIGRATIONS:
                    return self._module(*MIGRATIONS[name](found), path)
                return self._module(self._lookup(name, "class", path), found, path)
            case {"function": str() as name, **rest} if not rest:
                return self._lookup(name, "function", path)
            case {"opaque": name}:
                raise ValueError(
                    f"{path} was a {name}, described in part only (`strict=False`): it cannot be "
                    f"rebuilt."
                )
        raise ValueError(f"{path} is not part of a structure: {_brief(node)}.")

    def _lookup(self, name: str, kind: str, path: str) -> Any:
        thing = self._known.get(name)
        if thing is None or isinstance(thing, type) != (kind == "class"):
            raise ValueError(
                f"{path} names the {kind} {name!r}, which is not known here; a name in a file is "
                "never imported. If it is yours, import it and register it with `pz.register` "
                "before loading."
            )
        return thing

    def _module(self, cls: type, fields: dict[str, Any], path: str) -> Any:
        declared = {field.name: field for field in dataclasses.fields(cls)}
        later = {name: _default(field) for name, field in declared.items() if name not in fields}
        missing = [name for name, value in later.items() if value is dataclasses.MISSING]
        extra = set(fields) - set(declared)
        if missing or extra:
            raise ValueError(
                f"{path}: {qualified(cls)} has other fields than it had when the model was saved "
                f"(missing from the saved model: {', '.join(sorted(missing)) or 'none'}; unknown "
                f"to the class: {', '.join(sorted(extra)) or 'none'}). Load it with the version "
                "that saved it."
            )
        module = object.__new__(cls)
        for name in declared:
            object.__setattr__(module, name, fields[name] if name in fields else later[name])
        for name in declared:
            if any(at.startswith(f"{path}.{name}") for at in self._pending):
                object.__setattr__(module, name, self._restored(module, name, path))
        try:
            # As Equinox does after `__init__`: each class checks its own invariants.
            for owner in cls.__mro__:
                if "__check_init__" in owner.__dict__:
                    owner.__dict__["__check_init__"](module)
            refuse_other_kinds(module)
        except Exception as error:  # of any kind, where a field is what the class never gives it
            reason = str(error)[:LONGEST_REASON]
            raise ValueError(f"{path} is no {qualified(cls)} that can be: {reason}") from error
        return module

    def _restored(self, module: eqx.Module, name: str, path: str) -> Any:
        """A field whose rounded arrays satisfy its constraint; those of modules within do theirs
        already."""
        constraint = constraint_of(module, name)

        def restore(keys: tuple, leaf: Any) -> Any:
            at = f"{path}.{name}{jax.tree_util.keystr(keys)}"
            if at not in self._pending:
                return leaf
            shape, value = self._pending.pop(at), restored(constraint, leaf)
            if (value.shape, value.dtype) != (shape, leaf.dtype):
                raise ValueError(f"{at}: expected numbers for the shape {shape}, found others.")
            return value

        return jax.tree_util.tree_map_with_path(restore, getattr(module, name))

    def finish(self) -> None:
        """Look at rounded arrays that belong to no module."""
        for at, shape in self._pending.items():
            if (found := np.shape(self._arrays[at])) != shape:
                raise ValueError(f"{at}: expected an array of shape {shape}, found {found}.")

    def _number(self, value: Any, kind: Any, path: str) -> np.generic:
        exact = {"b": bool, "i": int, "u": int, "f": float}[np.dtype(kind).kind]
        if type(value) is exact and (
            exact is not int or np.iinfo(kind).min <= value <= np.iinfo(kind).max
        ):
            with np.errstate(over="ignore"):
                number = kind(value)
            if number.item() == value or math.isnan(value) and math.isnan(number):
                return number
        raise ValueError(f"{path}: {_brief(value)} is no {np.dtype(kind).name}.")

    def _array(
        self,
        path: str,
        dtype: np.dtype,
        shape: tuple[int, ...],
        weak: bool = False,
        numpy: bool = False,
    ) -> Array | np.ndarray:
        if path in self._arrays:
            value = np.asarray(self._arrays[path])
        elif 0 in shape:
            value = np.zeros(shape, dtype)
        else:
            raise ValueError(
                f"{path}: expected an array of {dtype.name} with shape {shape}, found none."
            )
        self.used.add(path)
        if path in self._rounded:
            self._pending[path], shape = shape, value.shape
        if (value.dtype.name, value.shape) != (dtype.name, shape):
            raise ValueError(
                f"{path}: expected an array of {dtype.name} with shape {shape}, found "
                f"{value.dtype.name} with shape {value.shape}."
            )
        # Copies, so that neither the caller nor the reader of a file holds the memory of a model.
        return np.array(value) if numpy else _as_jax(value, weak, path)


def _default(field: dataclasses.Field) -> Any:
    """What a field is when nobody says, if the class says: as its constructor would make it."""
    value = field.default
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    convert = field.metadata.get("converter")
    return value if value is dataclasses.MISSING or convert is None else convert(value)


def _parse_dtype(name: str, path: str) -> np.dtype:
    with contextlib.suppress(TypeError, ValueError, SyntaxError):
        dtype = np.dtype(name) if name.isidentifier() and len(name) < 40 else None
        if dtype is not None and dtype.name == name and _numeric(dtype):
            return dtype
    raise ValueError(f"{path}: {_brief(name)} is not the dtype of numbers.")


def _parse_shape(shape: list[Any], path: str) -> tuple[int, ...]:
    if len(shape) > 32 or not all(type(size) is int and 0 <= size < 2**40 for size in shape):
        raise ValueError(f"{path}: {_brief(shape)} is no shape of an array.")
    return tuple(shape)


def _as_jax(value: np.ndarray, weak: bool, path: str) -> Array:
    canonical = jax.dtypes.canonicalize_dtype(value.dtype)
    if canonical != value.dtype:
        raise ValueError(
            f"{path} is of {value.dtype.name}, which this process would round to {canonical.name}: "
            f"enable 64-bit numbers "
            'first, `jax.config.update("jax_enable_x64", True)`.'
        )
    if weak:
        # A weak type comes from a Python number: the type of results and the compiled program
        # depend on it. Numbers that are set in a weak array leave it weak.
        zero = jax.device_put(np.zeros((), value.dtype).item())
        if zero.dtype == value.dtype:
            return (
                jax.device_put(value.item())
                if value.ndim == 0
                else _set_in(jnp.broadcast_to(zero, value.shape), on_device(value))
            )
    return on_device(value)


@jax.jit
def _set_in(array: Array, values: Array) -> Array:
    return array.at[...].set(values)
