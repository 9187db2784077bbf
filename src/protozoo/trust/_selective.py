"""When a classifier had better say nothing: probabilities that are frequencies, and rejections by
cost or by risk."""

import math
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from .._checks import as_labels, of_model, of_values, refuse_unknown_classes, sample_numbers, truth
from .._module import (
    AbstractHomogeneous,
    buffer,
    degree,
    hyper,
    part,
    replaced,
    with_parts_in_units,
)
from .._schedules import as_scalar, positive
from .._types import Array, ArrayLike, Classes, Float, Int, PerSample, Scalar
from ..losses import AbstractDecision
from ..losses.internal import log_total, refuse_no_share, with_none
from ..models import PrototypeModel
from ..models.internal import carded_classes, decided, refuse_no_classifier


#: Log-odds of which float32 tells no larger ones apart: all that is surer is equally sure.
CERTAIN = 80.0

#: The border that nothing is sure enough for, and minus the one that everything is sure enough for.
BEYOND = 100.0


#: So many errors do not end the tests of borders at the first of them.
FEW = 3


class Tempered(AbstractDecision, AbstractHomogeneous):
    """Another decision, as sure as it is right: \\(p_k \\propto e^{s_k/T}\\). What it decides stays
    what it is.

    **Arguments:**

    - `decision`: any decision or loss.
    - `temperature`: T > 0; above one, it is less sure.

    `tempered` finds the temperature. Of a decision by distance, \\(p_k \\propto d_k^{-1/T}\\).

    **Raises:** `ValueError` for a temperature that is not positive.

    Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, *On calibration of modern neural networks*,
    ICML 2017.
    """

    decision: AbstractDecision = part()
    temperature: Scalar = hyper(default=1.0)

    def __check_init__(self):
        positive(self.temperature, "temperature")

    @property
    def open_set(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the decision can say "none of these"."""
        return self.decision.open_set

    @property
    def degree(self) -> int | None:
        """That of the decision."""
        return degree(self.decision)

    @property
    def relative(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the decision is one by differences."""
        return self.decision.relative

    @property
    def nearest_wins(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the nearest prototype decides."""
        return self.decision.nearest_wins

    def scores(
        self, delta: Float[Array, "n p"], labels: Int[np.ndarray, " p"]
    ) -> Float[Array, "n c"]:
        return self.decision.scores(delta, labels) / self.temperature

    def in_units(self, unit: Scalar) -> "Tempered":
        return with_parts_in_units(self, unit)


class Selective(AbstractDecision, AbstractHomogeneous):
    """A decision that rejects what it is not sure of: one class more, the last, wherever the odds
    of the best class, \\(p/(1-p)\\), are below a border.

    The class of what is rejected has the odds \\(e^b (1-p)/p\\) against the best class, b being the
    border. Between the other classes nothing changes.

    **Arguments:**

    - `decision`: between the classes: any decision or loss that cannot say "none of these".
    - `border`: b, the log-odds of the best class at the border; one for all, or for each class
      `(c,)` that of the samples that are taken for it.

    `reject_by_cost` and `reject_by_risk` find borders.

    **Raises:** `ValueError` for a decision that knows none of these already.

    Source: C. Chow, *On optimum recognition error and reject tradeoff*, IEEE Trans. Information
    Theory 16, 1970; L. Fischer, B. Hammer, H. Wersing, *Optimal local rejection for classifiers*,
    Neurocomputing 214, 2016.
    """

    decision: AbstractDecision = part()
    border: Float[Array, "*c"] = buffer(axis="class", default=0.0)
    open_set: ClassVar[bool] = True

    def __check_init__(self):
        _refuse_open(self.decision, "decision")

    @property
    def degree(self) -> int | None:
        """That of the decision."""
        return degree(self.decision)

    @property
    def relative(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the decision is one by differences."""
        return self.decision.relative

    def scores(
        self, delta: Float[Array, "n p"], labels: Int[np.ndarray, " p"]
    ) -> Float[Array, "n c"]:
        scores = self.decision.scores(delta, labels)
        best, sure = certainty(scores)
        if self.border.ndim and len(self.border) != scores.shape[1]:
            raise ValueError(
                f"`border` must be one number, or one for each of {scores.shape[1]} classes, got "
                f"{len(self.border)}."
            )
        return with_none(scores, sure - (self.border[best] if self.border.ndim else self.border))

    def in_units(self, unit: Scalar) -> "Selective":
        return with_parts_in_units(self, unit)


@of_values
@of_model
def tempered(model: PrototypeModel, x: Float[ArrayLike, "n ..."], y: Classes) -> PrototypeModel:
    """The model whose probabilities fit these samples best: its scores are divided by the one
    temperature with the largest likelihood. It predicts what it did.

    **Arguments:**

    - `model`: a classifier.
    - `x`, `y`: samples that it was not trained with, and their classes.

    \\(-\\sum_i \\log p_{y_i}\\) is convex in 1/T: its minimum is found to the last digit by
    Newton's steps within a bracket. `pz.evaluate` tells the calibration error before and after. A
    model that is tempered already is tempered anew. Training does not move the temperature: it
    comes last.

    **Raises:** `ValueError` for a model without classes, and where no temperature is the best one:
    the model errs on none of these samples, or is no better than chance.

    Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, *On calibration of modern neural networks*,
    ICML 2017.
    """
    decision = model.decides
    if isinstance(decision, Selective):
        raise ValueError("`model` rejects already, by the probabilities it has: temper it before.")
    if isinstance(decision, Tempered):
        decision, model = decision.decision, _deciding(model, decision.decision)
    labels = _labels(model, x, y)
    p = np.asarray(model.predict_proba(x))
    scores = np.log(np.maximum(p, np.finfo(p.dtype).tiny).astype(float))
    return _deciding(model, Tempered(decision, 1 / _inverse_temperature(scores, labels)))


@of_values
@of_model
def reject_by_cost(
    model: PrototypeModel,
    x: Float[ArrayLike, "n ..."],
    y: Classes,
    cost: float,
    per_class: bool = False,
) -> PrototypeModel:
    """The model that rejects a sample where an answer would cost more than none: an error costs
    one, a rejection `cost`.

    By Chow's rule, it rejects where the probability of the best class is below 1 - cost. With true
    probabilities, nothing costs less. So they are calibrated first (`tempered`).

    **Arguments:**

    - `model`: a classifier.
    - `x`, `y`: samples that it was not trained with, and their classes.
    - `cost`: in (0, 1). From 1 - 1/c on, c classes are never rejected.
    - `per_class`: whether each class has a border of its own, for the samples that are taken for
      it: that which costs least on these samples, where probabilities are not what they say. A
      class that no sample is taken for has Chow's.

    What is rejected is one class more, the last (named "rejected", if the others have names):
    `predict` gives c, and `predict_with_reject(x, lower=0, upper=0.5)` gives -1 in its place.

    **Raises:** `ValueError` for a cost outside (0, 1), a model that can say "none of these"
    already, and where `tempered` does.

    Source: C. Chow, *On optimum recognition error and reject tradeoff*, IEEE Trans. Information
    Theory 16, 1970; L. Fischer, B. Hammer, H. Wersing, *Optimal local rejection for classifiers*,
    Neurocomputing 214, 2016.
    """
    refuse_no_share(as_scalar(cost, "cost"), "cost")
    model = _closed(model)
    model, chow = tempered(model, x, y), math.log((1 - cost) / float(cost))
    if not truth(per_class, "per_class"):
        return _selective(model, np.asarray(chow))
    best, sure, wrong = _judged(model, x, y)
    groups = [best == k for k in range(model.classes)]
    cheapest = _cheapest(float(cost))
    return _selective(model, np.array([_border(sure[g], wrong[g], cheapest, chow) for g in groups]))


@of_values
@of_model
def reject_by_risk(
    model: PrototypeModel,
    x: Float[ArrayLike, "n ..."],
    y: Classes,
    risk: float,
    delta: float = 0.1,
    per_class: bool = False,
) -> PrototypeModel:
    """The model that answers as often as it can while it errs on no more than the share `risk` of
    its answers, with the probability 1 - delta over the samples that were held out.

    Borders are tested one after the other, from the surest samples on, until the first one of which
    these samples do not show that it keeps the promise: with k errors among m answers, where
    \\(P(B(m, r) \\le k) > \\delta\\), B(m, r) being binomial. As the order is fixed, all tests
    together err with probability δ. The first one keeps as many as could pass with three errors, at
    most half of all, and \\(\\log\\delta / \\log(1-r)\\) at least, with which none could pass. The
    promise holds for any number of samples, if those to come are like them, and if the model errs
    no more often where it is surer.

    **Arguments:**

    - `model`: a classifier; of more than two classes, tempered or not, it rejects others.
    - `x`, `y`: samples that it was not trained with, and their classes.
    - `risk`: r in (0, 1), the wished share of errors.
    - `delta`: δ in (0, 1).
    - `per_class`: whether the risk is to hold for the samples that are taken for each class by
      themselves, with probability 1 - δ for all of them together; each class then has a border of
      its own, tested with δ/c. A class of which nothing can be promised is always rejected, and a
      warning says so.

    What is rejected is one class more, the last, as `reject_by_cost` has it.

    **Raises:** `ValueError` for shares outside (0, 1), a model that can say "none of these"
    already, and if these samples show of no border that it keeps the risk: it says how many samples
    without an error would.

    Source: Y. Geifman, R. El-Yaniv, *Selective classification for deep neural networks*, NIPS 30,
    2017; A. Angelopoulos, S. Bates, E. Candès, M. Jordan, L. Lei, *Learn then test: calibrating
    predictive algorithms to achieve risk control*, arXiv, 2021.
    """
    for name, value in (("risk", risk), ("delta", delta)):
        refuse_no_share(as_scalar(value, name), name)
    model = _closed(model)
    best, sure, wrong = _judged(model, x, y)
    conditional = truth(per_class, "per_class")
    groups = [best == k for k in range(model.classes)] if conditional else [best >= 0]
    each = float(delta) / len(groups)
    passing = _passing(float(risk), each)
    borders = np.array([_border(sure[g], wrong[g], passing, BEYOND) for g in groups])
    enough = math.ceil(math.log(each) / math.log1p(-float(risk)))
    if (borders == BEYOND).all():
        of = " that are taken for one class" if conditional else ""
        raise ValueError(
            f"`risk`: these {len(sure)} samples show of no border that errors are at most "
            f"{float(risk):g} of the answers, which takes {enough} samples{of} without an error, "
            "or more with few. Hold out more, or allow a larger `risk` or `delta`."
        )
    if (silent := np.flatnonzero(borders == BEYOND)).size:
        warnings.warn(
            f"samples that are taken for class {', '.join(map(str, silent))} are always rejected: "
            f"{enough} of the surest without an error would show that a risk of {float(risk):g} is "
            "kept.",
            UserWarning,
            stacklevel=2,
        )
    return _selective(model, borders if conditional else borders[0])


def certainty(scores: Float[Array, "n c"]) -> tuple[Int[Array, " n"], PerSample]:
    """The best class, and its log-odds \\(\\log p/(1-p)\\)."""
    best = decided(scores)
    rows = scores.T
    own = jnp.arange(len(rows))[:, None] == best
    top = jnp.max(rows, axis=0)
    others = log_total(jnp.where(own, -jnp.inf, rows - top))
    return best, jnp.clip(-others, -CERTAIN, CERTAIN)


def _certainty(seen: Any) -> tuple[Array, Array]:
    return certainty(seen.scores())


def _judged(model: PrototypeModel, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each sample is taken for, how surely, and whether that is wrong."""
    labels = _labels(model, x, y)
    best, sure = (np.asarray(answer) for answer in model.ask(_certainty, x))
    return best, sure.astype(float), best != labels


#: Says from how many of the surest samples each border keeps, and how many of them are wrong, which
#: border it takes: its place, or -1 for none.
Choice = Callable[[np.ndarray, np.ndarray], int]


def _border(sure: np.ndarray, wrong: np.ndarray, choice: Choice, otherwise: float) -> float:
    """The border that is chosen, of those between samples of different certainty; without samples,
    another one.

    Half-way between two samples, no rounding moves one of them across.
    """
    if not len(sure):
        return otherwise
    order = np.argsort(-sure, kind="stable")
    falling = sure[order]
    ends = np.flatnonzero(np.append(np.diff(falling) < 0, True))
    place = choice(ends + 1, np.cumsum(wrong[order])[ends])
    if place < 0:
        return BEYOND
    return -BEYOND if place + 1 == len(ends) else float(falling[ends[place:][:2]].mean())


def _cheapest(cost: float) -> Choice:
    """The border that costs least: an error one, a rejection `cost`; of several, the one that keeps
    most."""

    def choice(kept: np.ndarray, errors: np.ndarray) -> int:
        costs = errors - cost * kept  # and what it costs to reject everything
        place = len(costs) - 1 - int(np.argmin(costs[::-1]))
        return place if costs[place] <= 0 else -1

    return choice


def _passing(risk: float, delta: float) -> Choice:
    """The last border before the first one whose risk may be too large."""

    def choice(kept: np.ndarray, errors: np.ndarray) -> int:
        from scipy.special import bdtr

        # Where so many samples are kept that none of them wrong would do, and up to a half of all
        # for a few errors: who begins with the fewest is stopped by a single one.
        every = np.arange(1, kept[-1] + 1)
        least, few = (1 + np.sum(bdtr(np.minimum(k, every), every, risk) > delta) for k in (0, FEW))
        start = int(np.searchsorted(kept, max(least, min(few, kept[-1] // 2))))
        failed = bdtr(errors[start:], kept[start:], risk) > delta
        passed = int(failed.argmax()) if failed.any() else len(failed)
        return start + passed - 1 if passed else -1

    return choice


def _inverse_temperature(scores: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]) -> float:
    """The β that minimises \\(\\sum_i \\log\\sum_k e^{\\beta s_{ik}} - \\beta s_{iy_i}\\), which is
    convex.

    **Raises:** `ValueError` if it falls for ever, or is smallest at zero.
    """
    scores = scores - scores.max(axis=1, keepdims=True)
    own = scores[np.arange(len(labels)), labels].mean()

    def slopes(beta: float) -> tuple[float, float]:
        p = np.exp(beta * scores)
        p /= p.sum(axis=1, keepdims=True)
        mean = np.sum(p * scores, axis=1)
        return float(mean.mean() - own), float(np.mean(np.sum(p * scores**2, axis=1) - mean**2))

    if own == 0:
        raise ValueError(
            f"the model errs on none of the {len(labels)} samples of `x`, and no temperature fits "
            "them best: hold out more samples, on some of which it errs."
        )
    if slopes(0.0)[0] >= 0:
        raise ValueError(
            "on the samples of `x`, the model is no better than chance: no temperature makes it as "
            "sure as it is right."
        )
    low, high = 0.0, 1.0
    while slopes(high)[0] < 0:
        low, high = high, 2 * high
    beta = high
    for _ in range(200):
        slope, curvature = slopes(beta)
        low, high = (beta, high) if slope < 0 else (low, beta)
        step = beta - slope / curvature if curvature > 0 else low
        new = step if low < step < high else (low + high) / 2
        if abs(new - beta) <= 1e-12 * beta:
            break
        beta = new
    return beta


def _labels(model: PrototypeModel, x: Any, y: Any) -> np.ndarray:
    """The classes of samples, known to the model."""
    refuse_no_classifier(model, "clusters have no errors that could be rejected")
    labels = as_labels(y, len(sample_numbers(x)), names=carded_classes(model))
    refuse_unknown_classes(labels, model.classes)
    return labels


def _closed(model: PrototypeModel) -> PrototypeModel:
    """A classifier without the class of what is rejected; another border takes its place."""
    decision = model.decides
    if isinstance(decision, Selective):
        model = _deciding(model, decision.decision)
        if model.card is not None and model.card.classes is not None:
            model = model.named(classes=model.card.classes[: model.classes])
    _refuse_open(model.decides, "model")
    return model


def _selective(model: PrototypeModel, border: Any) -> PrototypeModel:
    selective = _deciding(model, Selective(model.decides, border))
    if model.card is None or model.card.classes is None:
        return selective
    return selective.named(classes=[*model.card.classes, "rejected"])


def _deciding(model: PrototypeModel, decision: AbstractDecision) -> PrototypeModel:
    return replaced(model, decision=decision)


def _refuse_open(decision: AbstractDecision, name: str) -> None:
    if decision.open_set:
        raise ValueError(
            f"`{name}`: {type(decision).__name__} can say 'none of these' already, which would be "
            "mixed up with what is rejected: `model.calibrated(x, rate)` moves its border, and "
            "`predict_with_reject(x, lower=…, upper=…)` has two of them."
        )
