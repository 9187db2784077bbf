"""What every public entry point asks of its data before anything is compiled."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ._types import Array, ArrayLike


def as_samples(x: ArrayLike, shape: tuple[int, ...] | None = None, name: str = "x") -> Array:
    """`x` as a float array `(n, *shape)` of at least one sample.

    **Raises:** `ValueError` naming the argument, what it is and what it should be.
    """
    if not isinstance(x, jax.Array):
        x = np.asarray(x)
        if x.dtype.kind not in "fiub":
            raise ValueError(f"`{name}` must hold numbers, got an array of {x.dtype}.")
    if x.ndim < 2 or (shape is not None and x.shape[1:] != shape):
        wanted = f"(n, {', '.join(map(str, shape))})" if shape is not None else "(n, features…)"
        hint = f"; for a single sample, pass {name}[None]" if shape is not None and x.shape == shape else ""
        raise ValueError(f"`{name}` must have shape {wanted}, got {x.shape}{hint}.")
    if x.shape[0] == 0:
        raise ValueError(f"`{name}` is empty: it has shape {x.shape}.")
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.result_type(float))


def refuse_nonfinite(x: Array, name: str = "x", gaps: bool = False) -> None:
    """Raise `ValueError` with the place of the first NaN or infinity in `x`; with `gaps`, NaN is a feature left out."""
    values = np.asarray(x, np.float32 if x.dtype.itemsize < 4 else None)
    finite = np.isfinite(values) | (np.isnan(values) if gaps else False)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(
            f"`{name}` has {int((~finite).sum())} values that are NaN or infinite, the first one at index {where}; "
            f"impute or remove them."
        )


def refuse_empty_samples(x: Array, name: str = "x") -> None:
    """Raise `ValueError` if some sample has no feature but NaN: it is equally far from everything."""
    if isinstance(x, Tracer):  # what is being traced has no values yet
        return
    empty = np.isnan(np.asarray(x)).reshape(len(x), -1).all(axis=1)
    if empty.any():
        raise ValueError(f"`{name}` has {int(empty.sum())} samples without any feature, the first at {int(empty.argmax())}.")


def as_labels(y: ArrayLike, n: int, name: str = "y") -> np.ndarray:
    """`y` as n integers 0…c-1, every class present.

    **Raises:** `ValueError` naming what is wrong, and how labels of another kind are encoded.
    """
    y = np.asarray(y)
    encode = f"encode it first: `classes, {name} = np.unique({name}, return_inverse=True)`"
    if y.shape != (n,):
        raise ValueError(f"`{name}` must have one label for each of the {n} samples, shape ({n},), got {y.shape}.")
    if y.dtype.kind not in "iu":
        raise ValueError(f"`{name}` must hold integers 0…c-1, got {y.dtype}; {encode}.")
    if y.min() < 0:
        raise ValueError(f"`{name}` must hold integers 0…c-1, got {y.min()}; {encode}.")
    if y.max() > max(10 * n, 1000):
        raise ValueError(f"`{name}` must hold integers 0…c-1 without gaps, got {y.max()} among {n} labels; {encode}.")
    return y.astype(np.int32)


def as_weights(weight: ArrayLike | None, n: int, name: str = "sample_weight") -> np.ndarray:
    """`weight` as n float64 numbers, none negative and not all zero; ones for `None`.

    **Raises:** `ValueError` naming what is wrong.
    """
    if weight is None:
        return np.ones(n)
    weight = np.asarray(weight, float)
    if weight.shape != (n,):
        raise ValueError(f"`{name}` must have shape ({n},), got {weight.shape}.")
    if not np.isfinite(weight).all() or weight.min() < 0:
        raise ValueError(f"`{name}` must be finite and not negative, got {weight.min():g} as its smallest.")
    if weight.max() == 0:
        raise ValueError(f"`{name}`: the weights of all samples are zero.")
    return weight


def refuse_unknown_classes(y: np.ndarray, classes: int, name: str = "y") -> None:
    """Raise `ValueError` if a class is none of the model's."""
    if y.max() >= classes:
        raise ValueError(f"`{name}` has class {y.max()}, but the model knows classes 0…{classes - 1} only.")


def refuse_single_class(y: np.ndarray, name: str = "y") -> None:
    """Raise `ValueError` if all samples are of one class."""
    if y.min() == y.max():
        raise ValueError(
            f"`{name}` has the single class {y[0]}; a classifier needs two. For one class, cluster it: `pz.zoo.HCM`."
        )


def refuse_missing_classes(y: np.ndarray, name: str = "y") -> None:
    """Raise `ValueError` if a class below the largest has no sample, or if there is only one."""
    refuse_single_class(y, name)
    counts = np.bincount(y)
    if not counts.all():
        raise ValueError(
            f"`{name}` has no sample of class {int(np.flatnonzero(counts == 0)[0])}: classes must be 0…{len(counts) - 1} "
            f"without gaps; `classes, {name} = np.unique({name}, return_inverse=True)` closes them."
        )


def positive_integer(value: object, name: str) -> None:
    """Refuse anything but an integer of at least one."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer, got {value!r}.")
