"""Arrays in fewer bits.

A number is written as q in eight or sixteen bits, \\(x = s\\,(z + q)\\), with a step s and a whole
number z: one of each for an array or, where its rows or columns are of unlike size, one for each of
these. So no unit of the data matters, nothing overflows, points far from the origin keep what tells
them apart, and zero stays zero.

Of all ways to write an array, the shortest is taken in which every feature keeps its digits: no
slice along an axis is off by more than 1/64 of its own range. (Axes of prototypes and classes are
left out: what they number has the same units.) If no way saves a quarter of the bytes, the array
stays what it is: small ones, and those with infinities.

What is rounded is what learns. What is set, buffers and integers stay exact. Numbers that cannot be
rounded one by one (positive ones over many orders of magnitude, points of a space with negative
curvature) are rounded in coordinates, in which they can; the others are projected onto their
constraint when they are read.
"""

import math
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._constraints import AbstractConstraint, Positive
from .._module import declarations, trainable
from .._types import Array, PyTree
from ..manifolds import AbstractManifold, OnManifold


#: How the numbers of a file may be written.
Precision = Literal["float16", "bfloat16", "int8"]

#: The types of q, and what else is tried where the slices of an array are too unlike for one.
_TRIED = {"int8": ("int8", "float16"), "float16": ("float16",), "bfloat16": ("bfloat16",)}

#: How large q may become, and the largest error in shares of a slice's range.
_LARGEST, _TOLERANCE = {"int8": 126.5, "float16": 1.0, "bfloat16": 1.0}, 1 / 64

#: What has to be left of an array's bytes at most, for less would not be worth an error.
_SMALLER = 0.75

#: The type of steps, and of the whole numbers; z has at most 30 bits.
_STEP, _WHOLE = np.dtype("<f8"), np.dtype("<i4")


class Packed(NamedTuple):
    """How an array is written: the type of q, the axis along which steps differ, the shape."""

    kind: str
    axis: int | None
    shape: tuple[int, ...]

    @property
    def groups(self) -> int:
        """How many steps there are."""
        return 1 if self.axis is None else self.shape[self.axis]

    @property
    def size(self) -> int:
        """In bytes."""
        numbers = math.prod(self.shape) * jnp.dtype(self.kind).itemsize
        return self.groups * (_STEP.itemsize + _WHOLE.itemsize) + numbers

    def described(self) -> dict[str, Any]:
        """In JSON."""
        return {"as": self.kind, "axis": self.axis, "shape": list(self.shape)}


def parsed(node: Any, path: str) -> Packed:
    """What `described` wrote.

    **Raises:** `ValueError` for anything else.
    """
    match node:
        case {"as": str() as kind, "axis": axis, "shape": list() as shape, **rest} if (
            kind in _LARGEST and not rest
        ):
            sizes = all(type(size) is int and 0 < size < 2**40 for size in shape)
            along = axis is None or type(axis) is int and 0 <= axis < len(shape)
            if sizes and along and len(shape) <= 32:
                return Packed(kind, axis, tuple(shape))
    raise ValueError(f"{path}: {node!r:.100} is no way to write an array.")


def packed(tree: PyTree, precision: str, root: str) -> dict[str, tuple[Packed, bytes]]:
    """By the paths of those arrays of a model that are worth it: how they are written, and as what.

    **Raises:** `ValueError` naming an array that holds NaN.
    """
    learned, declared = jax.tree.leaves(trainable(tree)), jax.tree.leaves(declarations(tree))
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    found = {}
    for (keys, leaf), learns, declaration in zip(leaves, learned, declared, strict=True):
        path = root + jax.tree_util.keystr(keys)
        if not learns or not isinstance(leaf, jax.Array) or jnp.iscomplexobj(leaf):
            continue
        if np.isnan(np.asarray(leaf)).any():
            raise ValueError(
                f"`precision`: {path} holds NaN, which has no range to be rounded in. Train the "
                "model again, or save it as it is."
            )
        numbers = np.asarray(_free(declaration.constraint, leaf))
        short = _shortest(numbers, precision, leaf.nbytes, len(declaration.axes))
        if short is not None:
            found[path] = short
    return found


def _shortest(
    numbers: np.ndarray, precision: str, bytes_now: int, alike: int
) -> tuple[Packed, bytes] | None:
    """The shortest way to write numbers in which every slice keeps its digits, if there is one;
    along the first axes (`alike`), slices have the same units."""
    if not np.isfinite(numbers).all() or not numbers.size:
        return None
    exact = numbers.astype(float)
    ways = [
        Packed(kind, axis, numbers.shape)
        for kind in _TRIED[precision]
        for axis in (None, *range(numbers.ndim if numbers.ndim > 1 else 0))
    ]
    for way in sorted(ways, key=lambda way: way.size):
        if way.size > _SMALLER * bytes_now:
            return None
        bits = _pack(exact, way)
        if _accurate(exact, unpacked(bits, way, numbers.dtype).astype(float), alike):
            return way, bits
    return None


def _pack(x: np.ndarray, way: Packed) -> bytes:
    others = tuple(axis for axis in range(x.ndim) if axis != way.axis)
    low, high = (reduce(x, axis=others, keepdims=True) for reduce in (np.min, np.max))
    half, far = high / 2 - low / 2, np.maximum(np.abs(low), np.abs(high))
    step = half / _LARGEST[way.kind]
    if way.kind != "int8":
        # A power of two: numbers that sixteen bits can hold are not rounded at all.
        step = np.exp2(np.ceil(np.log2(np.where(step > 0, step, 1)))) * (step > 0)
    # No finer than 30 bits can count; a group of zeros has no step of its own.
    step = np.maximum(step, far * 2.0**-30)
    step = np.where(step > 0, step, 1)
    whole = np.rint((low / 2 + high / 2) / step)
    q = x / step - whole
    q = np.rint(q).astype(np.int8) if way.kind == "int8" else q.astype(jnp.dtype(way.kind))
    bits = np.ascontiguousarray(q).view(f"u{q.dtype.itemsize}")
    parts = (step.astype(_STEP), whole.astype(_WHOLE), bits.astype(bits.dtype.newbyteorder("<")))
    return b"".join(part.tobytes() for part in parts)


def unpacked(bits: bytes, way: Packed, dtype: np.dtype) -> np.ndarray:
    """The numbers that were written."""
    groups = way.groups
    step = np.frombuffer(bits, _STEP, groups)
    whole = np.frombuffer(bits, _WHOLE, groups, step.nbytes)
    kind = np.dtype(jnp.dtype(way.kind))
    unsigned = np.frombuffer(bits, f"<u{kind.itemsize}", -1, step.nbytes + whole.nbytes)
    q = unsigned.astype(f"=u{kind.itemsize}").view(kind).reshape(way.shape).astype(float)
    if way.axis is not None:
        along = [-1 if axis == way.axis else 1 for axis in range(len(way.shape))]
        step, whole = step.reshape(along), whole.reshape(along)
    with np.errstate(over="ignore", invalid="ignore"):
        return (step * (whole + q)).astype(dtype)


def _accurate(exact: np.ndarray, rounded: np.ndarray, alike: int) -> bool:
    """Whether each slice along each axis but the first is what it was, to a share of its range."""
    error = np.abs(exact - rounded)
    for axis in range(alike, exact.ndim):
        if exact.size == exact.shape[axis]:  # numbers, which are no slices
            continue
        others = tuple(other for other in range(exact.ndim) if other != axis)
        span = exact.max(axis=others) - exact.min(axis=others)
        # Of equal numbers, by their size.
        span = np.where(span > 0, span, np.abs(exact).max(axis=others))
        if not (error.max(axis=others) <= _TOLERANCE * span).all():
            return False
    return bool(np.isfinite(error).all())


def _free(constraint: AbstractConstraint, value: Array) -> Array:
    """A value as numbers that may be rounded one by one."""
    if isinstance(constraint, Positive):
        return constraint.chart(value)
    if (space := _with_one_chart(constraint)) is not None:
        return space.coordinates(space.origin[None].astype(value.dtype), value)[:, 0]
    return value


def restored(constraint: AbstractConstraint, numbers: Array) -> Array:
    """The value that rounded numbers stand for, which satisfies its constraint."""
    if isinstance(constraint, Positive):
        return constraint.project(jnp.exp(numbers))
    if (space := _with_one_chart(constraint)) is not None:
        origin = space.origin[None].astype(numbers.dtype)
        points = space.exp(jnp.broadcast_to(origin, (len(numbers), *origin.shape[1:])), numbers)
        return space.project(points)
    return constraint.project(numbers)


def _with_one_chart(constraint: AbstractConstraint) -> AbstractManifold | None:
    """The curved space of points, if one chart, about the origin, covers all of it: small
    eigenvalues of a matrix, and the way to the border of a ball, are large numbers there."""
    if not isinstance(constraint, OnManifold):
        return None
    space = constraint.space
    flat = space.displacement_is_difference
    return space if not flat and math.isinf(space.injectivity_radius) else None
