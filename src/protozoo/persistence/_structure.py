"""The structure of a model as JSON, and the model again from structure and arrays.

| in the model                      | in the structure                                                        |
| --------------------------------- | ----------------------------------------------------------------------- |
| `None`, bool, int, str, float     | itself; `{"float": "inf"}` where JSON has no number                     |
| list, tuple, dict with str keys   | `[…]`, `{"tuple": […]}`, `{"dict": {…}}`                                |
| JAX array                         | `{"array": dtype, "shape": […]}`, and `"weak": true` if weakly typed    |
| NumPy array, NumPy number         | the same with `"numpy": true`; `{"number": value, "dtype": dtype}`      |
| module                            | `{"class": name, "fields": {…}}`, all fields, static ones too           |
| function                          | `{"function": name}`                                                    |

Arrays are kept apart, under the path of their place in the model: `"model.prototypes.points"`.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array, PyTree
from ._registry import known, qualified


_ROOT = "model"
_NUMBERS = {
    np.dtype(number).name: number
    for number in (
        *(np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
        *(np.float16, np.float32, np.float64),
    )
}


def describe(tree: PyTree, *, strict: bool = True) -> Any:
    """The structure of a model: everything but the numbers in its arrays.

    **Arguments:**

    - `tree`: a model, or any tree of modules, lists, tuples, dicts, arrays, plain values and functions.
    - `strict`: whether anything that `rebuild` could not make again is an error. Otherwise it is written as
      `{"opaque": its qualified name}`, with what arrays it holds if it is a tree.

    **Returns:** plain lists, dicts, strings and numbers, ready for JSON.

    **Raises:** `ValueError` for a class, function or object that is not known; it says where it is, and what to do.
    """
    return _Description(strict).describe(tree, _ROOT)


def decompose(tree: PyTree) -> tuple[Any, dict[str, Any]]:
    """A model as its structure and its arrays, which `rebuild` takes.

    **Returns:** the structure, and a dict from paths to arrays.

    **Raises:** `ValueError` as `describe`.
    """
    description = _Description(strict=True)
    return description.describe(tree, _ROOT), description.arrays


def digest(structure: Any) -> str:
    """The SHA-256 of a structure in canonical JSON (sorted keys, no spaces), in hexadecimal."""
    canonical = json.dumps(structure, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def fingerprint(tree: PyTree, *, strict: bool = True) -> str:
    """The digest of a model's structure: equal for models that differ in the numbers of their arrays only.

    **Arguments:** as `describe`.

    **Raises:** `ValueError` as `describe`.
    """
    return digest(describe(tree, strict=strict))


def rebuild(structure: Any, arrays: Mapping[str, Any]) -> PyTree:
    """The model with this structure and these arrays.

    No `__init__` runs: fields are set as they were, then each class checks its invariants (`__check_init__`).

    **Arguments:**

    - `structure`: what `describe` returned.
    - `arrays`: from paths to arrays; an array without elements may be left out.

    **Raises:** `ValueError` for a class or function that is not known, fields that its class has not or that are missing,
    an array that is missing, too many, or of another shape or dtype, and anything that is not a structure.
    """
    construction = _Construction(arrays)
    tree = construction.build(structure, _ROOT)
    if unused := sorted(set(arrays) - construction.used):
        raise ValueError(f"there are arrays that the structure does not mention: {', '.join(unused)}.")
    return tree


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
        # By identity, as functions and classes are: equality is up to the object.
        self._names = {id(thing): name for name, thing in reversed(known().items())}

    def describe(self, node: Any, path: str) -> Any:
        kind = type(node)
        if node is None or kind in (bool, int, str):
            return node
        if kind is float:
            return node if math.isfinite(node) else {"float": repr(node)}
        if kind in (list, tuple):
            items = [self.describe(item, f"{path}[{i}]") for i, item in enumerate(node)]
            return items if kind is list else {"tuple": items}
        if kind is dict and all(type(key) is str for key in node):
            return {"dict": {key: self.describe(item, f"{path}[{key!r}]") for key, item in node.items()}}
        if isinstance(node, np.generic) and node.dtype.name in _NUMBERS:
            return {"number": self.describe(node.item(), path), "dtype": node.dtype.name}
        # A subclass of NumPy's arrays (a masked one) is more than its numbers.
        if isinstance(node, jax.Array) or kind is np.ndarray:
            return self._array(node, path)
        if isinstance(node, eqx.Module):
            name = self._names.get(id(kind)) or self._unknown(node, path)["opaque"]
            fields = [field.name for field in dataclasses.fields(node)]
            return {"class": name, "fields": {f: self.describe(getattr(node, f), f"{path}.{f}") for f in fields}}
        if id(node) in self._names and not isinstance(node, type):
            return {"function": self._names[id(node)]}
        return self._opaque(node, path)

    def _array(self, array: Any, path: str) -> Any:
        if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
            if self.strict:
                raise ValueError(
                    f"{path} is a typed PRNG key, which cannot be saved in a model: keep its `jax.random.key_data` instead, "
                    "and `jax.random.wrap_key_data` where it is used."
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
        children, _ = jax.tree_util.tree_flatten_with_path(node, is_leaf=lambda child: child is not node)
        described = [self.describe(child, path + jax.tree_util.keystr(keys)) for keys, child in children if keys]
        return opaque | {"children": described} if described else opaque

    def _unknown(self, thing: Any, path: str) -> dict[str, str]:
        """A stand-in for what `rebuild` could not make again, or an error."""
        if not self.strict:
            return {"opaque": qualified(thing)}
        if isinstance(thing, eqx.Module):
            cls = type(thing)
            what, remedy = f"a {qualified(cls)}", f"Register the class, `pz.register({cls.__name__})`"
        elif callable(thing) and not isinstance(thing, type):
            what, remedy = _brief(thing), "Register the function, `pz.register(function)`"
        else:
            raise ValueError(
                f"{path} is {_brief(thing)} of type {qualified(type(thing))}, which cannot be saved. Models hold arrays, "
                "numbers, strings, None, lists, tuples, dicts with string keys, and modules and functions that are known or "
                "were registered with `pz.register`."
            )
        raise ValueError(
            f"{path} is {what}, which cannot be saved: a saved model names classes and functions, and this one has no known "
            f"name. {remedy}, here and in the program that loads."
        )


class _Construction:
    """One walk through a structure; `used` holds the paths of the arrays that it took."""

    def __init__(self, arrays: Mapping[str, Any]):
        self.used: set[str] = set()
        self._arrays = arrays
        self._known = known()

    def build(self, node: Any, path: str) -> Any:
        match node:
            case None | bool() | int() | float() | str():
                return node
            case list():
                return [self.build(item, f"{path}[{i}]") for i, item in enumerate(node)]
            case {"tuple": list() as items}:
                return tuple(self.build(item, f"{path}[{i}]") for i, item in enumerate(items))
            case {"dict": dict() as items}:
                return {key: self.build(item, f"{path}[{key!r}]") for key, item in items.items()}
            case {"float": "inf" | "-inf" | "nan" as value}:
                return float(value)
            case {"number": value, "dtype": str() as dtype} if dtype in _NUMBERS:
                return _NUMBERS[dtype](self.build(value, path))
            case {"array": str() as dtype, "shape": list() as shape}:
                return self._array(path, dtype, tuple(shape), bool(node.get("weak")), bool(node.get("numpy")))
            case {"class": str() as name, "fields": dict() as fields}:
                return self._module(self._lookup(name, "class", path), fields, path)
            case {"function": str() as name}:
                return self._lookup(name, "function", path)
            case {"opaque": name}:
                raise ValueError(f"{path} was a {name}, described in part only (`strict=False`): it cannot be rebuilt.")
        raise ValueError(f"{path} is not part of a structure: {_brief(node)}.")

    def _lookup(self, name: str, kind: str, path: str) -> Any:
        thing = self._known.get(name)
        if thing is None or isinstance(thing, type) != (kind == "class"):
            raise ValueError(
                f"{path} names the {kind} {name!r}, which is not known here; a name in a file is never imported. If it is "
                f"yours, import it and register it with `pz.register` before loading."
            )
        return thing

    def _module(self, cls: type, fields: dict[str, Any], path: str) -> Any:
        declared = [field.name for field in dataclasses.fields(cls)]
        if set(declared) != set(fields):
            missing = ", ".join(sorted(set(declared) - set(fields))) or "none"
            extra = ", ".join(sorted(set(fields) - set(declared))) or "none"
            raise ValueError(
                f"{path}: {qualified(cls)} has other fields than it had when the model was saved (missing from the saved "
                f"model: {missing}; unknown to the class: {extra}). Load it with the version that saved it."
            )
        module = object.__new__(cls)
        for name in declared:
            object.__setattr__(module, name, self.build(fields[name], f"{path}.{name}"))
        for base in cls.__mro__:  # as equinox does after `__init__`: each class checks its own invariants
            if "__check_init__" in base.__dict__:
                base.__dict__["__check_init__"](module)
        return module

    def _array(self, path: str, dtype: str, shape: tuple, weak: bool, numpy: bool) -> Array | np.ndarray:
        if path in self._arrays:
            value = np.asarray(self._arrays[path])
        elif 0 in shape:
            value = np.zeros(shape, _parse_dtype(dtype, path))
        else:
            raise ValueError(f"{path}: expected an array of {dtype} with shape {shape}, found none.")
        self.used.add(path)
        if (value.dtype.name, value.shape) != (dtype, shape):
            raise ValueError(
                f"{path}: expected an array of {dtype} with shape {shape}, found {value.dtype.name} with shape {value.shape}."
            )
        # Copies, so that neither the caller nor the reader of a file holds the memory of a model.
        return np.array(value) if numpy else _as_jax(value, weak, path)


def _parse_dtype(name: str, path: str) -> np.dtype:
    try:
        dtype = np.dtype(name)
    except TypeError:
        dtype = np.dtype(object)
    if not _numeric(dtype):
        raise ValueError(f"{path}: {name!r} is not the dtype of numbers.")
    return dtype


def _as_jax(value: np.ndarray, weak: bool, path: str) -> Array:
    canonical = jax.dtypes.canonicalize_dtype(value.dtype)
    if canonical != value.dtype:
        raise ValueError(
            f"{path} is of {value.dtype.name}, which this process would round to {canonical.name}: enable 64-bit numbers "
            'first, `jax.config.update("jax_enable_x64", True)`.'
        )
    if weak:
        # A weak type comes from a Python number: the type of results and the compiled program depend on it. Numbers that
        # are set in a weak array leave it weak.
        zero = jnp.asarray(np.zeros((), value.dtype).item())
        if zero.dtype == value.dtype:
            return jnp.asarray(value.item()) if value.ndim == 0 else jnp.broadcast_to(zero, value.shape).at[...].set(value)
    return jnp.array(value)
