"""What `pz.fit` writes on a model's card, and the scale that it finds."""

import contextlib
import dataclasses
from typing import Any, Literal

import equinox as eqx
import jax
import numpy as np

from .._checks import column_names, is_dissimilarity_matrix, of_kind
from .._module import replaced
from .._types import Array
from ..backbones import AbstractScale
from ..backbones.internal import SCALES
from ..models import Card, PrototypeModel
from ..models.internal import Names, with_names
from ..persistence.internal import version
from ..training import Trainer
from ..training.internal import numbers_of


#: How samples are scaled: `True` is `"standardise"`.
Scaling = bool | Literal["standardise", "minmax", "robust", "whitening"] | AbstractScale

#: What of a trainer is no part of what it makes of a model, or belongs to a machine.
_UNTOLD = ("sharding", "checkpoints", "callbacks", "progress")


def scale_of(
    standardise: Scaling, x: np.ndarray | Array, weight: np.ndarray | None
) -> AbstractScale | None:
    """The scale of samples; `None` for `False`.

    **Raises:** `ValueError` for a word that names none, a scale of other samples, and for
    dissimilarities.
    """
    standardise = of_kind(standardise, Scaling, "standardise")
    if standardise is False:
        return None
    if is_dissimilarity_matrix(x):
        raise ValueError(
            "`standardise`: `x` holds dissimilarities, which are compared as they are."
        )
    if isinstance(standardise, AbstractScale):
        if standardise.shape != x.shape[1:]:
            raise ValueError(
                f"`standardise` is a scale of samples of shape {standardise.shape}, and `x` has "
                f"some of shape {x.shape[1:]}."
            )
        return standardise
    return SCALES["standardise" if standardise is True else standardise].from_data(x, weight)


def carded(
    model: Any,
    row: Any,
    trainer: Trainer,
    x: Any,
    options: dict[str, Any],
    class_names: Names = None,
    feature_names: Names = None,
    sample_weight: Any = None,
) -> Any:
    """The model with a card; what has no prototypes has none.

    **Raises:** `ValueError` for names that do not fit the model.
    """
    named = {"class_names": class_names, "feature_names": feature_names}
    if not isinstance(model, PrototypeModel):
        for name, given in named.items():
            if given is not None:
                raise ValueError(
                    f"`{name}`: {type(model).__name__} has no card to write it on. Classes are its "
                    "numbers 0…c-1."
                )
        return model
    defaults = getattr(row, "options", {})
    # A sample without weight is not there.
    count = len(x) if sample_weight is None else int(np.count_nonzero(sample_weight))
    card = Card.of(
        row=row.name,
        options={name: as_json(value) for name, value in {**defaults, **options}.items()},
        scale=None if model.scale is None else type(model.scale).__name__,
        samples={"count": count, "shape": list(np.shape(x)[1:])},
        training=_settings(trainer),
        version=version(),
    )
    if feature_names is None:
        named["feature_names"] = column_names(x)
    return with_names(replaced(model, card=card), named)


def _settings(trainer: Trainer) -> dict[str, Any]:
    """What a trainer was told; of what has a default, what differs from it."""
    told: dict[str, Any] = {
        "rule": {"kind": type(trainer.rule).__name__, **_numbers(trainer.rule)},
        "epochs": trainer.epochs,
        "batch_size": trainer.batch_size,
    }
    for field in dataclasses.fields(trainer):  # pyright: ignore[reportArgumentType]
        value = getattr(trainer, field.name)
        if field.name not in (*told, *_UNTOLD) and value not in (field.default, ()):
            told[field.name] = as_json(value)
    return told


def _numbers(rule: Any) -> dict[str, Any]:
    """The numbers of a rule, by the names that their places end in; a list where several parts have
    one of the same name, and not the same one."""
    found: dict[str, list[Any]] = {}
    for path, value in numbers_of(rule):
        name = path.removesuffix(".value").rsplit(".", 1)[-1]
        found.setdefault(name, []).append(as_json(value))
    return {
        name: some[0] if all(one == some[0] for one in some) else some
        for name, some in found.items()
    }


def _own_numbers(thing: Any) -> dict[str, Any]:
    """The numbers and words in the fields of a module, by name."""
    fields = {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}
    return {
        name: as_json(value)
        for name, value in fields.items()
        if isinstance(value, bool | int | float | str)
        or (eqx.is_array(value) and np.ndim(value) == 0)
    }


def as_json(value: Any) -> Any:
    """A value in plain JSON: functions and classes by their names, modules by theirs and their
    numbers; large arrays by their shapes. Nothing of it depends on the process or the machine."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | np.generic | np.ndarray | jax.Array):
        array = np.asarray(value)
        if array.ndim or not np.isfinite(array):
            return f"array{array.shape}" if array.ndim else str(array.item())
        # As it reads: in single precision, a tenth has other digits than in double.
        return float(str(array)) if array.dtype.kind == "f" else array.item()
    if isinstance(value, dict):
        return {str(key): as_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(one) for one in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        numbers, usual = _own_numbers(value), {}
        with contextlib.suppress(TypeError, ValueError):  # of what has to be told something
            usual = _own_numbers(type(value)())
        # What nobody chose is not told.
        numbers = {name: one for name, one in numbers.items() if usual.get(name) != one}
        return {"kind": type(value).__name__} | numbers
    return getattr(value, "__name__", type(value).__name__)
