"""What every part of the library has in common: how its fields are declared and how its constraints are kept."""

import abc
import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ._checks import allows_none, as_finite, as_floats, fitting, of_kind
from ._types import Array, Float, PyTree


Module = TypeVar("Module", bound=eqx.Module)


class _NamedField(dataclasses.Field):
    """A field whose converter knows its name and its annotation, so that an error can tell which argument was wrong."""

    __slots__ = ()

    def __set_name__(self, owner: type, name: str) -> None:
        converter = self.metadata["converter"]
        converter.name, converter.annotation = name, inspect.get_annotations(owner).get(name, Any)


class _Converter:
    """What makes a field's value of what an argument is."""

    def __init__(self, function: Callable[[Any, Any, str], Any]):
        self.function, self.annotation, self.name = function, Any, "value"

    def __call__(self, value: Any) -> Any:
        return self.function(value, self.annotation, self.name)


def converted(function: Callable[[Any, Any, str], Any], **kwargs: Any) -> Any:
    """Declare a field whose values go through `function(value, annotation, name)`."""
    field = eqx.field(converter=_Converter(function), **kwargs)
    named = object.__new__(_NamedField)
    for slot in dataclasses.Field.__slots__:
        setattr(named, slot, getattr(field, slot))
    return named


def learned(**kwargs: Any) -> Any:
    """Declare an array of parameters: of floats, whatever it is made from, in as many axes as the annotation says."""
    return converted(_parameters, **kwargs)


def _parameters(value: Any, annotation: Any, name: str) -> Any:
    return None if value is None and allows_none(annotation) else fitting(as_floats(value, name), annotation, name)


def hyper(**kwargs: Any) -> Any:
    """Declare a number that is set, not learned: it is finite and stored as an array, and no gradient ever reaches it.

    A Python float among the fields of a module would be part of the compiled program, so that each new value compiles
    anew; an array is an argument of it. The mark in the field's metadata is what `trainable` reads.
    """
    return converted(as_finite, metadata={"trainable": False}, **kwargs)


def static(**kwargs: Any) -> Any:
    """Declare a part of a module's structure: a size, a mode, a plain function. A new value compiles anew."""
    return converted(_structure, static=True, **kwargs)


def _structure(value: Any, annotation: Any, name: str) -> Any:
    value = of_kind(value, annotation, name)
    # An array of one number, which is no structure.
    return value.item() if isinstance(value, jax.Array | np.ndarray) and value.ndim == 0 else value


def part(**kwargs: Any) -> Any:
    """Declare a module within a module, of the kind that the annotation says."""
    return converted(of_kind, **kwargs)


def as_declared(module: eqx.Module, name: str) -> Any:
    """The value of a field as its declaration has it, for a `__post_init__`, which comes before declarations are heard."""
    (field,) = (field for field in dataclasses.fields(module) if field.name == name)  # pyright: ignore[reportArgumentType]
    return field.metadata["converter"](getattr(module, name))


def trainable(tree: PyTree) -> PyTree:
    """Which leaves of `tree` can be learned: inexact arrays whose field is not marked by `hyper`.

    Returns a tree of bools with the structure of `tree`.
    """

    def learned(path: tuple, leaf: Any) -> bool:
        node = tree
        for key in path:
            if isinstance(key, jax.tree_util.GetAttrKey):
                if dataclasses.is_dataclass(node):
                    (field,) = (f for f in dataclasses.fields(node) if f.name == key.name)
                    if not field.metadata.get("trainable", True):
                        return False
                node = getattr(node, key.name)
            else:
                node = node[key.key if isinstance(key, jax.tree_util.DictKey) else key.idx]
        return eqx.is_inexact_array(leaf)

    return jax.tree_util.tree_map_with_path(learned, tree)


def replaced(module: Module, **fields: Any) -> Module:
    """A copy with other fields, made without `__init__`, which may know them by other names."""
    copy = object.__new__(type(module))
    for field in dataclasses.fields(module):  # pyright: ignore[reportArgumentType]
        object.__setattr__(copy, field.name, fields.get(field.name, getattr(module, field.name)))
    return copy


class AbstractConstrained(eqx.Module):
    """A module whose parameters may not take every value: a point of a manifold, an orthonormal basis, a unit trace.

    An optimiser adds; it knows nothing of constraints. So it is handed `chart()`, the module written in coordinates that
    may be added to, and `pull(gradient)`; and what it returns is carried back by `retract`. Averages of parameters go through
    `project`.
    """

    @abc.abstractmethod
    def chart(self) -> "AbstractConstrained":
        """This module in free coordinates centred on itself: `self.chart().retract(self)` is `self`."""

    @abc.abstractmethod
    def pull(self, gradient: PyTree) -> "AbstractConstrained":
        """The gradient by this module's parameters as one by its coordinates: the chain rule through `retract`, or the
        gradient itself, if what the constraint takes from it is lost in `retract` anyway."""

    @abc.abstractmethod
    def retract(self, base: PyTree) -> "AbstractConstrained":
        """The module that these coordinates, in the chart of `base`, stand for."""

    @abc.abstractmethod
    def project(self) -> "AbstractConstrained":
        """The nearest module, in some sense, that satisfies the constraint."""


def _constrained(node: Any) -> bool:
    return isinstance(node, AbstractConstrained)


def chart(tree: PyTree) -> PyTree:
    """Write every constrained module of `tree` in its own free coordinates."""
    return jax.tree.map(lambda n: n.chart() if _constrained(n) else n, tree, is_leaf=_constrained)


def retract(coordinates: PyTree, base: PyTree) -> PyTree:
    """Undo `chart`: `coordinates` in the charts of `base`, carried back to parameters."""
    return jax.tree.map(lambda n, b: n.retract(b) if _constrained(n) else n, coordinates, base, is_leaf=_constrained)


def pull(gradient: PyTree, base: PyTree) -> PyTree:
    """Write a gradient by the parameters `base` as one by the coordinates of their charts."""
    return jax.tree.map(lambda n, g: n.pull(g) if _constrained(n) else g, base, gradient, is_leaf=_constrained)


def by_chain_rule(module: Module, gradient: PyTree) -> Module:
    """`pull` by automatic differentiation of `retract`."""
    return jax.vjp(lambda coordinates: retract(coordinates, module), chart(module))[1](gradient)[0]


def project(tree: PyTree) -> PyTree:
    """Bring every constrained module of `tree` back onto its constraint."""
    return jax.tree.map(lambda n: n.project() if _constrained(n) else n, tree, is_leaf=_constrained)


class AbstractHomogeneous(eqx.Module):
    """A function that knows what a change of units makes of it: \\(f(ux) = u^{k} f_u(x)\\).

    The unit of a metric is that of its points; the unit of a loss that of dissimilarities, and what it decides does not
    depend on it at all. So a model can be computed in the units in which its own numbers are neither large nor small.
    """

    #: k; `None` if it is not known.
    degree: ClassVar[int | None] = None

    @abc.abstractmethod
    def in_units(self, unit: Float[Array, "*d"]) -> "AbstractHomogeneous":
        """\\(f_u\\): the same function of what was divided by `unit`, a positive number (or, for what has scales of its own
        for each feature, one for each)."""


class AbstractScaleFree(AbstractHomogeneous):
    """A function without a number that has a unit: in other units, it is the same."""

    def in_units(self, unit: Float[Array, "*d"]) -> "AbstractScaleFree":
        return self


def degree(part: Any) -> int | None:
    """The degree of a part that knows it."""
    return part.degree if isinstance(part, AbstractHomogeneous) else None


def power_of_two(value: Float[Array, "*d"]) -> Float[Array, "*d"]:
    """The largest powers of two that are not above positive numbers, exactly; one for zero and what is not finite."""
    bits, mask = (jnp.uint64, 0x7FF << 52) if value.dtype.itemsize == 8 else (jnp.uint32, 0x7F800000)
    power = jax.lax.bitcast_convert_type(jax.lax.bitcast_convert_type(value, bits) & bits(mask), value.dtype)
    return jnp.where((power > 0) & jnp.isfinite(power), power, 1)


def as_dtype(tree: PyTree, dtype: str) -> PyTree:
    """The same with all floats of this type."""
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, tree)


def all_finite(tree: PyTree) -> Array:
    """Whether every number of `tree` is finite."""
    return jnp.all(jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def choose(condition: Array, one: PyTree, other: PyTree) -> PyTree:
    """`one` where the condition holds, else `other`, leaf by leaf."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)
