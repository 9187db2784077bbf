"""Which leaves of a model learn."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax

from .._module import trainable
from .._types import PyTree
from ..models import PrototypeModel


Freeze = str | Sequence[str] | Callable[[PrototypeModel], Any] | None


def trainable_mask(model: PrototypeModel, freeze: Freeze = None) -> PyTree:
    """A tree of bools with the structure of `model`: inexact arrays not marked by `hyper`, less what `freeze` names.

    **Arguments:**

    - `freeze`: dotted field names (`"metric"`, `"prototypes.points"`, `"encoder.layers.0"`), or a function that returns the
      frozen parts of the model it is given (`lambda m: m.encoder`, or a tuple of parts).

    **Raises:** `ValueError` for a name that the model does not have.
    """
    mask = trainable(model)
    if freeze is None:
        return mask
    if callable(freeze):
        wheres = [freeze]
    else:
        names = [freeze] if isinstance(freeze, str) else list(freeze)
        for name in names:
            part_at(model, name)
        wheres = [lambda m, name=name: part_at(m, name) for name in names]
    for where in wheres:
        mask = _all_false(where, mask)
    return mask


def _all_false(where: Callable, mask: PyTree) -> PyTree:
    try:
        return eqx.tree_at(where, mask, replace_fn=lambda part: jax.tree.map(lambda _: False, part))
    except (AttributeError, ValueError) as error:
        raise ValueError(
            f"`freeze` must return parts of the model it is given, such as `lambda m: m.encoder`: {error}"
        ) from error


def part_at(model: PyTree, name: str) -> Any:
    """The part of a model that a dotted name stands for.

    **Raises:** `ValueError` naming the fields that there are.
    """
    part = model
    for step in name.split("."):
        fields = _fields(part)
        if step not in fields:
            raise ValueError(
                f"{name!r} names no part of the model: {type(part).__name__} has {', '.join(map(repr, fields)) or 'no fields'}"
                f", not {step!r}."
            )
        part = fields[step]
    return part


def _fields(part: Any) -> dict[str, Any]:
    if isinstance(part, eqx.Module):
        return {name: getattr(part, name) for name in part.__dataclass_fields__}
    if isinstance(part, tuple | list):
        return {str(i): item for i, item in enumerate(part)}
    return dict(part) if isinstance(part, dict) else {}
