"""How well does a classifier do: on samples that it has not seen, and while it is trained?

A named metric is a function of what a model says, `(scores, y, weight) → number`, which a compiled
loop can compute: `Trainer(rule, 100, metrics=["accuracy", mine])`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ._checks import (
    as_labels,
    as_names,
    as_numbers,
    as_weights,
    counted,
    of_model,
    of_values,
    positive_integer,
    refuse_unknown_classes,
    renamed,
    sample_numbers,
)
from ._namespace import public
from ._reports import aligned, estimate, plain
from ._statistics import blocks, copies, counting
from ._types import Array, ArrayLike, Classes, Float, Labels, PerSample, Scalar, Scores
from .models import AbstractTrainable, PrototypeModel
from .models.internal import Names, carded_classes, decided, probabilities, refuse_no_classifier


#: A function of the scores of classes, true classes and weights of samples, to one number.
Metric = Callable[[Array, Array, Array], Scalar]

#: Of confidences, from 0 to 1, all of one width.
BINS = 15
#: More would take memory for nothing.
MOST_BINS = 1_000_000

#: The measures that are one number, and whether more of it is better.
MORE_IS_BETTER = {
    "accuracy": True,
    "balanced_accuracy": True,
    "log_loss": False,
    "brier_score": False,
    "calibration_error": False,
}

#: The most classes whose confusions are printed.
PRINTED = 20


# Metrics of a compiled loop.


def accuracy(scores: Scores, y: Labels, weight: PerSample) -> Scalar:
    """The share of samples whose class is the most probable one."""
    return _mean(decided(scores) == y, weight)


def balanced_accuracy(scores: Scores, y: Labels, weight: PerSample) -> Scalar:
    """The mean over classes of the share of their samples that is right; a class without samples
    does not count."""
    of_class = jax.nn.one_hot(y, scores.shape[1], dtype=weight.dtype)
    mass = weight @ of_class
    right = jnp.where(decided(scores) == y, weight, 0) @ of_class
    there = mass > 0
    return jnp.sum(right / jnp.where(there, mass, 1)) / jnp.sum(there)


def log_loss(scores: Scores, y: Labels, weight: PerSample) -> Scalar:
    """The mean of \\(-\\log p_y\\), p being the softmax of the scores."""
    log_p = jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], axis=1)[:, 0]
    least = jnp.log(jnp.finfo(scores.dtype).tiny)
    return _mean(-jnp.where(jnp.isnan(log_p), least, jnp.maximum(log_p, least)), weight)


def brier_score(scores: Scores, y: Labels, weight: PerSample) -> Scalar:
    """The mean of \\(\\sum_k (p_k - [y = k])^2\\), from 0 to 2."""
    p = probabilities(scores)
    squares = jnp.sum((p - jax.nn.one_hot(y, p.shape[1], dtype=p.dtype)) ** 2, axis=1)
    return _mean(jnp.where(jnp.isnan(squares), 2, squares), weight)


def calibration_error(scores: Scores, y: Labels, weight: PerSample) -> Scalar:
    """How far the probability of the most probable class is from the share of samples that is
    right: the mean over bins of confidence of the distance between the two.

    Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, *On calibration of modern neural networks*,
    ICML 2017.
    """
    sure = jnp.max(probabilities(scores), axis=1)
    sure = jnp.where(jnp.isnan(sure), 1, sure)
    place = jnp.minimum((sure * BINS).astype(jnp.int32), BINS - 1)
    gaps = weight * (sure - (decided(scores) == y))
    # Sums along rows: one sample after the other, a million of them are lost in rounding.
    of_bins = jnp.sum(jnp.where(place == jnp.arange(BINS)[:, None], gaps, 0), axis=1)
    return jnp.sum(jnp.abs(of_bins)) / jnp.sum(weight)


def _mean(values: Array, weight: PerSample) -> Scalar:
    return jnp.sum(weight * values) / jnp.sum(weight)


#: The metrics that a trainer knows by name.
METRICS: dict[str, Metric] = {
    function.__name__: function
    for function in (accuracy, balanced_accuracy, log_loss, brier_score, calibration_error)
}


# On samples that a model has not seen.


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Evaluation:
    """How well a classifier does on some samples; printed as a table.

    Weights are numbers of copies: everything, standard errors included, is what it would be if
    copies were samples. Where no float holds their sum, they are counted in units of a power of
    two.

    - `classes`: the names of the c classes.
    - `samples`: how many there are, the sum of their weights.
    - `support`: how many of each class, `(c,)`.
    - `accuracy`: the share that is right.
    - `balanced_accuracy`: the mean over classes of `recall`; classes without samples do not count.
    - `log_loss`: the mean of \\(-\\log p_y\\); a probability too small for its type is the smallest
      number of it.
    - `brier_score`: the mean of \\(\\sum_k (p_k - [y = k])^2\\), from 0 to 2 (twice the score that
      is often taken for two classes).
    - `calibration_error`: the expected calibration error, \\(\\sum_b s_b |a_b - c_b|\\) over bins
      of confidence of one width: the share of samples in them, of those the share that is right,
      and the mean probability of the most probable class. It is never negative, so that few samples
      make it larger than it is. Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, *On calibration
      of modern neural networks*, ICML 2017.
    - `precision`: of the samples that are taken for each class the share that is right, `(c,)`; NaN
      for a class that none is taken for.
    - `recall`: of the samples of each class the share that is right, `(c,)`; NaN without samples.
    - `confusion`: how many samples of class i are taken for class j, `(c, c)`.
    - `unknown`: for how many the model had no answer (NaN). Such an answer is an error: it counts
      as one that is sure of a wrong class.
    - `bins`: for each bin of confidence the share of samples in it, their mean confidence, and the
      share of them that is right (NaN where there are none), `(bins, 3)`.
    - `standard_errors`: of all measures, by their names. They come from influence functions (the
      delta method): the standard deviation over samples of what each of them contributes, by the
      square root of their number. A share of 0 or 1 has an error of 0: no other sample was seen.
      That of the calibration error holds the bins fixed, and is too small where it is near zero.
    """

    classes: tuple[str, ...]
    samples: float
    support: np.ndarray
    accuracy: float
    balanced_accuracy: float
    log_loss: float
    brier_score: float
    calibration_error: float
    precision: np.ndarray
    recall: np.ndarray
    confusion: np.ndarray
    unknown: float
    bins: np.ndarray
    standard_errors: dict[str, Any]

    @classmethod
    @renamed(names="class_names")
    def of_probabilities(
        cls,
        probabilities: Float[ArrayLike, "n c"],
        y: Classes,
        sample_weight: ArrayLike | None = None,
        *,
        class_names: Names = None,
        bins: int = BINS,
    ) -> "Evaluation":
        """Of answers that are there already: `evaluate` with `model.predict_proba(x)`.

        **Arguments:**

        - `probabilities`: of each class, `(n, c)`: not negative, and of each sample one together;
          ones and zeros may be integers or truth values. NaN is an answer that is not known.
        - `y`, `sample_weight`, `class_names`, `bins`: as `evaluate` has them.

        **Raises:** `ValueError` for what is no probability, for classes without a column, and other
        lengths.
        """
        p = np.asarray(as_numbers(probabilities, "probabilities"))
        p = p if jnp.issubdtype(p.dtype, jnp.floating) else p.astype(float)
        _refuse_no_probabilities(p)
        return _evaluation(p, y, sample_weight, class_names, bins)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, ready for JSON; what is not known (NaN) is `None`."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return plain(fields)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name):.4g}" for name in MORE_IS_BETTER)
        return f"Evaluation(samples={self.samples:g}, {shown})"

    def __str__(self) -> str:
        return "\n\n".join([self._measures(), self._of_classes(), self._confusions()])

    def _measures(self) -> str:
        lines = [f"{self.samples:g} samples of {len(self.classes)} classes"]
        for name in MORE_IS_BETTER:
            title = name.replace("_", " ").replace("brier", "Brier")
            value = estimate(getattr(self, name), self.standard_errors[name])
            lines.append(f"{title:<18} {value}")
        if self.unknown:
            lines.append(f"{'unknown answers':<18} {self.unknown:g}, which count as errors")
        return "\n".join(lines)

    def _of_classes(self) -> str:
        rows: list[tuple[str, ...]] = [("class", "precision", "recall", "samples")]
        for k, name in enumerate(self.classes):
            both = [
                estimate(getattr(self, measure)[k], self.standard_errors[measure][k])
                for measure in ("precision", "recall")
            ]
            rows.append((name, *both, f"{self.support[k]:g}"))
        return aligned(rows)

    def _confusions(self) -> str:
        if len(self.classes) > PRINTED:
            return f"confusion: {len(self.classes)} × {len(self.classes)} numbers in `.confusion`"
        rows = [("true, taken for", *self.classes)]
        for name, row in zip(self.classes, self.confusion, strict=True):
            rows.append((name, *(f"{value:g}" for value in row)))
        return aligned(rows)


@renamed(names="class_names")
@of_values
@of_model
def evaluate(
    model: AbstractTrainable,
    x: ArrayLike,
    y: Classes,
    sample_weight: ArrayLike | None = None,
    *,
    class_names: Names = None,
    bins: int = BINS,
) -> Evaluation:
    """How well a classifier does on these samples: accuracy, precision, recall, probabilities, with
    standard errors.

    `print(pz.evaluate(model, x, y))` is a table, and `pz.plots.evaluation` a picture.

    **Arguments:**

    - `model`: any classifier that has `predict_proba`: prototypes with classes, networks, models of
      one class (0 for targets, 1 for others), models that know "none of these" as their last class.
    - `x`, `y`: samples that it was not trained with, and their classes, by numbers 0…c-1 or by
      their names.
    - `sample_weight`: how many copies of each sample there are, `(n,)`.
    - `class_names`: the classes' names; those on the model's card by default.
    - `bins`: of confidence, for the calibration error.

    **Raises:** `ValueError` for a model without classes, for samples that it does not take and
    classes that it does not know.
    """
    refuse_no_classifier(model, "`pz.validity` measures clusterings")
    class_names = (
        carded_classes(model) if class_names is None else as_names(class_names, "class_names")
    )
    if isinstance(model, PrototypeModel):
        model.check_columns(x)
    x, labels, weight = counted(x, y, sample_weight, class_names)
    answers: Any = model
    return _evaluation(np.asarray(answers.predict_proba(x)), labels, weight, class_names, bins)


class RejectCurve(NamedTuple):
    """How accurate a classifier is on what it keeps, at each threshold that makes a difference.

    - `thresholds`: confidences, ascending: samples below them are rejected.
    - `rejected`: the share of samples that is rejected, from zero.
    - `accuracy`: the share of the others that is right.
    """

    thresholds: np.ndarray
    rejected: np.ndarray
    accuracy: np.ndarray


@of_values
@of_model
def reject_curve(
    model: AbstractTrainable,
    x: ArrayLike,
    y: Classes,
) -> RejectCurve:
    """The accuracy–reject curve: a classifier rejects the samples that it is least sure of, and is
    right more often on the others.

    Samples of equal confidence are kept together. `trust.reject_by_cost` and `trust.reject_by_risk`
    choose a point of it, `plots.accuracy_reject` draws it.

    **Arguments:**

    - `model`: a classifier that has `predict` and `confidence`.
    - `x`, `y`: samples that it was not trained with, and their classes.

    **Raises:** `ValueError` for a model without classes, and classes that it does not know.

    Source: M. Nadeem, J.-D. Zucker, B. Hanczar, *Accuracy-rejection curves (ARCs) for comparing
    classification methods with a reject option*, MLSB 2010.
    """
    refuse_no_classifier(model, "nothing that it says is right or wrong")
    answers: Any = model
    labels = as_labels(y, len(sample_numbers(x)), names=carded_classes(model))
    refuse_unknown_classes(labels, model.classes)
    right = np.asarray(answers.predict(x)) == labels
    sure = np.asarray(answers.confidence(x), float)
    order = np.argsort(-sure, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(sure[order]) < 0, True))[::-1]
    accuracy = np.cumsum(right[order])[ends] / (ends + 1)
    return RejectCurve(sure[order][ends], 1 - (ends + 1) / len(sure), accuracy)


def _refuse_no_probabilities(p: np.ndarray) -> None:
    """Raise `ValueError` for rows that are no probabilities of classes; NaN may be among them."""
    if p.ndim != 2 or not p.size:
        raise ValueError(f"`probabilities` must have shape (n, classes), got {p.shape}.")
    known = np.asarray(p[np.isfinite(p).all(axis=1)], float)
    far = np.abs(known.sum(axis=1) - 1) > max(1e-3, float(jnp.finfo(p.dtype).eps))
    wrong = np.flatnonzero(far | (known < 0).any(axis=1))
    if len(wrong):
        raise ValueError(
            "`probabilities` must not be negative, and those of each sample must sum to one, got "
            f"{known[wrong[0]]}: of scores s, take `jax.nn.softmax(s)`."
        )


def _evaluation(p: np.ndarray, y: Any, sample_weight: Any, names: Names, bins: int) -> Evaluation:
    positive_integer(bins, "bins")
    if bins > MOST_BINS:
        raise ValueError(f"`bins` must be {MOST_BINS} at most, got {bins}.")
    (n, count), tiny = p.shape, float(jnp.finfo(p.dtype).tiny)
    names = None if names is None else as_names(names, "class_names", {count})
    labels = as_labels(y, n, names=names)
    refuse_unknown_classes(labels, count)
    weight, p, labels = counting(copies(as_weights(sample_weight, n)), p, labels)
    known, guess, sure, surprise, squares = _of_samples(p, labels, tiny)
    del p  # before others of its size are made
    right, total = np.equal(guess, labels), weight.sum()

    # Each sample's part in a mean, and those means whose standard errors are asked for.
    values = {
        "accuracy": right.astype(float),
        "log_loss": surprise,
        "brier_score": squares,
    }
    means: dict[str, Any] = {n: float(weight @ value / total) for n, value in values.items()}
    errors: dict[str, Any] = {n: _error(v - means[n], weight) for n, v in values.items()}

    confusion = np.zeros((count, count))
    np.add.at(confusion, (labels[known], guess[known]), weight[known])
    hits, support, taken = (
        np.diag(confusion),
        np.bincount(labels, weight, count),
        confusion.sum(axis=0),
    )
    recall, precision = _share(hits, support), _share(hits, taken)
    errors["recall"], errors["precision"] = (
        np.sqrt(_share(np.maximum(share * (1 - share), 0), mass))
        for share, mass in ((recall, support), (precision, taken))
    )
    there = np.greater(support, 0)
    balanced = float(recall[there].mean())
    errors["balanced_accuracy"] = float(
        np.sqrt(np.sum(errors["recall"][there] ** 2)) / np.count_nonzero(there)
    )

    place = np.minimum((sure * bins).astype(int), bins - 1)
    mass, confidence, correct = (
        np.bincount(place, weight * value, bins) for value in (np.ones(len(sure)), sure, right)
    )
    gaps = confidence - correct
    calibration = float(np.abs(gaps).sum() / total)
    errors["calibration_error"] = _error(
        np.sign(gaps)[place] * (sure - right) - calibration, weight
    )
    return Evaluation(
        classes=tuple(map(str, range(count) if names is None else names)),
        samples=float(total),
        support=support,
        balanced_accuracy=balanced,
        calibration_error=calibration,
        precision=precision,
        recall=recall,
        confusion=confusion,
        unknown=float(weight[~known].sum()),
        bins=np.stack([mass / total, _share(confidence, mass), _share(correct, mass)], axis=1),
        standard_errors=errors,
        **means,
    )


def _of_samples(p: np.ndarray, labels: np.ndarray, tiny: float) -> tuple[np.ndarray, ...]:
    """Of each sample: whether its answer is known, the best class, its probability, minus the
    logarithm of that of the true class, and the squared distance from certainty of it.

    A few rows at a time: what is computed of all probabilities takes memory for as many.
    """
    n, certain = len(p), np.eye(p.shape[1])
    known, guess = np.empty(n, bool), np.empty(n, np.int32)
    sure, surprise, squares = np.empty(n), np.empty(n), np.empty(n)
    for rows in blocks(p):
        some, own = np.asarray(p[rows], float), labels[rows]
        known[rows] = there = np.asarray(np.isfinite(some).all(axis=1))
        answers = np.where(there[:, None], some, 0)
        guess[rows] = np.where(there, answers.argmax(axis=1), -1)
        sure[rows] = np.where(there, answers.max(axis=1), 1)
        surprise[rows] = -np.log(np.maximum(answers[np.arange(len(own)), own], tiny))
        squares[rows] = np.where(there, np.sum((some - certain[own]) ** 2, axis=1), 2)
    return known, guess, sure, surprise, squares


def _error(influence: np.ndarray, weight: np.ndarray) -> float:
    """The standard error of what has this influence function: every copy of a sample counts."""
    return float(np.sqrt(weight @ influence**2) / weight.sum())


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """A part of something; NaN of nothing."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)


__all__ = public(globals())
