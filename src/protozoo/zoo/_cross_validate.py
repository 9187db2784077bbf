"""How well a model does on samples that it has not seen."""

import dataclasses
from typing import Any

import jax
import numpy as np

from .._checks import as_key
from .._types import ArrayLike, PRNGKeyArray
from ..models import PrototypeModel
from ..training import Fit, Trainer, fit_many
from ._fit import Maker, look_up, trainer_settings
from ._recipe import Recipe, taken


@dataclasses.dataclass(frozen=True, repr=False)
class CrossValidation:
    """The result of `cross_validate`.

    - `scores`: the accuracy on each held-out fold.
    - `fits`: the trained models, fold by fold.
    - `folds`: for each sample, the fold that held it out; -1 for samples without weight.
    """

    scores: np.ndarray
    fits: list[Fit[PrototypeModel]]
    folds: np.ndarray

    @property
    def mean(self) -> float:
        """The mean accuracy."""
        return float(self.scores.mean())

    @property
    def standard_error(self) -> float:
        """Of the mean, over folds."""
        return float(self.scores.std(ddof=1) / np.sqrt(len(self.scores)))

    def __repr__(self) -> str:
        return f"CrossValidation(mean={self.mean:.4g}, standard_error={self.standard_error:.2g}, folds={len(self.scores)})"


def cross_validate(
    model: str | Recipe | Maker,
    x: ArrayLike,
    y: ArrayLike,
    *,
    folds: int = 5,
    key: PRNGKeyArray | int | None = None,
    sample_weight: ArrayLike | None = None,
    trainer: Trainer | None = None,
    **options: Any,
) -> CrossValidation:
    """Stratified cross-validation; all folds are trained as one program.

    Each model starts from its own training samples (prototypes, bandwidths) and learns from them alone: the held-out ones
    have weight zero.

    **Arguments:**

    - `model`: a name of the table, a row of your own (`Recipe`), or a function `(x, y, *, key, **options)` that composes a
      model; of those that learn from labels.
    - `x`, `y`: samples and their classes 0…c-1. Scaling that depends on data is yours, and belongs into the folds.
    - `folds`: how many; no class may be smaller.
    - `key`: a random key; `jax.random.key(0)` by default.
    - `sample_weight`: how many copies of each sample there are, `(n,)`, in building, training and scoring. A sample of weight
      zero is not there: it is in no fold.
    - `trainer`: the row's default by default; a function has none.
    - `options`: those of the row or the function, and without a `trainer` those of `Trainer`.

    **Raises:** `ValueError` for a model that learns without labels, fewer than two folds, classes smaller than that, and
    models whose structure depends on the fold (all samples as prototypes).
    """
    recipe = look_up(model)
    if not recipe.supervised:
        raise ValueError(f"{recipe.name} learns without labels: there is no accuracy to validate.")
    x, labels, weight = taken(recipe, x, y, sample_weight)
    there = np.ones(len(x), bool) if sample_weight is None else np.asarray(sample_weight) > 0
    sizes = np.bincount(labels)
    if isinstance(folds, bool) or not isinstance(folds, int | np.integer) or folds < 2:
        raise ValueError(f"`folds` must be an integer of at least 2, got {folds!r}.")
    if folds > sizes.min():
        raise ValueError(
            f"`folds` is {folds}, but class {sizes.argmin()} has {sizes.min()} samples only, and every fold needs one of "
            f"each class: ask for {sizes.min()} folds at most, or leave the class out."
        )
    settings = {} if trainer is not None else trainer_settings(options)
    trainer = recipe.trainer(**settings) if trainer is None else trainer
    keys = jax.random.split(as_key(0 if key is None else key), folds + 2)
    fold = stratified(labels, folds, np.random.default_rng(np.asarray(jax.random.key_data(keys[-1]))))
    host, weight = np.asarray(x), np.ones(len(x)) if weight is None else weight
    told = [{} if sample_weight is None else {"sample_weight": weight[fold != i]} for i in range(folds)]
    models = [recipe(host[fold != i], labels[fold != i], key=keys[i], **told[i], **options) for i in range(folds)]
    seen = np.where(fold != np.arange(folds)[:, None], weight, 0)
    fits = sorted(fit_many(trainer, models, x, labels, key=keys[-2], sample_weight=seen), key=lambda fit: fit.member)
    right = np.stack([np.asarray(fit.model.predict(x)) == labels for fit in fits])
    scores = [np.average(right[i, fold == i], weights=weight[fold == i]) for i in range(folds)]
    of_all = np.full(len(there), -1)
    of_all[there] = fold
    return CrossValidation(np.array(scores), fits, of_all)


def stratified(y: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """A fold for each sample, classes spread as evenly as can be."""
    fold, shift = np.empty(len(y), int), 0
    for k in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == k))
        # Each class goes on where the last one ended, so that folds differ in size by one at most.
        fold[members] = (np.arange(len(members)) + shift) % folds
        shift += len(members)
    return fold
