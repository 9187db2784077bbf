"""Which leaves of a model learn."""

import dataclasses
import operator
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax

from .._checks import of_model
from .._module import movable, trainable
from .._types import PyTree
from ..models import AbstractTrainable


#: A part of a model: a dotted name, or a function from the model to the part.
Where = str | Callable[[Any], Any]
Freeze = Where | Sequence[Where] | None


class _Place(int):
    """The number of a leaf, which no other number is mistaken for."""


@of_model
def trainable_mask(
    model: AbstractTrainable, freeze: Freeze = None, buffers: bool = False
) -> PyTree:
    """A tree of bools with the structure of `model`: what can be learned, less what `freeze` names.

    **Arguments:**

    - `freeze`: dotted field names (`"metric"`, `"prototypes.points"`, `"encoder.layers.0"`), or a
      function that returns the frozen parts of the model it is given (`lambda m: m.encoder`, or a
      tuple of parts).
    - `buffers`: whether arrays of fields that are declared `buffer` are among them.

    **Raises:** `ValueError` for a name that the model does not have.
    """
    mask = trainable(model)
    if buffers:
        mask = jax.tree.map(operator.or_, mask, movable(model))
    if freeze is None:
        return mask
    wheres = [freeze] if isinstance(freeze, str) or callable(freeze) else list(freeze)
    frozen = set().union(*(leaves_at(mask, where, "freeze") for where in wheres))
    leaves, structure = jax.tree.flatten(mask)
    return jax.tree.unflatten(
        structure, [learns and i not in frozen for i, learns in enumerate(leaves)]
    )


def leaves_at(tree: PyTree, where: Where, argument: str) -> set[int]:
    """The numbers of the leaves in the parts that a dotted name or a function stands for.

    **Raises:** `ValueError` for a part that the tree does not have.
    """
    if not (isinstance(where, str) or callable(where)):
        raise ValueError(f"`{argument}` names parts by dotted names or functions, got {where!r}.")
    # A copy of the tree with a number for each leaf: the numbers in the returned parts are its
    # leaves.
    leaves, structure = jax.tree.flatten(tree)
    numbered = jax.tree.unflatten(structure, [_Place(i) for i in range(len(leaves))])
    try:
        found = jax.tree.leaves(
            part_at(numbered, where) if isinstance(where, str) else where(numbered)
        )
    except AttributeError as error:
        raise ValueError(
            f"`{argument}` asks for a part that the model does not have: {error}"
        ) from error
    if not all(type(leaf) is _Place for leaf in found):
        raise ValueError(
            f"`{argument}` must return parts of the model it is given, such as `lambda m: "
            f"m.encoder`."
        )
    return set(found)


def part_at(model: PyTree, name: str) -> Any:
    """The part of a model that a dotted name stands for.

    **Raises:** `ValueError` naming the fields that there are.
    """
    part = model
    for step in name.split("."):
        fields = _fields(part)
        if step not in fields:
            raise ValueError(
                f"{name!r} names no part of the model: {type(part).__name__} has "
                f"{', '.join(map(repr, fields)) or 'no fields'}, not {step!r}."
            )
        part = fields[step]
    return part


def _fields(part: Any) -> dict[str, Any]:
    if isinstance(part, eqx.Module):
        return {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
    if isinstance(part, tuple | list):
        return {str(i): item for i, item in enumerate(part)}
    return dict(part) if isinstance(part, dict) else {}
