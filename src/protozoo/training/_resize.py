"""Other prototypes for a model: fewer where they do no work, more where the error is."""

from typing import Any, TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._argmin import nearest_column
from .._checks import (
    as_key,
    as_labels,
    as_weights,
    of_kind,
    positive_integer,
    refuse_unknown_classes,
)
from .._module import hyper, static
from .._schedules import within
from .._statistics import counting
from .._types import Array, ArrayLike, Bool, Float, Int, PRNGKeyArray, Scalar
from ..losses.internal import nearest_of_classes
from ..models import PrototypeModel
from ..models.internal import carded_classes
from ..prototypes.internal import generator
from ._objective import sample_losses
from ._trainer import TrainState


#: A model, or its state in training.
Resized = TypeVar("Resized", PrototypeModel, TrainState)


class Resize(eqx.Module):
    """Take out prototypes that win too few samples, then split those with the largest error, in any
    model: what growing neural gas does to its own.

    `Phases(trainers, between=Resize(split=2))` does so between phases; `Resize(split=2)(model, x,
    y, key=key)` does so to a model, or to a `TrainState`, at any time.

    **Arguments:**

    - `least`: a prototype is taken out whose win ratio (`model.win_ratios`; with labels, of samples
      of its own class) is not above this. The best one of each class stays.
    - `split`: how many prototypes are split, if there are as many with an error: a prototype is
      added beside each of them.
    - `capacity`: no prototype is added beyond this number; without end by default.

    The error of a prototype is the sum of the losses of the samples that it wins (with labels,
    among the prototypes of their class), counted from the smallest loss of all. A prototype is
    added at one of these samples, drawn with a probability proportional to its part of the error;
    what belongs to it is that of the nearest one (`model.grow`).

    **Raises:** `ValueError` for numbers out of range.
    """

    least: Scalar = hyper(default=0.0)
    split: int = static(default=1)
    capacity: int | None = static(default=None)

    def __check_init__(self):
        within(self.least, "least", "[0, 1]")
        if self.split != 0:
            positive_integer(self.split, "split")
        if self.capacity is not None:
            positive_integer(self.capacity, "capacity")

    def __call__(
        self,
        model: Resized,
        x: Float[ArrayLike, "n ..."],
        y: ArrayLike | None = None,
        *,
        key: PRNGKeyArray | int,
        sample_weight: ArrayLike | None = None,
    ) -> Resized:
        """The model with other prototypes.

        **Arguments:**

        - `model`: a model, or the state of one in training.
        - `x`, `y`: samples, and their classes if prototypes have some.
        - `key`: a random key.
        - `sample_weight`: how many copies of each sample there are.

        **Raises:** `TypeError` for a model without prototypes, `ValueError` for labels that are
        missing, and for a loss that is no sum over samples.
        """
        weight, samples, classes = _checked(_model(model), x, y, sample_weight)
        own = classes if _model(model).prototypes.labelled else None
        ratios = np.asarray(_model(model).win_ratios(samples, own, weight))
        model = model.select(_kept(_model(model), ratios, float(self.least)))
        room = self.split
        if self.capacity is not None:
            room = min(room, self.capacity - len(_model(model).prototypes))
        if room <= 0:
            return model
        now = _model(model)
        chosen, split = _worst(now, samples, classes, weight, room, as_key(key))
        if len(chosen) == 0:
            return model
        points = jnp.asarray(samples[chosen])
        points = now.scaled(points) if now.encode_prototypes else now.encode(points)
        return model.grow(points, now.prototypes.labels[split] if now.prototypes.labelled else None)


def _model(model: PrototypeModel | TrainState) -> PrototypeModel:
    return model.model if isinstance(model, TrainState) else model


def _checked(
    model: PrototypeModel, x: ArrayLike, y: ArrayLike | None, sample_weight: ArrayLike | None
) -> tuple[Any, ...]:
    """Weights, samples and classes, of the samples that there are."""
    of_kind(model, PrototypeModel, "model")
    if not model.additive:
        raise ValueError(
            f"`model`: {model.loss_name} is no sum over samples, so that no sample has an error."
        )
    needed = model.supervised or model.prototypes.labelled
    if needed != (y is not None):
        raise ValueError(
            "`y` "
            f"{'is missing: this model knows' if needed else 'was given, but this model has no'} "
            "classes."
        )
    x = np.asarray(model.check_values(x))
    weight = as_weights(sample_weight, len(x))
    if y is not None:
        y = as_labels(y, len(x), names=carded_classes(model))
        refuse_unknown_classes(y, model.classes)
    return counting(weight, x, y)


def _kept(
    model: PrototypeModel, ratios: Float[np.ndarray, " p"], least: float
) -> Bool[np.ndarray, " p"]:
    """Those that win enough, and the best one of each class."""
    prototypes, keep = model.prototypes, ratios > least
    groups = np.split(np.arange(len(ratios)), np.cumsum(prototypes.counts or ())[:-1])
    keep[[group[ratios[group].argmax()] for group in groups]] = True
    return keep


def _worst(
    model: PrototypeModel,
    x: np.ndarray,
    y: np.ndarray | None,
    weight: Float[np.ndarray, " n"],
    count: int,
    key: PRNGKeyArray,
) -> tuple[Int[np.ndarray, " q"], Int[np.ndarray, " q"]]:
    """Samples at which prototypes are added, and the prototypes that they are taken from: the
    largest errors first."""
    winners = np.asarray(model.ask(_nearest_of_classes, x))
    winner = winners[np.arange(len(x)), y] if model.prototypes.labelled else winners[:, 0]
    losses = sample_losses(model, x, y)
    errors = weight / weight.max() * (losses - losses.min())
    totals = np.bincount(winner, errors, len(model.prototypes))
    worst = np.argsort(-totals, kind="stable")[:count]
    worst, random = worst[totals[worst] > 0], generator(key)
    chosen = []
    for j in worst:
        own = np.flatnonzero(winner == j)
        chosen.append(random.choice(own, p=errors[own] / errors[own].sum()))
    return np.array(chosen, int), worst


def _nearest_of_classes(seen: Any) -> Int[Array, "n c"]:
    """The nearest prototype of each class, or of all."""
    labels, delta = seen.model.prototypes.labels, seen.dissimilarities()
    if not seen.model.prototypes.labelled:
        return nearest_column(delta)[:, None]
    return nearest_of_classes(delta, labels)
