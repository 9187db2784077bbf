"""What every part of the library has in common: how its fields are declared and how its constraints
are kept."""

import abc
import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ._checks import (
    allows_none,
    as_finite,
    as_floats,
    as_numbers,
    fitting,
    here,
    of_kind,
    takes_floats,
    values_of,
)
from ._constraints import FREE, AbstractConstraint
from ._types import Array, Float, PyTree


#: What an axis of an array belongs to.
Axis = Literal["prototype", "class"]

Module = TypeVar("Module", bound=eqx.Module)


class _NamedField(dataclasses.Field):
    """A field whose converter knows its name and its annotation, so that an error can tell which
    argument was wrong."""

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


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What a field says of the arrays in it; a plain annotation says what `learned()` does."""

    #: `"learned"`: by gradients; `"hyper"`: set, and nothing moves it; `"buffer"`: rules may move
    #: it, gradients never do.
    kind: Literal["learned", "hyper", "buffer"] = "learned"
    #: What the leading axes of an array belong to.
    axes: tuple[Axis, ...] = ()
    #: Which values it may take.
    constraint: AbstractConstraint = FREE
    #: Whether weight decay shrinks it; `None`: if it is a matrix, and no row of it belongs to a
    #: prototype or a class.
    decays: bool | None = None


def said(kind: str, **more: Any) -> dict[str, Any]:
    """The metadata of a field of this kind, for one whose values are not what the functions below
    make of them."""
    return {"declared": {"kind": kind, **more}}


def learned(
    *,
    axis: Axis | tuple[Axis, ...] | None = None,
    constraint: AbstractConstraint | Callable[[Any], AbstractConstraint] = FREE,
    decays: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Declare an array of parameters: of finite floats, whatever it is made from, in as many axes
    as the annotation says.

    **Arguments:**

    - `axis`: what its first axis belongs to, `"prototype"` or `"class"`; of several leading axes, a
      tuple. An array that has fewer axes serves all of them. Models are cut, extended and put into
      another order by it (`model.select`).
    - `constraint`: which values it may take, an `AbstractConstraint`, or a function of the module
      that gives one.
    - `decays`: whether weight decay shrinks it; by default, if it is a matrix without such an axis.
    """
    metadata = said("learned", axes=_axes(axis), constraint=constraint, decays=decays)
    return converted(_numbers, metadata=metadata, **kwargs)


def buffer(*, axis: Axis | tuple[Axis, ...] | None = None, **kwargs: Any) -> Any:
    """Declare an array that training may move, but not by a gradient: what is alive, an age, a
    running mean."""
    return converted(_buffer, metadata=said("buffer", axes=_axes(axis)), **kwargs)


def _axes(axis: Axis | tuple[Axis, ...] | None) -> tuple[Axis, ...]:
    return () if axis is None else axis if isinstance(axis, tuple) else (axis,)


def _buffer(value: Any, annotation: Any, name: str) -> Any:
    if value is None and allows_none(annotation):
        return None
    array = as_floats(value, name) if takes_floats(annotation) else here(as_numbers(value, name))
    return fitting(array, annotation, name)


def _numbers(value: Any, annotation: Any, name: str) -> Any:
    return None if value is None and allows_none(annotation) else as_finite(value, annotation, name)


def hyper(**kwargs: Any) -> Any:
    """Declare a number that is set, not learned: it is finite and stored as an array, and no
    gradient ever reaches it.

    A Python float among the fields of a module would be part of the compiled program, so that each
    new value compiles anew; an array is an argument of it.
    """
    return converted(_numbers, metadata=said("hyper"), **kwargs)


def static(**kwargs: Any) -> Any:
    """Declare a part of a module's structure: a size, a mode, a plain function. A new value
    compiles anew."""
    return converted(_structure, static=True, **kwargs)


def _structure(value: Any, annotation: Any, name: str) -> Any:
    value = of_kind(value, annotation, name)
    # An array of one number, which is no structure.
    one = isinstance(value, jax.Array | np.ndarray) and value.ndim == 0
    return values_of(value, name).item() if one else value


def part(**kwargs: Any) -> Any:
    """Declare a module within a module, of the kind that the annotation says."""
    return converted(of_kind, **kwargs)


def as_declared(module: eqx.Module, name: str) -> Any:
    """The value of a field as its declaration has it, for a `__post_init__`, which comes before
    declarations are heard."""
    (field,) = (field for field in dataclasses.fields(module) if field.name == name)  # pyright: ignore[reportArgumentType]
    return field.metadata["converter"](getattr(module, name))


def refuse_other_kinds(module: eqx.Module) -> None:
    """Raise for a part, or something static, that is not of the kind which its declaration asks
    for, where no constructor has asked for it."""
    for field in dataclasses.fields(module):  # pyright: ignore[reportArgumentType]
        declared = field.metadata.get("converter")
        if isinstance(declared, _Converter) and declared.function in (of_kind, _structure):
            of_kind(getattr(module, field.name), declared.annotation, field.name)


def declarations(tree: PyTree) -> PyTree:
    """What is declared of each leaf: a tree of `Declaration` with the structure of `tree`.

    A leaf is what the innermost field around it says; beneath a field that no gradient reaches,
    none reaches anything.
    """

    def declaration(path: tuple, leaf: Any) -> Declaration:
        node, found = tree, Declaration()
        for key in path:
            if isinstance(key, jax.tree_util.GetAttrKey):
                if dataclasses.is_dataclass(node):
                    (field,) = (f for f in dataclasses.fields(node) if f.name == key.name)
                    own = _resolved(field.metadata.get("declared", {}), node)
                    found = (
                        own
                        if found.kind == "learned"
                        else dataclasses.replace(own, kind=found.kind)
                    )
                node = getattr(node, key.name)
            else:
                node = node[key.key if isinstance(key, jax.tree_util.DictKey) else key.idx]
        return found

    return jax.tree_util.tree_map_with_path(declaration, tree)


def _resolved(declared: dict[str, Any], owner: Any) -> Declaration:
    constraint = declared.get("constraint", FREE)
    return Declaration(
        **{
            **declared,
            "constraint": constraint
            if isinstance(constraint, AbstractConstraint)
            else constraint(owner),
        }
    )


def constraint_of(module: eqx.Module, name: str) -> AbstractConstraint:
    """The constraint that a field is declared with."""
    (field,) = (field for field in dataclasses.fields(module) if field.name == name)  # pyright: ignore[reportArgumentType]
    return _resolved(field.metadata.get("declared", {}), module).constraint


def trainable(tree: PyTree) -> PyTree:
    """Which leaves of `tree` can be learned: inexact arrays of fields that are declared `learned`,
    or not at all.

    Returns a tree of bools with the structure of `tree`.
    """
    return jax.tree.map(
        lambda leaf, d: d.kind == "learned" and eqx.is_inexact_array(leaf), tree, declarations(tree)
    )


def movable(tree: PyTree) -> PyTree:
    """Which leaves of `tree` a rule may move that no gradient reaches: arrays of fields that are
    declared `buffer`."""
    return jax.tree.map(
        lambda leaf, d: d.kind == "buffer" and eqx.is_array(leaf), tree, declarations(tree)
    )


def decays(tree: PyTree) -> PyTree:
    """What weight decay shrinks: matrices of an encoder and projections; no prototypes, biases,
    bandwidths or relevances."""

    def shrinks(leaf: Any, declared: Declaration) -> bool:
        matrix = leaf.ndim >= 2 and not declared.axes
        return matrix if declared.decays is None else declared.decays

    return jax.tree.map(shrinks, tree, declarations(tree))


def replaced(module: Module, **fields: Any) -> Module:
    """A copy with other fields, made without `__init__`, which may know them by other names."""
    copy = object.__new__(type(module))
    for field in dataclasses.fields(module):  # pyright: ignore[reportArgumentType]
        object.__setattr__(copy, field.name, fields.get(field.name, getattr(module, field.name)))
    return copy


def chart(tree: PyTree) -> PyTree:
    """Parameters, each in the free coordinates of its constraint. What was taken out of the tree
    stays out."""
    return jax.tree.map(lambda value, d: d.constraint.chart(value), tree, declarations(tree))


def retract(coordinates: PyTree, base: PyTree) -> PyTree:
    """Undo `chart`: `coordinates` in the charts of `base`, carried back to parameters."""
    return jax.tree.map(
        lambda value, d, c: d.constraint.retract(c, value), base, declarations(base), coordinates
    )


def pull(gradient: PyTree, base: PyTree) -> PyTree:
    """Write a gradient by the parameters `base` as one by the coordinates of their charts."""
    return jax.tree.map(
        lambda value, d, g: d.constraint.pull(g, value), base, declarations(base), gradient
    )


def project(tree: PyTree) -> PyTree:
    """Bring all parameters back onto their constraints."""
    return jax.tree.map(lambda value, d: d.constraint.project(value), tree, declarations(tree))


class AbstractHomogeneous(eqx.Module):
    """A function that knows what a change of units makes of it: \\(f(ux) = u^{k} f_u(x)\\).

    The unit of a metric is that of its points; the unit of a loss that of dissimilarities, and what
    it decides does not depend on it at all. So a model can be computed in the units in which its
    own numbers are neither large nor small.
    """

    #: k; `None` if it is not known.
    degree: ClassVar[int | None] = None

    @abc.abstractmethod
    def in_units(self, unit: Float[Array, "*d"]) -> "AbstractHomogeneous":
        """\\(f_u\\): the same function of what was divided by `unit`, a positive number (or, for
        what has scales of its own for each feature, one for each)."""


class AbstractScaleFree(AbstractHomogeneous):
    """A function without a number of its own that has a unit: in other units it is the same, and
    its parts are in these."""

    def in_units(self, unit: Float[Array, "*d"]) -> "AbstractScaleFree":
        return with_parts_in_units(self, unit)


def with_parts_in_units(module: Module, unit: Float[Array, "*d"], **fields: Any) -> Module:
    """A copy with other fields, and with those of its parts that know what a change of units makes
    of them in other units."""
    for field in dataclasses.fields(module):  # pyright: ignore[reportArgumentType]
        value = getattr(module, field.name)
        if isinstance(value, AbstractHomogeneous) and field.name not in fields:
            fields[field.name] = value.in_units(unit)
    return replaced(module, **fields) if fields else module


def degree(part: Any) -> int | None:
    """The degree of a part that knows it."""
    return part.degree if isinstance(part, AbstractHomogeneous) else None


def power_of_two(value: Float[Array, "*d"]) -> Float[Array, "*d"]:
    """The largest powers of two that are not above positive numbers, exactly; one for zero and what
    is not finite."""
    bits, mask = (
        (jnp.uint64, 0x7FF << 52) if value.dtype.itemsize == 8 else (jnp.uint32, 0x7F800000)
    )
    power = jax.lax.bitcast_convert_type(
        jax.lax.bitcast_convert_type(value, bits) & bits(mask), value.dtype
    )
    return jnp.where((power > 0) & jnp.isfinite(power), power, 1)


def as_dtype(tree: PyTree, dtype: str) -> PyTree:
    """The same with all floats of this type."""
    return jax.tree.map(
        lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, tree
    )


def all_finite(tree: PyTree) -> Array:
    """Whether every number of `tree` is finite."""
    return jnp.all(jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def choose(condition: Array, one: PyTree, other: PyTree) -> PyTree:
    """`one` where the condition holds, else `other`, array by array; other leaves, such as the
    functions of an encoder, are the same in both."""
    return jax.tree.map(
        lambda a, b: jnp.where(condition, a, b) if eqx.is_array(a) or eqx.is_array(b) else a,
        one,
        other,
    )
