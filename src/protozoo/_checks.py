"""The door for everything that comes from outside: what every public entry point asks before
anything is compiled.

Data of any origin become arrays here, in one way; whatever cannot is refused by an error that names
the argument, what it is, and the remedy.
"""

import functools
import inspect
import math
import numbers
import re
import types
import typing
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer, eval_context
from jaxtyping import AbstractArray

from ._keys import seeded
from ._statistics import blocks, counting, present
from ._types import Array, ArrayLike, PRNGKeyArray


def column_names(x: Any, name: str = "x") -> tuple[str, ...] | None:
    """The names of a data frame's columns; `None` for what has none, or numbers for names.

    Those that polars gives to columns without names are numbers, too.

    **Raises:** `ValueError` for a name that several columns have.
    """
    columns = getattr(x, "columns", None)
    if columns is None or callable(columns) or isinstance(columns, str):
        return None
    names = tuple(columns)
    numbered = names == tuple(f"column_{k}" for k in range(len(names)))
    if numbered or not all(isinstance(c, str) for c in names):
        return None
    if len(set(names)) < len(names):
        twice = next(c for c in names if names.count(c) > 1)
        raise ValueError(
            f"`{name}` has several columns of one name, {twice!r}: rename them, or leave some out."
        )
    return names


def refuse_other_columns(x: Any, names: Sequence[str], name: str = "x") -> None:
    """Raise `ValueError` if x is a data frame whose columns are others than `names`, or in another
    order."""
    found = column_names(x, name)
    if found is None or found == tuple(names):
        return
    missing, more = ([c for c in a if c not in b] for a, b in ((names, found), (found, names)))
    differ = [
        f"{what} {', '.join(map(repr, some[:5]))}{' …' if len(some) > 5 else ''}"
        for what, some in (("it lacks", missing), ("it has beside them", more))
        if some
    ]
    if not differ:
        k = next(
            (k for k, pair in enumerate(zip(found, names, strict=False)) if len({*pair}) > 1), 0
        )
        differ = [f"column {k} is {found[k]!r} in place of {names[k]!r}"]
    raise ValueError(
        f"`{name}` has other columns than the data that the model was trained with, or another "
        f"order: {'; '.join(differ)}. Take these columns in their order, "
        f"`{_in_code(name)}[list(model.card.features)]`."
    )


def _in_code(name: str) -> str:
    """What an argument is called in a line of code that mends it: `y` of "validation y"."""
    return name.split()[-1]


def as_names(
    given: Any, name: str, counts: Collection[int] | None = None, of: str = "classes"
) -> list[Any]:
    """What things are called, in the order of their numbers, in plain Python: a list, a series, or
    a mapping from the numbers 0, 1, 2 … themselves.

    **Raises:** `TypeError` for what has no order, or is no list; `ValueError` for other names than
    words and numbers, and another number of them than one of `counts`, which says how many there
    are `of` what is named.
    """
    if isinstance(given, Mapping) and set(given) == set(range(len(given))):
        given = [given[k] for k in range(len(given))]
    listed = isinstance(given, Sequence) and not isinstance(given, str | bytes | bytearray)
    if not (listed or (hasattr(given, "__array__") and len(getattr(given, "shape", ())) == 1)):
        raise TypeError(
            f"`{name}` must be a list of names in their order, got {_brief(given)} of type "
            f"{type(given).__name__}."
        )
    if isinstance(given, jax.Array):
        given = np.asarray(given)
    names = [one.item() if isinstance(one, np.generic) else one for one in given]
    for k, one in enumerate(names):
        if not isinstance(one, str | int | float) or one in (np.inf, -np.inf) or one != one:
            raise ValueError(
                f"`{name}` must hold words or numbers, got {_brief(one)} of type "
                f"{type(one).__name__} at place {k}: write its name, `str(…)`."
            )
    if counts is not None and len(names) not in counts:
        wanted = " or ".join(map(str, sorted(counts)))
        raise ValueError(f"`{name}` must be those of the {wanted} {of}, got {len(names)} of them.")
    return names


def as_numbers(given: Any, name: str = "x") -> np.ndarray | Array:
    """Numbers of any origin (arrays, data frames, series, nested lists) as an array of them; JAX
    arrays stay what they are.

    **Raises:** `TypeError` or `ValueError` naming the argument, what it is and the remedy.
    """
    if isinstance(given, jax.Array):
        if jnp.issubdtype(given.dtype, jax.dtypes.prng_key):
            raise TypeError(f"`{name}` must hold numbers, got a random key.")
        kind = "f" if jnp.issubdtype(given.dtype, jnp.floating) else given.dtype.kind
        array = given
    else:
        array = _as_numpy(given, name)
        kind = (
            "f"
            if array.dtype.kind == "V" and jnp.issubdtype(array.dtype, jnp.floating)
            else array.dtype.kind
        )
    if kind not in "fiub":
        raise ValueError(
            f"`{name}` must hold numbers, got {_described(given, array)}.{_REMEDIES.get(kind, '')}"
        )
    return array


_REMEDIES = {
    "U": " Encode categories as numbers first, or leave their columns out.",
    "S": " Encode categories as numbers first, or leave their columns out.",
    "O": " Convert its columns to one numeric type, `x.astype(float)`, "
    "or leave those out that are none.",
    "c": " Take real and imaginary parts as features of their own.",
    "M": " Subtract a reference time and divide by a unit.",
    "m": " Divide by a unit of time.",
}


def unmasked(given: Any, name: str) -> Any:
    """`given`, dense and without a mask: what NumPy would make of it has its values.

    **Raises:** `ValueError` if something is masked, `TypeError` if it is sparse.
    """
    rows = given if isinstance(given, list | tuple) else (given,)
    if any(isinstance(row, np.ma.MaskedArray) and np.ma.getmaskarray(row).any() for row in rows):
        raise ValueError(
            f"`{name}` is a masked array: leave masked samples out, or fill them first, "
            f"`{_in_code(name)}.filled(value)`; with NaN for the metric `Missing`."
        )
    if np.ma.isMaskedArray(given):
        return np.ma.getdata(given)
    if not hasattr(given, "__array__") and callable(getattr(given, "toarray", None)):
        raise TypeError(
            f"`{name}` is sparse ({type(given).__name__}): make it dense first, "
            f"`{_in_code(name)}.toarray()`."
        )
    return given


def _as_numpy(given: Any, name: str) -> np.ndarray:
    given = unmasked(given, name)
    if isinstance(given, str | bytes | dict | set | frozenset) or given is None or callable(given):
        raise TypeError(
            f"`{name}` must hold numbers, got {_brief(given)} of type {type(given).__name__}."
        )
    try:
        array = np.asarray(given)
    except Exception as error:  # ragged lists, and whatever converts itself and fails
        raise ValueError(
            f"`{name}` is no array: rows must have the same length, and hold numbers alone "
            f"({error})."
        ) from error
    if (
        array.dtype.kind == "O"
        and array.size
        and all(isinstance(v, numbers.Real) for v in array.flat)
    ):
        whole = all(
            isinstance(v, numbers.Integral) and -(2**63) <= int(v) < 2**63 for v in array.flat
        )
        try:
            array = array.astype(np.int64 if whole else float)
        except OverflowError as error:
            raise ValueError(
                f"`{name}` has a number beyond the range of floats ({error}): rescale it."
            ) from error
    if array.dtype.kind in "fiu" and not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    # Wider floats than JAX has.
    return (
        array.astype(np.float64) if array.dtype.kind == "f" and array.dtype.itemsize > 8 else array
    )


def _described(given: Any, array: Any) -> str:
    origin = (
        "an array" if isinstance(given, np.ndarray | jax.Array) else f"a {type(given).__name__}"
    )
    return (
        f"{origin} of {array.dtype}"
        if array.ndim
        else f"{_brief(given)} of type {type(given).__name__}"
    )


def _brief(thing: Any) -> str:
    try:
        text = " ".join(repr(thing).split())
    except ValueError:  # Python does not print integers of thousands of digits
        text = f"a {type(thing).__name__}"
    return text if len(text) <= 60 else f"{text[:59]}…"


def as_floats(given: Any, name: str = "x") -> Array:
    """The same as a JAX array of floats, of 32 bits at least: 16 bits are a choice of how to
    compute, not of data."""
    array, dtype = _to_be_floats(given, name)
    return (
        jax.device_put(_copied(array, dtype))
        if isinstance(array, np.ndarray)
        else array.astype(dtype)
    )


def _to_be_floats(given: Any, name: str) -> tuple[np.ndarray | Array, Any]:
    """Numbers, and the floats that they are computed with."""
    array = as_numbers(given, name)
    if isinstance(array, np.ndarray):
        _warn_of_merged(array, name)
    dtype = (
        jnp.result_type(float)
        if not _floating(array)
        else array.dtype
        if array.dtype.itemsize > 2
        else jnp.float32
    )
    return array, jax.dtypes.canonicalize_dtype(dtype)


def on_device(value: Any, dtype: Any = None) -> Array:
    """Numbers that are known as a JAX array, converted by NumPy: to convert them, JAX would compile
    a program for every type and shape."""
    if isinstance(value, Tracer):
        return jnp.asarray(value, dtype)
    known = np.asarray(value)
    dtype = jax.dtypes.canonicalize_dtype(dtype or known.dtype)
    return jax.device_put(_copied(known, dtype))


def here(array: ArrayLike) -> Array:
    """The same, for what is on the device already, too, which stays what it is."""
    return array if isinstance(array, jax.Array) else on_device(array)


def _copied(array: np.ndarray, dtype: Any) -> np.ndarray:
    """A copy that JAX takes over as it is, because it begins at a multiple of 64 bytes.

    Without it, JAX takes over the given array itself, whenever that happens to begin there (and is
    slow to copy it where not): a model would change with what its user writes into the array later.
    """
    copy = aligned(array.shape, dtype)
    copy[...] = array
    return copy


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array to be filled, which JAX takes over as it is."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def as_finite(given: Any, annotation: Any, name: str) -> Any:
    """Numbers that are set rather than learned: finite, in as many axes as the annotation of an
    array says."""
    if isinstance(given, bool | np.bool_) and fits_one_number(annotation):
        raise TypeError(f"`{name}` must be one number, got {given}.")
    array = fitting(as_floats(given, name), annotation, name)
    known = known_value(array)
    if known is not None and not np.isfinite(known).all():
        worst = known[~np.isfinite(known)].flat[0]
        raise ValueError(f"`{name}` must be finite, got {worst:g}.")
    return array


def takes_floats(annotation: Any) -> bool:
    """Whether the annotation of an array says that it holds floats."""
    kinds = [
        kind
        for kind in _kinds(annotation)
        if isinstance(kind, type) and issubclass(kind, AbstractArray)
    ]
    return any("float32" in kind.dtypes for kind in kinds)


def fitting(array: Array, annotation: Any, name: str) -> Array:
    """`array`, if it has as many axes as the annotation of an array says.

    **Raises:** `ValueError` naming the argument, its shape and the one that fits.
    """
    shapes = [
        kind.dim_str
        for kind in _kinds(annotation)
        if isinstance(kind, type) and issubclass(kind, AbstractArray)
    ]
    if not shapes or any(_fits(array.shape, shape.split()) for shape in shapes):
        return array
    wanted = " or ".join(f"({', '.join(shape.split())})" for shape in shapes if shape)
    if fits_one_number(annotation):
        raise ValueError(f"`{name}` must be one number, got an array of shape {array.shape}.")
    raise ValueError(f"`{name}` must have shape {wanted}, got {array.shape}.")


def _fits(shape: tuple[int, ...], letters: list[str]) -> bool:
    more = [i for i, letter in enumerate(letters) if letter.startswith("*") or letter == "..."]
    if more:
        behind = len(letters) - more[0] - 1
        return len(shape) >= more[0] + behind and all(shape)
    sizes = zip(shape, letters, strict=False)
    return len(shape) == len(letters) and all(
        not letter.isdigit() or size == int(letter) for size, letter in sizes
    )


def fits_one_number(annotation: Any) -> bool:
    """Whether the annotation of an array is that of a number."""
    return (
        isinstance(annotation, type)
        and issubclass(annotation, AbstractArray)
        and annotation.dim_str == ""
    )


def known_value(value: Any) -> np.ndarray | None:
    """The value of an array that is known now; `None` inside a compiled program, or for a bare
    shape."""
    if isinstance(value, Tracer | jax.ShapeDtypeStruct):
        return None
    return np.asarray(value)


def values_of(given: Any, name: str, dtype: Any = None) -> np.ndarray:
    """An array of the host, whose values must be known.

    **Raises:** `ValueError` inside a program that JAX traces.
    """
    refuse_traced(given, name)
    return np.asarray(given, dtype)


def refuse_traced(given: Any, name: str) -> None:
    """Raise `ValueError` for what has no values yet, or holds such arrays."""
    # The keys of a mapping need have no order, and what is drawn from has no leaves.
    parts = list(given.values()) if isinstance(given, Mapping) else given
    trees = Tracer, eqx.Module, list, tuple
    if isinstance(parts, trees) and any(isinstance(one, Tracer) for one in jax.tree.leaves(parts)):
        raise ValueError(
            f"`{name}` has no values yet in a program that JAX traces (`jax.jit`, `jax.vmap`, "
            "`jax.grad` …), and here they must be known: ask outside of it."
        )


def _floating(array: Any) -> bool:
    return jnp.issubdtype(array.dtype, jnp.floating)


def _warn_of_merged(x: np.ndarray, name: str) -> None:
    """Warn if distinct values of a feature become equal in the precision that is computed in: times
    in seconds, numbers of customers."""
    target = jnp.result_type(float) if not _floating(x) else jax.dtypes.canonicalize_dtype(x.dtype)
    if (
        x.dtype.itemsize <= 4
        and _floating(x)
        or np.dtype(target).itemsize > 4
        or x.size == 0
        or x.dtype.itemsize < 4
    ):
        return
    columns = x.reshape(len(x), -1) if x.ndim else x.reshape(1, 1)
    low, high = columns.min(axis=0).astype(float), columns.max(axis=0).astype(float)
    if (largest := max(-low.min(), high.max())) > np.finfo(target).max and np.isfinite(largest):
        raise ValueError(
            f"`{name}` has values beyond the range of {np.dtype(target)}, up to {largest:.3g}: "
            f"rescale it."
        )
    # Few steps of float32 within the range of a feature; others lose nothing that matters, and are
    # not looked through.
    with np.errstate(invalid="ignore", over="ignore"):
        coarse = (
            np.spacing(np.maximum(np.abs(low), np.abs(high)).astype(np.float32))
            > (high - low) * 2.0**-12
        )
    merged = []
    for k in np.flatnonzero(coarse & (high > low)):
        values = np.unique(columns[:, k])
        left = len(np.unique(values.astype(np.float32)))
        if left < len(values):
            merged.append(f"{k} ({len(values)} values become {left})")
    if merged:
        warnings.warn(
            f"distinct values of `{name}` become equal in {np.dtype(target)}, in feature "
            f"{', '.join(merged[:5])}{' …' if len(merged) > 5 else ''}: subtract an offset first "
            f"(`{_in_code(name)} - {_in_code(name)}.mean(axis=0)`), or compute in 64 bits "
            "(`jax.config.update('jax_enable_x64', True)`).",
            UserWarning,
            stacklevel=2,
        )


def as_samples(x: Any, shape: tuple[int, ...] | None = None, name: str = "x") -> Array:
    """`x` as a float array `(n, *shape)` of at least one sample.

    **Raises:** `ValueError` or `TypeError` naming the argument, what it is and what it should be.
    """
    return as_floats(sample_numbers(x, shape, name), name)


def samples_of_host(x: Any, shape: tuple[int, ...] | None = None, name: str = "x") -> np.ndarray:
    """The same as an array of the host, which may be the given one: for what only reads it, and
    keeps nothing of it."""
    array, dtype = _to_be_floats(sample_numbers(x, shape, name), name)
    return values_of(array, name).astype(dtype, copy=False)


def sample_numbers(
    x: Any, shape: tuple[int, ...] | None = None, name: str = "x"
) -> np.ndarray | Array:
    """The same in the numbers that they are: nothing is copied."""
    x = as_numbers(x, name)
    if x.ndim < 2 or (shape is not None and x.shape[1:] != shape):
        wanted = f"(n, {', '.join(map(str, shape))})" if shape is not None else "(n, features…)"
        hint = (
            f"; for a single sample, pass {_in_code(name)}[None]"
            if shape is not None and x.shape == shape
            else ""
        )
        raise ValueError(f"`{name}` must have shape {wanted}, got {x.shape}{hint}.")
    if x.size == 0:
        raise ValueError(f"`{name}` is empty: it has shape {x.shape}.")
    return x


def refuse_nonfinite(x: ArrayLike, name: str = "x", gaps: bool = False) -> None:
    """Raise `ValueError` with the place of the first NaN or infinity in `x`; with `gaps`, NaN is a
    feature left out."""
    values = values_of(x, name)
    first, count = None, 0
    # A few rows at a time: what is asked of all numbers takes memory for as many.
    for rows in blocks(values) if values.size else ():
        some = values[rows].astype(np.promote_types(np.float32, values.dtype), copy=False)
        wrong = np.isinf(some) if gaps else ~np.isfinite(some)
        if wrong.any():
            count += int(wrong.sum())
            first = first or tuple(
                int(i) for i in np.argwhere(wrong)[0] + [rows.start, *[0] * (wrong.ndim - 1)]
            )
    if first is not None:
        raise ValueError(
            f"`{name}` has {count} values that are NaN or infinite, the first one at index "
            f"{first}; impute or remove them."
        )


def is_dissimilarity_matrix(x: ArrayLike) -> bool:
    """Whether x could be what samples differ from each other: square, symmetric, not negative, with
    zeros on its diagonal."""
    values = np.asarray(x)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or len(values) < 2:
        return False
    return bool(
        not values.diagonal().any()
        and values.min() >= 0
        and values.any()
        and np.array_equal(values, values.T)
    )


def refuse_no_dissimilarities(x: ArrayLike, name: str = "x", own: bool = False) -> None:
    """Raise `ValueError` if rows do not hold dissimilarities: of new samples, or with `own` of the
    samples themselves."""
    values = values_of(x, name)
    what = f"`{name}` must hold dissimilarities"
    if values.min() < 0:
        raise ValueError(
            f"{what}, which are not negative, got {values.min():g}. Of similarities s, take s_ii + "
            f"s_jj - 2 s_ij."
        )
    if own and (least := values.min(axis=1)).any():
        raise ValueError(
            f"{what} of samples, each with a zero for itself; row {int((least > 0).argmax())} has "
            "none. A matrix of dissimilarities is square, with zeros on its diagonal; of "
            "similarities s, take s_ii + s_jj - 2 s_ij."
        )


def refuse_empty_samples(x: ArrayLike, name: str = "x") -> None:
    """Raise `ValueError` if some sample has no feature but NaN: it is equally far from
    everything."""
    values = values_of(x, name)
    # A few rows at a time, as above.
    empty = [np.isnan(values[r]).reshape(len(values[r]), -1).all(axis=1) for r in blocks(values)]
    lacking = np.concatenate(empty)
    if lacking.any():
        raise ValueError(
            f"`{name}` has {int(lacking.sum())} samples without any feature, the first at "
            f"{int(lacking.argmax())}."
        )


def as_words(y: Any, name: str = "y") -> np.ndarray | None:
    """Labels that are words or truth values; `None` for all others.

    **Raises:** `ValueError` for words among which some are missing.
    """
    if y is None or np.ma.isMaskedArray(y) or (isinstance(y, jax.Array) and y.dtype != bool):
        return None
    try:
        labels = np.asarray(y)
    except Exception:  # `as_labels` says what is wrong with it
        return None
    if labels.ndim != 1 or not labels.size:
        return None
    if labels.dtype.kind == "O" and any(isinstance(one, str) for one in labels):
        for i, one in enumerate(labels):
            if not isinstance(one, str):
                raise ValueError(
                    f"`{name}` holds words, and {one!r} for sample {i}: leave samples without a "
                    "class out, and call each class by a word."
                )
        return labels.astype(str)
    return labels if labels.dtype.kind in "UTb" else None


def places_of(words: np.ndarray, names: Sequence[Any], name: str = "y") -> np.ndarray:
    """The numbers of classes that are called by their names; of two classes, truth values are
    numbers, too.

    **Raises:** `ValueError` for a name that is none of them.
    """
    if words.dtype == bool and len(names) == 2:
        return words.astype(int)
    place = {str(one): k for k, one in enumerate(names)}
    found, which = np.unique(words, return_inverse=True)
    for one in map(str, found):
        if one not in place:
            raise ValueError(f"`{name}` has class {one!r}, and classes are {', '.join(place)}.")
    return np.array([place[str(one)] for one in found], int)[which]


def as_labels(
    y: Any, n: int, name: str = "y", names: Sequence[Any] | None = None, classes: int = 0
) -> np.ndarray:
    """`y` as n integers 0…c-1; where classes have names, they may be called by them. Where so many
    are known, few samples may be of any of them.

    **Raises:** `ValueError` naming what is wrong, and how labels of another kind are encoded.
    """
    if names is not None and (words := as_words(y, name)) is not None:
        y = places_of(words, names, name)
    if not isinstance(y, jax.Array) or jnp.issubdtype(y.dtype, jax.dtypes.prng_key):
        try:
            y = as_numbers(y, name) if isinstance(y, jax.Array) else _as_numpy(y, name)
        except TypeError as error:
            raise ValueError(
                f"`{name}` must have one label for each of the {n} samples: {error}"
            ) from None
    y = values_of(y, name)
    code = _in_code(name)
    encode = f"encode it first: `classes, {code} = np.unique({code}, return_inverse=True)`"
    if y.shape != (n,):
        raise ValueError(
            f"`{name}` must have one label for each of the {n} samples, shape ({n},), got "
            f"{y.shape}."
        )
    if y.dtype.kind not in "iu":
        raise ValueError(f"`{name}` must hold integers 0…c-1, got {y.dtype}; {encode}.")
    if y.min() < 0:
        raise ValueError(f"`{name}` must hold integers 0…c-1, got {y.min()}; {encode}.")
    if y.max() > max(10 * n, 1000, classes):
        raise ValueError(
            f"`{name}` must hold integers 0…c-1 without gaps, got {y.max()} among {n} labels; "
            f"{encode}."
        )
    return y.astype(np.int32)


def refuse_unknown_classes(y: np.ndarray, classes: int, name: str = "y") -> None:
    """Raise `ValueError` if a class is none of the model's."""
    if y.max() >= classes:
        raise ValueError(
            f"`{name}` has class {y.max()}, but the model knows classes 0…{classes - 1} only."
        )


def refuse_single_class(y: np.ndarray, name: str = "y") -> None:
    """Raise `ValueError` if all samples are of one class."""
    if (y == y[0]).all():
        raise ValueError(
            f"`{name}` has the single class {y[0]}; a classifier needs two. For one class, cluster "
            "it: `pz.zoo.HCM`, or describe it: `pz.zoo.SVDD`."
        )


def refuse_missing_classes(y: np.ndarray, name: str = "y") -> None:
    """Raise `ValueError` if a class below the largest has no sample, or if there is only one."""
    refuse_single_class(y, name)
    counts, code = np.bincount(y), _in_code(name)
    if not counts.all():
        raise ValueError(
            f"`{name}` has no sample of class {int(np.flatnonzero(counts == 0)[0])}: classes must "
            f"be 0…{len(counts) - 1} without gaps; `classes, {code} = np.unique({code}, "
            f"return_inverse=True)` closes them, and `{code}.astype(str)` makes them names."
        )


def refuse_no_targets(y: np.ndarray, name: str = "y") -> None:
    """Raise `ValueError` unless labels are 0 for targets, of which there are some, and 1 for all
    others."""
    if y.max() > 1 or y.min() > 0:
        what = f"class {y.max()}" if y.max() > 1 else "no sample of class 0"
        raise ValueError(
            f"`{name}` must be 0 for targets and 1 for all others, and has {what}: of several "
            f"classes, choose the target, `({_in_code(name)} != target).astype(int)`."
        )


def as_weights(given: Any, n: int, name: str = "sample_weight") -> np.ndarray:
    """Weights as n float64 numbers, finite, none negative and not all zero; ones for `None`.

    **Raises:** `ValueError` or `TypeError` naming what is wrong.
    """
    if given is None:
        return np.broadcast_to(1.0, n)  # which takes no memory
    weight = values_of(as_numbers(given, name), name, np.float64)
    if weight.shape != (n,):
        raise ValueError(f"`{name}` must have shape ({n},), got {weight.shape}.")
    if not np.isfinite(weight).all() or weight.min() < 0:
        raise ValueError(
            f"`{name}` must be finite and not negative, got {weight.min():g} as its smallest."
        )
    if not weight.any():
        raise ValueError(f"`{name}`: the weights of all samples are zero: nothing can be learned.")
    return weight


def counted(
    x: Any, y: Any, weight: Any, names: Sequence[Any] | None = None
) -> tuple[Any, np.ndarray | None, np.ndarray | None]:
    """Samples, their labels and their weights without those whose weight is zero: they are not
    there."""
    x = sample_numbers(x)
    y = None if y is None else as_labels(y, len(x), names=names)
    if weight is None:
        return x, y, None
    weight, x, y = counting(as_weights(weight, len(x)), x, y)
    return x, y, weight


def present_samples(
    x: np.ndarray, sample_weight: Any, y: np.ndarray | None = None, gaps: bool = False
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray | None]:
    """What is left of samples without those of weight zero, and finite; the weights are `None` if
    they say nothing. With `gaps`, NaN is a feature left out."""
    weight, x, y = present(as_weights(sample_weight, len(x)), x, y)
    refuse_nonfinite(x, gaps=gaps)
    return weight, x, y


def as_key(key: Any, name: str = "key") -> PRNGKeyArray:
    """A random key, or the one of an integer seed.

    **Raises:** `TypeError` for anything else.
    """
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        if not -(2**63) <= key < 2**63:
            raise ValueError(f"`{name}` must be a seed of at most 64 bits, got {_brief(key)}.")
        return seeded(int(key))
    shape = np.shape(key) if isinstance(key, jax.Array | np.ndarray) else None
    typed = isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if isinstance(key, jax.Array) and typed and shape == ():
        return key
    if (
        isinstance(key, jax.Array | np.ndarray)
        and not typed
        and key.ndim == 1
        and key.dtype == np.uint32
    ):
        return jnp.asarray(key)
    what = f"keys of shape {shape}" if typed else f"{_brief(key)} of type {type(key).__name__}"
    raise TypeError(
        f"`{name}` must be a random key, `jax.random.key(0)`, or an integer, got {what}."
    )


def is_array_like(x: Any) -> bool:
    """Whether x is meant to be numbers, all at once: an array, a data frame, a nested list,
    something sparse."""
    return isinstance(x, list | tuple | str | bytes | dict | set) or any(
        hasattr(x, name)
        for name in ("__array__", "__array_interface__", "__dataframe__", "toarray")
    )


def as_stored(x: Any, name: str) -> Any:
    """`x` as it is, if it has a shape: what is on a disk is not read. A list becomes an array.

    **Raises:** as `unmasked`.
    """
    x = unmasked(x, name)
    return x if hasattr(x, "shape") else as_numbers(x, name)


def as_read(x: Any, name: str) -> np.ndarray:
    """A piece of what is stored, numbers or words, as an array of NumPy.

    **Raises:** as `as_numbers`, for what is no array, masked or sparse.
    """
    return np.asarray(x) if isinstance(x, jax.Array) else _as_numpy(x, name)


def as_parts(given: Any, name: str) -> tuple[Any, Any, Any]:
    """Samples, classes and weights: `(x, y)`, `(x, y, weight)` as a tuple or a list, or x alone.

    **Raises:** `ValueError` for another number of them.
    """
    several = isinstance(given, tuple) or (isinstance(given, list) and given and _many(given[0]))
    if not several:
        return given, None, None
    if len(given) not in (1, 2, 3):
        raise ValueError(
            f"{name} must be `(x, y)`, `(x, y, weight)`, or x alone, got {len(given)} things."
        )
    x, y, weight = (*given, None, None)[:3]
    return x, y, weight


def _many(first: Any) -> bool:
    """Whether the first thing of a list is samples, rather than a sample."""
    return (
        getattr(first, "ndim", None) is not None
        and first.ndim > 1
        or (
            isinstance(first, list | tuple)
            and bool(first)
            and isinstance(first[0], list | tuple | np.ndarray | jax.Array)
        )
    )


def refuse_zero(matrices: Array, name: str) -> None:
    """Raise `ValueError` for matrices, known by now, of which one has no scale, or none that is
    finite."""
    known = known_value(matrices)
    if (
        known is not None
        and not (scale := np.abs(known).max(axis=(-2, -1))).all() | (~np.isfinite(scale)).any()
    ):
        raise ValueError(f"`{name}` is zero: its trace cannot be held at one.")


def positive_integer(value: object, name: str) -> None:
    """Refuse anything but an integer of at least one, that counts something which a computer
    has."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value < 2**31:
        large = isinstance(value, int | np.integer) and value >= 2**31
        bound = " of at most 31 bits" if large else ""
        raise ValueError(f"`{name}` must be a positive integer{bound}, got {_brief(value)}.")


def refuse_negative(value: ArrayLike, name: str) -> None:
    """Raise `ValueError` for numbers below zero, where their value is known."""
    known = known_value(value)
    if known is not None and known.min() < 0:
        raise ValueError(f"`{name}` must not be negative, got {known.min():g}.")


def refuse_out_of_range(dissimilarities: np.ndarray, dtype: Any, name: str = "x") -> None:
    """Raise `ValueError` for dissimilarities, in double precision, that are not zero and that no
    float of the type holds."""
    size, limits = np.abs(dissimilarities[dissimilarities != 0]), np.finfo(dtype)
    if size.size and not (limits.tiny <= size.min() and size.max() <= limits.max):
        raise ValueError(
            f"`{name}` is of an order of magnitude whose dissimilarities, of {size.max():.3g}, are "
            f"beyond the range of {limits.dtype}: rescale it, or compute in 64 bits "
            "(`jax.config.update('jax_enable_x64', True)`)."
        )


def refuse_no_file(path: Path) -> None:
    """Raise `ValueError` for what is there and cannot be written to as a file."""
    if path.is_dir() or path.is_fifo():  # which would wait for a reader
        raise ValueError(f"`path`: {str(path)!r} is there, and no file.")


def truth(value: object, name: str) -> bool:
    """Refuse anything but true or false."""
    return of_kind(value, bool, name)


def of_kind(value: Any, annotation: Any, name: str) -> Any:
    """`value`, if it is of the kind that an annotation says; scalars of NumPy become those of
    Python.

    Kinds are plain types, modules, tuples, mappings, functions, literals and unions of them. Other
    annotations, those of arrays among them, allow everything here.

    **Raises:** `TypeError` naming the argument, what it should be and what it is; `ValueError` for
    a number of another sort and a word that is none of those.
    """
    kinds = _kinds(annotation)
    value = value.item() if isinstance(value, np.generic) else value
    if type(value) in (list, tuple) and any(
        get_origin(kind) in (tuple, Sequence) for kind in kinds
    ):
        value = type(value)(v.item() if isinstance(v, np.generic) else v for v in value)
    if not any(_is_of(value, kind) for kind in kinds):
        number = isinstance(value, numbers.Number) and not {int, float}.isdisjoint(kinds)
        word = isinstance(value, str) and any(get_origin(kind) is Literal for kind in kinds)
        error = ValueError if number or word else TypeError
        raise error(
            f"`{name}` must be {' or '.join(dict.fromkeys(map(_words, kinds)))}, got "
            f"{_brief(value)}.{_inside(value, kinds, name)}"
        )
    return value


def _inside(value: Any, kinds: Sequence[Any], name: str) -> str:
    """Where in it, if anywhere, the model lies that was meant: what training returns has one."""
    models = [kind for kind in kinds if _is_own(kind)]
    for attribute in ("model", "model_") if models else ():
        if isinstance(getattr(value, attribute, None), tuple(models)):
            return f" Take the one that it holds, `{name}.{attribute}`."
    return ""


Function = TypeVar("Function", bound=Callable)


def renamed(**now: str) -> Callable[[Function], Function]:
    """Decorate a function whose arguments had other names: `renamed(old="new")`.

    An old name is still taken, with a warning.

    **Raises:** `TypeError` for both names of an argument.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def called(*arguments: Any, **options: Any) -> Any:
            for old in now.keys() & options.keys():
                new = now[old]
                if new in options:
                    raise TypeError(f"`{old}` is the old name of `{new}`: give one of them.")
                warnings.warn(
                    f"`{old}` of `{function.__name__}` is now called `{new}`.",
                    DeprecationWarning,
                    stacklevel=2,
                )
                options[new] = options.pop(old)
            return function(*arguments, **options)

        return typing.cast(Function, called)

    return decorate


def refuse_call(function: Callable, name: str, how: str, *args: Any, **kwargs: Any) -> None:
    """Raise `TypeError` for what is no function, or one that cannot be called with these arguments,
    which `how` says in words; nothing is called."""
    if not callable(function):
        raise TypeError(f"`{name}` must be a function of {how}, got {_brief(function)}.")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of some that are built in, nobody knows
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(
            f"`{name}` must be a function of {how}, got {_brief(function)} of {signature}: {error}."
        ) from None


def refuse_other_shape(function: Callable, name: str, *shape: int) -> None:
    """Raise `ValueError` for a function that does not make of an array another one of its
    shape."""
    given = jax.ShapeDtypeStruct(shape, jnp.result_type(float))
    said = f"`{name}` must be a function that makes of an array one of its shape, and"
    try:
        found = jax.eval_shape(function, given)
    except Exception as error:
        raise ValueError(f"{said} {_brief(function)} takes none: {error}") from error
    if getattr(found, "shape", None) != shape:
        raise ValueError(f"{said} {_brief(function)} makes {found} of {given}.")


@contextmanager
def said_of(what: str) -> Iterator[None]:
    """Inside, errors about data begin with what they are about: a batch of many, a member of
    many."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{what}: {error}") from error


def of_model(function: Function) -> Function:
    """A function whose `model` is of the kind that its annotation says, or refused by name; its
    other arguments have doors of their own."""
    return of_kinds(function, "model")


def of_kinds(function: Function, *only: str) -> Function:
    """A function whose arguments (or `only` some) are of the kinds that their annotations say, or
    refused by name (`of_kind`)."""
    signature = inspect.signature(function)
    several = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    kinds = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if parameter.kind not in several and parameter.annotation is not inspect.Parameter.empty
        if not only or name in only
    }

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        # In their order, so that of several the first is named.
        for name in [name for name in given.arguments if name in kinds]:
            given.arguments[name] = of_kind(given.arguments[name], kinds[name], name)
        return function(*given.args, **given.kwargs)

    return typing.cast(Function, checked)


def of_values(function: Function) -> Function:
    """A function of the host: its arguments have values, or are refused by name.

    In a program that JAX traces, what is computed of them is computed at once.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        for name, value in given.arguments.items():
            options = signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
            if name == "self":  # of a `PrototypeModel` the model, of a `Trainer` the trainer
                name = re.findall("[A-Z][a-z]*", type(value).__name__)[-1].lower()
            for own, one in (value if options else {name: value}).items():
                refuse_traced(one, own)
        with at_once():
            return function(*given.args, **given.kwargs)

    return typing.cast(Function, called)


def at_once() -> AbstractContextManager:
    """Where JAX computes what is known, rather than to write it into the program that it traces."""
    return eval_context() if isinstance(jax.device_put(_known_number()), Tracer) else nullcontext()


@functools.cache
def _known_number() -> Array:
    """Something that is on the device: to ask it where one is costs less than to bring it there."""
    with eval_context():
        return on_device(0.0)


def _kinds(annotation: Any) -> list[Any]:
    """The members of a union, and of what a type variable stands for."""
    if isinstance(annotation, TypeVar):
        bounds = annotation.__constraints__ or (annotation.__bound__ or Any,)
        return [kind for one in bounds for kind in _kinds(one)]
    if get_origin(annotation) in (types.UnionType, typing.Union):
        return [kind for one in get_args(annotation) for kind in _kinds(one)]
    return [annotation]


def allows_none(annotation: Any) -> bool:
    """Whether an annotation that says anything allows `None`."""
    return annotation is Any or types.NoneType in _kinds(annotation)


def _is_of(value: Any, kind: Any) -> bool:
    origin = get_origin(kind) or kind
    if kind is bool:
        return isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is float:
        return is_number(value)
    if kind in (None, types.NoneType):
        return value is None
    if origin is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if origin is tuple:
        members = [one for one in get_args(kind) if one is not Ellipsis]
        return isinstance(value, tuple | list) and all(
            _is_of(v, members[0]) for v in value if members
        )
    if origin is Callable:
        return callable(value) and not isinstance(value, type)
    if origin is Sequence:
        words = isinstance(value, str | bytes) or not isinstance(value, Sequence)
        return not words and all(_is_of(v, one) for v in value for one in get_args(kind)[:1])
    # Annotations of arrays are judged where arrays are made.
    plain = origin in (str, Mapping, Path) or _is_own(origin)
    return isinstance(value, origin) if plain else True


def _is_own(kind: Any) -> bool:
    """Whether it is a class of this library."""
    return isinstance(kind, type) and kind.__module__.startswith("protozoo")


_WORDS = {
    bool: "True or False",
    int: "an integer",
    float: "a number",
    str: "a word",
    Callable: "a function",
}


def _words(kind: Any) -> str:
    origin = get_origin(kind) or kind
    if origin is Literal:
        return " or ".join(map(repr, get_args(kind)))
    if origin is tuple:
        return f"a tuple of {_several(get_args(kind)[0])}"
    if origin is Sequence and get_args(kind):
        return f"a list of {_several(get_args(kind)[0])}"
    named = {
        Mapping: "a mapping",
        Sequence: "a list",
        Path: "a path",
        None: "None",
        types.NoneType: "None",
        **_WORDS,
    }
    return named.get(origin) or f"of kind {getattr(origin, '__name__', origin)}"


def _several(kind: Any) -> str:
    plurals = {int: "integers", float: "numbers", str: "words", Callable: "functions"}
    plural = plurals.get(get_origin(kind) or kind)
    return plural or _words(kind).replace("of kind", "things of kind")


def is_number(value: Any) -> bool:
    """Whether it is one real number, as far as its value is known; NaN is none."""
    if isinstance(value, Tracer | jax.ShapeDtypeStruct):
        return value.shape == ()
    if isinstance(value, jax.Array | np.ndarray):
        return (
            value.shape == ()
            and value.dtype != bool
            and is_number(value.item() if _is_real(value) else None)
        )
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        return False
    return not value != value


def _is_real(array: Any) -> bool:
    return jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)
