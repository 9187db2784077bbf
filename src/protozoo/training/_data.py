"""Data and weights, checked once, as the compiled loop takes them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from .._checks import (
    as_labels,
    as_parts,
    as_weights,
    on_device,
    places_of,
    refuse_other_columns,
    refuse_single_class,
    refuse_unknown_classes,
    sample_numbers,
)
from .._module import replaced
from .._statistics import counting
from .._types import Array, ArrayLike, PyTree
from ..backbones import AbstractScale
from ..metrics import AbstractMixing
from ..models import AbstractTrainable, PrototypeModel
from ..models.internal import carded_classes, encode_all, inside, map_chunks, rows_per_chunk
from ._averaging import innermost
from ._objective import Batch, Objective
from ._rule import AbstractRule


#: A weight for each class: by a mapping or a series (from numbers or names), in an array, or
#: `"balanced"`.
ClassWeight = str | Mapping[int, float] | Mapping[str, float] | Sequence[float] | ArrayLike | None


def as_batch(
    model: AbstractTrainable,
    x: ArrayLike,
    y: ArrayLike | None,
    sample_weight: ArrayLike | None = None,
    class_weight: ClassWeight = None,
    name: str = "",
    weightless: bool = False,
) -> Batch:
    """All samples as one batch, with weights of mean one; samples without weight are left out,
    unless told otherwise."""
    x, labels = Intake.of(model).numbers(x, y, name)
    weight = as_weights(sample_weight, len(x), f"{name}sample_weight")
    if class_weight is not None:
        if labels is None:
            raise ValueError("`class_weight` needs classes, and this model learns without labels.")
        weight = weight / weight.max()
        names = carded_classes(model)
        weight = weight * of_classes(labels, model.classes, class_weight, weight, names)[labels]
        if not weight.any():
            raise ValueError(
                "`class_weight`: the weights of all samples are zero: nothing can be learned."
            )
    if not weightless:
        weight, x, labels = counting(weight, x, labels)
    if weight.min() == weight.max():
        weight = np.broadcast_to(1.0, len(weight))  # which takes no memory
    else:
        # By the largest first: a sum of large weights may overflow.
        weight = weight / weight.max()
        weight *= len(weight) / weight.sum()
    x = model.check_values(x, f"{name}x")
    return Batch(
        x,
        None if labels is None else on_device(labels),
        on_device(weight, x.dtype),
        already_encoded=False,
    )


class Intake(NamedTuple):
    """What a model takes, asked once: of many small batches, each would ask it again."""

    sample_shape: tuple[int, ...] | None
    #: The names of features, if a card knows them.
    features: tuple[str, ...] | None
    supervised: bool
    targets_only: bool
    loss_name: str
    classes: int
    class_names: Sequence[str] | None

    @classmethod
    def of(cls, model: AbstractTrainable) -> "Intake":
        """That of a model."""
        card = model.card if isinstance(model, PrototypeModel) else None
        supervised = model.supervised
        return cls(
            model.sample_shape,
            None if card is None else card.features,
            supervised,
            model.targets_only,
            model.loss_name,
            model.classes if supervised else 0,
            carded_classes(model),
        )

    def numbers(
        self, x: Any, y: Any, name: str = ""
    ) -> tuple[np.ndarray | Array, np.ndarray | None]:
        """Samples, and their classes if the model learns from some, as the numbers that they are:
        not copied, and the values of samples not looked at.

        **Raises:** `ValueError` or `TypeError` for other columns, another shape, what are no
        numbers, and classes that are missing, out of place or none that the model knows.
        """
        self.refuse_columns(x, f"{name}x")
        x = sample_numbers(x, self.sample_shape, f"{name}x")
        return x, self._labels(y, len(x), f"{name}y")

    def refuse_columns(self, x: Any, name: str) -> None:
        """Raise `ValueError` for a data frame of other columns than the model's card has."""
        if self.features is not None:
            refuse_other_columns(x, self.features, name)

    def refuse_one_class(self, y: np.ndarray | None) -> None:
        """Raise `ValueError` if all samples are of one class, unless the model learns without
        labels, or of targets alone."""
        if y is not None and (not self.targets_only or y.any()):
            refuse_single_class(y)

    def _labels(self, y: Any, n: int, name: str) -> np.ndarray | None:
        if not self.supervised:
            if y is not None:
                raise ValueError(
                    f"`{name}` was given, but {self.loss_name} learns without labels: leave it out."
                )
            return None
        if y is None and self.targets_only:
            y = np.zeros(n, int)
        if y is None:
            raise ValueError(f"`{name}` is missing: {self.loss_name} learns from labelled samples.")
        labels = as_labels(y, n, name, self.class_names, self.classes)
        refuse_unknown_classes(labels, self.classes, name)
        return labels


def scaled(model: AbstractTrainable, batch: Batch) -> Batch:
    """The batch in the units of the model's scale: as the model inside it sees samples."""
    return replaced(batch, x=in_units(model, batch.x))


def in_units(model: AbstractTrainable, x: Array) -> Array:
    """Samples in the units of the model's scale."""
    if not isinstance(model, PrototypeModel) or model.scale is None:
        return x
    return _scaled(model.scale, x)


@eqx.filter_jit
def _scaled(scale: AbstractScale, x: Array) -> Array:
    return jax.vmap(scale)(x)


def training_batch(
    model: AbstractTrainable, mask: PyTree, batch: Batch, rule: AbstractRule, objective: Objective
) -> Batch:
    """All samples as the loop goes through them: encoded, if the encoder does not learn, and in
    the precision that they are computed with."""
    # A rule that makes samples of prototypes which are encoded themselves needs the samples.
    raw = (
        innermost(rule).moves_to_samples
        and isinstance(model, PrototypeModel)
        and model.encode_prototypes
    )
    seen = batch if raw else encode_once(model, mask, batch)
    metric = model.metric if isinstance(model, PrototypeModel) else None
    if innermost(rule).places_samples and isinstance(metric, AbstractMixing):
        metric.refuse_unplaced(np.asarray(seen.x)[np.asarray(seen.weight) > 0])
    return objective.prepared(seen)


def encode_once(model: AbstractTrainable, mask: PyTree, batch: Batch) -> Batch:
    """What a frozen encoder makes of the samples: it is applied once, not once in every epoch."""
    if model.encoder_in(model) is None or any(jax.tree.leaves(model.encoder_in(mask))):
        return batch
    # By the program that the model was built with, where it was.
    if isinstance(model, PrototypeModel) and model.scale is None:
        points = encode_all(model.encoder, batch.x)
    else:
        points = _encode(model, batch.x)
    return Batch(points, batch.y, batch.weight, already_encoded=True)


def as_validation(
    model: AbstractTrainable,
    mask: PyTree,
    given: Any,
    weight: ArrayLike | None = None,
    weightless: bool = False,
) -> Batch | None:
    """`(x, y)`, `(x, y, weight)`, or x alone without labels, as one batch that is monitored: as the
    model inside its scale sees it."""
    if given is None:
        return None
    x, y, own = as_parts(given, "`validation`")
    if own is not None and weight is not None:
        raise ValueError(
            "`validation` brings weights, and `validation_weight` is given, too: leave one of them "
            "out."
        )
    weight = own if weight is None else weight
    batch = as_batch(model, x, y, weight, name="validation ", weightless=weightless)
    return encode_once(inside(model), mask, scaled(model, batch))


@eqx.filter_jit
def _encode(model: AbstractTrainable, x: Array) -> Array:
    return map_chunks(model.encode, x, rows_per_chunk(len(x), x[0].size))


def by_class(class_weight: Any) -> Any:
    """A series as the mapping that it is, from its index to its values; all else as it is.

    **Raises:** `ValueError` if it has two weights for a class.
    """
    index = getattr(class_weight, "index", None)
    if index is None or callable(index) or not callable(getattr(class_weight, "items", None)):
        return class_weight
    pairs = list(class_weight.items())
    if len(dict(pairs)) < len(pairs):
        raise ValueError(f"`class_weight` must name every class once, got {list(index)}.")
    return dict(pairs)


def of_classes(
    y: np.ndarray,
    classes: int,
    class_weight: ClassWeight,
    weight: np.ndarray,
    names: Sequence[str] | None = None,
) -> np.ndarray:
    """The weight of each class; those that balance them are for samples of these weights."""
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(
                f"`class_weight` must be 'balanced' or a mapping from class to weight, got "
                f"{class_weight!r}."
            )
        masses = np.bincount(y, weight, classes)
        return masses.sum() / (classes * np.where(masses > 0, masses, 1))
    class_weight = by_class(class_weight)
    if isinstance(class_weight, Mapping):
        given: Mapping[Any, Any] = class_weight
        if names is not None and all(isinstance(key, str) for key in given):
            called = places_of(np.array(list(given)), names, "class_weight").tolist()
            given = dict(zip(called, given.values(), strict=True))
        if set(given) != set(range(classes)):
            raise ValueError(
                f"`class_weight` must name every class 0…{classes - 1} once, got {list(given)}."
            )
        return as_weights([given[k] for k in range(classes)], classes, "class_weight")
    return as_weights(class_weight, classes, "class_weight")
