"""How well a model does on samples that it has not seen."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from .._checks import as_key, column_names, of_kind, of_values, said_of
from .._keys import split
from .._reports import aligned, estimate, plain
from .._types import ArrayLike, PRNGKeyArray
from ..evaluation import MORE_IS_BETTER, Evaluation
from ..models import PrototypeModel
from ..training import Fit, Trainer, fit_many
from ..training.internal import refuse_for_one_model
from ._fit import Maker, by_numbers, look_up, trainer_settings
from ._origin import carded
from ._recipe import Recipe, taken


@dataclasses.dataclass(frozen=True, repr=False)
class CrossValidation:
    """The result of `cross_validate`; printed as a table.

    - `scores`: the accuracy on each held-out fold.
    - `fits`: the trained models, fold by fold.
    - `folds`: for each sample, the fold that held it out; -1 for samples without weight.
    - `evaluations`: all measures on the held-out folds.
    """

    scores: np.ndarray
    fits: list[Fit[PrototypeModel]]
    folds: np.ndarray
    evaluations: list[Evaluation]

    @property
    def mean(self) -> float:
        """The mean accuracy."""
        return float(self.scores.mean())

    @property
    def standard_error(self) -> float:
        """Of the mean, over folds."""
        return _standard_error(self.scores)

    def of(self, measure: str) -> np.ndarray:
        """A measure of `Evaluation` that is one number (`"log_loss"`) on each held-out fold.

        **Raises:** `ValueError` for another name.
        """
        _refuse_other_measures(measure)
        return np.array([getattr(one, measure) for one in self.evaluations])

    def as_dict(self) -> dict[str, Any]:
        """For each measure its mean, standard error and value on each fold: plain values, ready for
        JSON."""
        measures = {name: self.of(name) for name in MORE_IS_BETTER}
        return plain(
            {
                name: {"mean": of.mean(), "standard_error": _standard_error(of), "folds": of}
                for name, of in measures.items()
            }
        )

    def __str__(self) -> str:
        rows = [(f"{len(self.scores)} folds", "mean")]
        for name in MORE_IS_BETTER:
            of = self.of(name)
            rows.append((name.replace("_", " "), estimate(of.mean(), _standard_error(of))))
        return aligned(rows)

    def __repr__(self) -> str:
        return (
            f"CrossValidation(mean={self.mean:.4g}, standard_error={self.standard_error:.2g}, "
            f"folds={len(self.scores)})"
        )


@of_values
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
    """Stratified cross-validation; all folds are trained by one program.

    Each model starts from its own training samples (prototypes, bandwidths) and learns from them
    alone: the held-out ones have weight zero.

    **Arguments:**

    - `model`: a name of the table, a row of your own (`Recipe`), or a function
      `(x, y, *, key, **options)` that composes a model; of those that learn from labels.
    - `x`, `y`: samples and their classes, numbers 0…c-1 or words. Samples are scaled within the
      folds by the option `standardise=True` (see `pz.fit`).
    - `folds`: how many; no class may be smaller.
    - `key`: a random key; `jax.random.key(0)` by default.
    - `sample_weight`: how many copies of each sample there are, `(n,)`, in building, training and
      scoring. A sample of weight zero is not there: it is in no fold.
    - `trainer`: the row's default by default; a function has none.
    - `options`: those of the row or the function, and without a `trainer` those of `Trainer`.

    **Raises:** `ValueError` for a model that learns without labels, fewer than two folds, classes
    smaller than that, models whose structure depends on the fold (all samples as prototypes), and
    settings that belong to the training of one model (callbacks, checkpoints, metrics).
    """
    recipe, trainer = look_up(model), of_kind(trainer, Trainer | None, "trainer")
    if not recipe.supervised:
        raise ValueError(f"{recipe.name} learns without labels: there is no accuracy to validate.")
    given, (y, class_names) = x, by_numbers(recipe, y)
    x, labels, weight = taken(recipe, x, y, sample_weight)
    there = np.ones(len(x), bool) if sample_weight is None else np.asarray(sample_weight) > 0
    sizes = np.bincount(labels)
    if isinstance(folds, bool) or not isinstance(folds, int | np.integer) or folds < 2:
        raise ValueError(f"`folds` must be an integer of at least 2, got {folds!r}.")
    if folds > sizes.min():
        raise ValueError(
            f"`folds` is {folds}, but class {sizes.argmin()} has {sizes.min()} samples only, and "
            f"every fold needs one of each class: ask for {sizes.min()} folds at most, or leave "
            "the class out."
        )
    settings = trainer_settings(options)
    if settings and trainer is not None:
        raise ValueError(
            f"{', '.join(map('`{}`'.format, settings))}: a setting of a trainer, and `trainer` is "
            "given: set it there, or leave `trainer` out."
        )
    trainer = recipe.trainer(**settings) if trainer is None else trainer
    given_for_one = (*trainer.for_one_model, *(name for name in options if name in _OF_ONE_FIT))
    refuse_for_one_model(given_for_one, "there is one for each fold: leave it out")
    if trainer.metrics:
        raise ValueError(
            "`metrics` are measured while one model is trained; the result of `cross_validate` has "
            f"measures on the held-out folds: {', '.join(f'`of({m!r})`' for m in MORE_IS_BETTER)}."
        )
    keys = split(as_key(0 if key is None else key), folds + 2)
    fold = stratified(
        labels, folds, np.random.default_rng(np.asarray(jax.random.key_data(keys[-1])))
    )
    weight = np.ones(len(x)) if weight is None else weight
    told = [
        {} if sample_weight is None else {"sample_weight": weight[fold != i]} for i in range(folds)
    ]
    models = []
    for i in range(folds):
        own = x[fold != i]
        one = recipe(own, labels[fold != i], key=keys[i], **told[i], **options)
        names = column_names(given)
        models.append(carded(one, recipe, trainer, own, options, class_names, names))
    seen = np.where(fold != np.arange(folds)[:, None], weight, 0)
    fits = sorted(
        fit_many(trainer, models, x, labels, key=keys[-2], sample_weight=seen),
        key=lambda fit: fit.member,
    )
    # Of all samples, so that all folds ask one compiled program.
    answers = [np.asarray(fit.model.predict_proba(x)) for fit in fits]
    evaluations = [
        Evaluation.of_probabilities(
            answer[fold == i], labels[fold == i], weight[fold == i], class_names=class_names
        )
        for i, answer in enumerate(answers)
    ]
    of_all = np.full(len(there), -1)
    of_all[there] = fold
    scores = np.array([one.accuracy for one in evaluations])
    return CrossValidation(scores, fits, of_all, evaluations)


#: What `pz.fit` takes and folds do not.
_OF_ONE_FIT = ("validation", "class_weight", "restarts", "resume")


def _refuse_other_measures(measure: Any) -> None:
    if not isinstance(measure, str) or measure not in MORE_IS_BETTER:
        raise ValueError(
            f"`measure` must be one of {', '.join(map(repr, MORE_IS_BETTER))}, got {measure!r}."
        )


#: What may be compared: a model, or one with options of its own.
Candidate = str | Recipe | Maker | tuple[str | Recipe | Maker, Mapping[str, Any]]


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Comparison:
    """The result of `compare`; printed as a table, the best model first.

    - `measure`: what is compared.
    - `results`: of each model, by its name, in the order in which they were given.
    """

    measure: str
    results: dict[str, CrossValidation]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the m models."""
        return tuple(self.results)

    @property
    def scores(self) -> np.ndarray:
        """The measure of each model on each held-out fold, `(m, folds)`."""
        return np.stack([result.of(self.measure) for result in self.results.values()])

    @property
    def means(self) -> np.ndarray:
        """Over folds, `(m,)`."""
        return self.scores.mean(axis=1)

    @property
    def standard_errors(self) -> np.ndarray:
        """Of the means, over folds, `(m,)`."""
        return np.array([_standard_error(one) for one in self.scores])

    @property
    def best(self) -> str:
        """The name of the model with the best mean, the first of equals."""
        return self.names[self._order()[0]]

    @property
    def differences(self) -> np.ndarray:
        """Of each mean from the best one, `(m,)`."""
        return self._from_best().mean(axis=1)

    @property
    def difference_errors(self) -> np.ndarray:
        """The standard errors of the differences, fold by fold: what all models find hard in a fold
        is in none of them, `(m,)`."""
        return np.array([_standard_error(one) for one in self._from_best()])

    def as_dict(self) -> dict[str, Any]:
        """The table as plain values, ready for JSON."""
        columns = zip(
            self.names,
            self.means,
            self.standard_errors,
            self.differences,
            self.difference_errors,
            self.scores,
            strict=True,
        )
        models = {
            name: {
                "mean": mean,
                "standard_error": error,
                "difference": difference,
                "difference_error": difference_error,
                "folds": scores,
            }
            for name, mean, error, difference, difference_error, scores in columns
        }
        return plain({"measure": self.measure, "best": self.best, "models": models})

    def __repr__(self) -> str:
        said = ", ".join(f"{n}={m:.4g}" for n, m in zip(self.names, self.means, strict=True))
        return f"Comparison({self.measure}: {said})"

    def __str__(self) -> str:
        rows = [("model", self.measure.replace("_", " "), "difference from the best")]
        means, errors = self.means.tolist(), self.standard_errors.tolist()
        differences, difference_errors = self.differences.tolist(), self.difference_errors.tolist()
        for at, i in enumerate(self._order()):
            difference = estimate(differences[i], difference_errors[i]) if at else ""
            rows.append((self.names[i], estimate(means[i], errors[i]), difference))
        return aligned(rows)

    def _from_best(self) -> np.ndarray:
        return self.scores - self.scores[self._order()[0]]

    def _order(self) -> np.ndarray:
        sign = -1 if MORE_IS_BETTER[self.measure] else 1
        return np.argsort(sign * self.means, kind="stable")


@of_values
def compare(
    models: Sequence[Candidate] | Mapping[str, Candidate],
    x: ArrayLike,
    y: ArrayLike,
    *,
    folds: int = 5,
    key: PRNGKeyArray | int | None = None,
    sample_weight: ArrayLike | None = None,
    measure: str = "accuracy",
    **options: Any,
) -> Comparison:
    """Which of these models does best? All are cross-validated on the same folds, the folds of each
    by one program.

    `print(pz.compare(["GLVQ", "GMLVQ"], x, y))` is a table of means, standard errors, and
    differences from the best, which are taken fold by fold.

    **Arguments:**

    - `models`: names of the table, rows of your own, and functions that compose a model, as
      `cross_validate` takes them; each alone, or with options of its own,
      `("GMLVQ", {"latent_dim": 2})`. A mapping says what they are called.
    - `x`, `y`: samples and their classes, numbers 0…c-1 or words.
    - `folds`, `key`, `sample_weight`: as `cross_validate` has them.
    - `measure`: of `Evaluation`: `"accuracy"`, `"balanced_accuracy"`, `"log_loss"`,
      `"brier_score"`, `"calibration_error"`.
    - `options`: of all models, or of their trainers (`epochs=50`).

    Training sets of folds overlap: differences of less than two or three standard errors say
    little.

    **Raises:** `ValueError` without models, for two of one name, and as `cross_validate` does,
    naming the model.
    """
    _refuse_other_measures(measure)
    results: dict[str, CrossValidation] = {}
    for name, model, own in _candidates(models):
        with said_of(name):
            results[name] = cross_validate(
                model,
                x,
                y,
                folds=folds,
                key=key,
                sample_weight=sample_weight,
                **{**options, **own},
            )
    return Comparison(measure, results)


def _candidates(models: Any) -> list[tuple[str, Any, Mapping[str, Any]]]:
    """What each is called, the model, and its own options."""
    if isinstance(models, str | Recipe) or not isinstance(models, Sequence | Mapping):
        raise TypeError(
            "`models` must be a list of names, rows and functions, or a mapping from what they are "
            f"called, got {models!r}."
        )
    if not models:
        raise ValueError("`models` must hold one model at least.")
    named = isinstance(models, Mapping)
    found = []
    for called, given in models.items() if named else ((None, one) for one in models):
        model, own = given if isinstance(given, tuple) and len(given) == 2 else (given, {})
        if isinstance(model, tuple) or not isinstance(own, Mapping):
            raise TypeError(
                "`models` must hold models, each alone or with its options as a pair, such as "
                f"`('GMLVQ', {{'latent_dim': 2}})`, got {given!r}."
            )
        if named and not isinstance(called, str):
            raise TypeError(f"`models` must call each model by a word, got {called!r}.")
        found.append((called if named else look_up(model).name, model, own))
    names = [name for name, *_ in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"`models` has {twice[0]!r} more than once: say what they are called, "
            f"`{{{twice[0] + ' 2'!r}: ({twice[0]!r}, {{…}}), …}}`."
        )
    return found


def _standard_error(scores: np.ndarray) -> float:
    """Of the mean over folds."""
    return float(scores.std(ddof=1) / np.sqrt(len(scores)))


def stratified(y: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """A fold for each sample, classes spread as evenly as can be."""
    fold, shift = np.empty(len(y), int), 0
    for k in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == k))
        # Each class goes on where the last one ended, so that folds differ in size by one at most.
        fold[members] = (np.arange(len(members)) + shift) % folds
        shift += len(members)
    return fold
