"""Things of every kind, and which of them an annotation allows."""

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import AbstractArray


class Thing:
    """Of no kind that anybody asks for."""


#: What users give for options by mistake.
KINDS: dict[str, Any] = {
    "word": "nonsense",
    "digits": "3",
    "empty word": "",
    "bytes": b"3",
    "list": [3],
    "empty list": [],
    "list of words": ["a"],
    "list of lists": [[1.0, 2.0], [3.0]],
    "tuple": (2, 3),
    "dictionary": {"a": 1},
    "set": {1},
    "thing": Thing(),
    "class": Thing,
    "function": lambda *a: 0,
    "complex": 1 + 2j,
    "three": 3,
    "zero": 0,
    "minus one": -1,
    "float": 2.5,
    "whole float": 3.0,
    "negative": -0.5,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "true": True,
    "false": False,
    "NumPy integer": np.int64(1),
    "NumPy float": np.float32(0.5),
    "NumPy NaN": np.float64("nan"),
    "NumPy true": np.bool_(True),
    "NumPy array": np.array([1.0, 2.0]),
    "NumPy NaNs": np.array([np.nan, 1.0]),
    "NumPy text": np.array(["a"]),
    "JAX number": jnp.asarray(0.5),
    "JAX array": jnp.ones(2),
    "key": jax.random.key(0),
    "enormous": 10**30,
    "enormous negative": -(10**400),
    "date": np.datetime64("2020"),
    "None": None,
}


def belongs(value: Any, annotation: Any) -> bool:
    """Whether an option with this annotation may take this value: its kind fits, and numbers are
    finite."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any or annotation is typing.Hashable:
        return True
    if annotation in (None, types.NoneType):
        return value is None
    if annotation is bool:
        return isinstance(value, bool | np.bool_)
    if annotation is int:
        return isinstance(value, int | np.integer) and not isinstance(value, bool)
    if annotation is float or _one_number(annotation):
        return _is_number(value)
    if isinstance(annotation, type) and issubclass(annotation, AbstractArray):
        return (
            not isinstance(value, Thing | type | dict | set | str | bytes | complex | np.datetime64)
            and value is not None
        )
    if origin in (types.UnionType, typing.Union):
        if jax.Array in arguments and float in arguments:  # what jaxtyping calls ArrayLike
            if (
                not isinstance(value, Thing | type | dict | set | str | bytes | complex)
                and value is not None
            ):
                return True
            arguments = [one for one in arguments if one not in (bool, int, float, complex)]
        return any(belongs(value, one) for one in arguments)
    if origin is Literal:
        return isinstance(value, str) and value in arguments
    if (
        annotation in (Callable, typing.Callable)
        or origin in (Callable, typing.Callable)
        or str(origin).endswith("Callable'>")
    ):
        return callable(value) and not isinstance(value, type)
    if origin is tuple or annotation is tuple:
        return isinstance(value, tuple | list)
    if origin in (Sequence, list) or annotation in (Sequence, list):
        return isinstance(value, Sequence) and not isinstance(value, str | bytes)
    if origin is Mapping or annotation is Mapping:
        return isinstance(value, Mapping)
    return isinstance(annotation, type) and isinstance(value, annotation)


def _one_number(annotation: Any) -> bool:
    return (
        isinstance(annotation, type)
        and issubclass(annotation, AbstractArray)
        and annotation.dim_str == ""
    )


def _is_number(value: Any) -> bool:
    if isinstance(value, bool | np.bool_ | complex) or not isinstance(
        value, int | float | np.number | jax.Array | np.ndarray
    ):
        return False
    try:
        return np.shape(value) == () and bool(np.isfinite(float(value)))
    except (TypeError, OverflowError):
        return False
