"""Data and weights, checked once, as the compiled loop takes them."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import as_labels, as_weights, refuse_unknown_classes
from .._types import Array, ArrayLike
from ..models import PrototypeModel
from ..models._chunks import map_chunks, rows_per_chunk
from ._objective import Batch


ClassWeight = str | Mapping[int, float] | None


def as_batch(
    model: PrototypeModel,
    x: ArrayLike,
    y: ArrayLike | None,
    sample_weight: ArrayLike | None = None,
    class_weight: ClassWeight = None,
    name: str = "",
) -> Batch:
    """All samples as one batch, with weights of mean one."""
    x = model.check_values(x, f"{name}x")
    labels = None
    if model.loss.supervised:
        if y is None:
            raise ValueError(f"`{name}y` is missing: {type(model.loss).__name__} learns from labelled samples.")
        labels = as_labels(y, len(x), f"{name}y")
        refuse_unknown_classes(labels, model.classes, f"{name}y")
    elif y is not None:
        raise ValueError(f"`{name}y` was given, but {type(model.loss).__name__} learns without labels: leave it out.")
    weight = _weights(labels, len(x), model.classes, sample_weight, class_weight)
    return Batch(x, None if labels is None else jnp.asarray(labels), jnp.asarray(weight, x.dtype), encoded=False)


def encode_once(model: PrototypeModel, mask: PrototypeModel, batch: Batch) -> Batch:
    """What a frozen encoder makes of the samples: it is applied once, not once in every epoch."""
    if isinstance(model.encoder, eqx.nn.Identity) or any(jax.tree.leaves(mask.encoder)):
        return batch
    return Batch(_encode(model, batch.x), batch.y, batch.weight, encoded=True)


def as_validation(
    model: PrototypeModel,
    mask: PrototypeModel,
    given: tuple[ArrayLike, ArrayLike] | ArrayLike | None,
    weight: ArrayLike | None = None,
) -> Batch | None:
    """`(x, y)`, or x alone without labels, as one batch that is monitored."""
    if given is None:
        return None
    x, y = given if isinstance(given, tuple) else (given, None)
    return encode_once(model, mask, as_batch(model, x, y, weight, name="validation "))


@eqx.filter_jit
def _encode(model: PrototypeModel, x: Array) -> Array:
    return map_chunks(model.encode, x, rows_per_chunk(len(x), x[0].size))


def _weights(
    y: np.ndarray | None, n: int, classes: int, sample_weight: ArrayLike | None, class_weight: ClassWeight
) -> np.ndarray:
    weight = as_weights(sample_weight, n)
    if class_weight is not None:
        if y is None:
            raise ValueError("`class_weight` needs classes, and this model learns without labels.")
        weight = weight * _of_classes(y, classes, class_weight)[y]
    if weight.sum() <= 0:
        raise ValueError("the weights of all samples are zero: nothing can be learned.")
    return weight * (n / weight.sum())


def _of_classes(y: np.ndarray, classes: int, class_weight: str | Mapping[int, float]) -> np.ndarray:
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(f"`class_weight` must be 'balanced' or a mapping from class to weight, got {class_weight!r}.")
        counts = np.bincount(y, minlength=classes)
        return len(y) / (classes * np.maximum(counts, 1))
    if set(class_weight) != set(range(classes)):
        raise ValueError(f"`class_weight` must name every class 0…{classes - 1} once, got {sorted(class_weight)}.")
    values = np.array([class_weight[k] for k in range(classes)], float)
    if not np.isfinite(values).all() or values.min() < 0:
        raise ValueError(f"`class_weight` must be finite and not negative, got {class_weight!r}.")
    return values
