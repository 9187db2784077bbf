"""Data that arrive without end, and change: a classifier that goes on learning, and what it was
worth on its way."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import (
    as_labels,
    as_numbers,
    as_parts,
    as_words,
    of_kinds,
    of_values,
    positive_integer,
    refuse_negative,
    refuse_unknown_classes,
    said_of,
)
from .._module import buffer, hyper, part, replaced, static
from .._schedules import as_scalar, within
from .._types import Array, ArrayLike, Bool, Float, Int, Scalar
from ..models import AbstractTrainable, PrototypeModel, Selection
from ..models.internal import carded_classes
from ._freeze import Freeze, trainable_mask
from ._gradient import GradientDescent
from ._stream import Stream, batches_of
from ._trainer import Trainer, TrainState


#: So many buckets of a size there are before the two oldest become one of twice the size.
BUCKETS = 5

#: At so many places a prototype is tried before one is added.
TRIED = 16


class ADWIN(eqx.Module):
    """The errors since they last changed: a window that grows as long as its older and its newer
    part may have the same mean, and that loses its oldest errors where they do not.

    For every cut of the window into \\(n_0\\) older and \\(n_1\\) newer samples, with their error
    rates \\(\\mu_0, \\mu_1\\) and \\(\\mu\\) of all, there is a change if

    \\[|\\mu_0 - \\mu_1| \\ge \\sqrt{\\tfrac{2}{m}\\,\\mu(1-\\mu)\\ln\\tfrac{2}{\\delta'}} +
    \\tfrac{2}{3m}\\ln\\tfrac{2}{\\delta'}, \\qquad \\tfrac1m = \\tfrac1{n_0} + \\tfrac1{n_1},\\]

    \\(\\delta'\\) the confidence divided by the number of cuts. Batches are kept as an exponential
    histogram: of n batches, the counts of O(log n) buckets.

    **Arguments:**

    - `confidence`: δ in (0, 1), the probability of a change that is none, each time one looks.

    **Raises:** `ValueError` for a confidence outside (0, 1).

    Source: A. Bifet, R. Gavaldà, *Learning from time-changing data with adaptive windowing*, SIAM
    International Conference on Data Mining 2007.
    """

    confidence: Scalar = hyper(default=0.002)
    #: Of each bucket, the oldest first: its samples, the errors among them, and its batches.
    buckets: Int[Array, "3 b"] = buffer(default_factory=lambda: np.zeros((3, 0), int))

    def __check_init__(self):
        within(self.confidence, "confidence", "(0, 1)")

    @property
    def samples(self) -> int:
        """How many samples the window holds."""
        return int(np.asarray(self.buckets)[0].sum())

    @property
    def error(self) -> float:
        """The share of errors in the window; zero as long as it is empty."""
        samples, errors, _ = np.asarray(self.buckets).sum(axis=1)
        return float(errors / max(samples, 1))

    def updated(self, errors: int, samples: int) -> tuple["ADWIN", bool]:
        """The detector after another batch, and whether there is a change for the worse.

        **Arguments:**

        - `errors`: how many samples of the batch were wrong.
        - `samples`: of how many.

        **Raises:** `ValueError` unless there is a sample, and no more errors than samples.
        """
        positive_integer(samples, "samples")
        if not 0 <= errors <= samples:
            raise ValueError(f"`errors` must lie in [0, {samples}], got {errors}.")
        new = np.array([[samples], [errors], [1]])
        buckets = np.concatenate([np.asarray(self.buckets, np.int64), new], axis=1)
        size = 1
        while len(same := np.flatnonzero(buckets[2] == size)) > BUCKETS:
            buckets[:, same[1]] += buckets[:, same[0]]
            buckets, size = np.delete(buckets, same[0], axis=1), 2 * size
        before = buckets[1].sum() / buckets[0].sum()
        kept = buckets
        while self._changed(kept):
            kept = kept[:, 1:]
        worse = kept.shape != buckets.shape and kept[1].sum() / kept[0].sum() > before
        return replaced(self, buckets=jnp.asarray(kept, jnp.int32)), bool(worse)

    def _changed(self, buckets: np.ndarray) -> bool:
        cuts = buckets.shape[1] - 1
        if cuts == 0:
            return False
        (n, wrong), (older, errors) = buckets[:2].sum(axis=1), np.cumsum(buckets[:2, :-1], axis=1)
        newer = n - older
        harmonic, mean = older * newer / n, wrong / n
        log = math.log(2 * cuts / float(self.confidence))
        bound = np.sqrt(2 / harmonic * mean * (1 - mean) * log) + 2 / (3 * harmonic) * log
        return bool(np.any(np.abs(errors / older - (wrong - errors) / newer) >= bound))


class AdaptiveLVQ(eqx.Module):
    """Learning vector quantisation of data that change: batch after batch, `learner =
    learner.learn(x, y)`.

    **Arguments:**

    - `model`: any `PrototypeModel` with classes of which winners alone learn and decide (GLVQ,
      GMLVQ, LGMLVQ, LVQ1 …).
    - `optimiser`: the name of one (`pz.training.OPTIMISERS`).
    - `learning_rate`: η of a learner that makes no errors.
    - `boost`: that of one that is always wrong, as a multiple of it: the rate is
      \\(\\eta(1 + (b-1)\\hat e)\\), ê the error rate since the last change.
    - `window`: on how many of the latest samples prototypes are judged.
    - `capacity`: of each class, how many prototypes there are at most.
    - `level`: of the sign tests, in (0, 1).
    - `detector`: of changes.
    - `freeze`: which parts do not learn, as `Trainer` has it.

    What is done with a batch: (1) the model answers, and the detector is told of its errors; (2)
    one step of gradient descent; (3) prototypes come and go, judged by what is left in the window
    of samples since the last change:

    - Where the errors of a class gather, one is **added**: of the class with the most errors, at
      that of its misclassified samples where the window gains most, \\(b\\) errors less and \\(c\\)
      more, if a sign test says that it is no chance (\\(P(B \\ge b) \\le \\alpha / \\text{number of
      places tried}\\), B binomial with \\(b+c\\) trials of probability ½).
    - One is **removed** without which there are \\(b\\) errors less and \\(c\\) more, if the same
      test says so, or if the window is full and \\(b \\ge c\\): that it wins nothing is the case of
      \\(b = c = 0\\). The last one of a class stays.

    By the first rule the errors in the window become fewer; by the second they never become more.
    What the optimiser remembers of a new prototype is what it remembers of the nearest one.

    Numbers of prototypes are structure of compiled programs. So each class has room for as many as
    the largest one, rounded up to a power of two; the rest are copies of its first one, which no
    winner notices: there are no more than \\(1 + \\log_2\\) `capacity` programs for each size of
    batch. Memory does not grow with the number of batches. A learner is never changed, but
    replaced; pickled and read again, it goes on bit by bit as it would have. Its `model` is saved
    as any other.

    **Raises:** `ValueError` for a model without classes, one that notices copies of prototypes, one
    that has more of a class than its capacity, and numbers out of range.
    """

    state: TrainState = part()
    detector: ADWIN = part()
    #: How many prototypes of each class there are; the others are copies.
    living: Int[Array, " c"] = buffer()
    #: The latest samples and their classes, of which `seen` are ones.
    x: Float[Array, "w ..."] = buffer()
    y: Int[Array, " w"] = buffer()
    learning_rate: Scalar = hyper()
    boost: Scalar = hyper()
    level: Scalar = hyper()
    #: How many samples have been seen, changes for the worse found, and when the last of them was.
    seen: Int[Array, ""] = buffer(default=0)
    drifts: Int[Array, ""] = buffer(default=0)
    drifted_at: Int[Array, ""] = buffer(default=-1)
    optimiser: str = static(default="adam")
    window: int = static(default=500)
    capacity: int = static(default=8)

    @of_values
    @of_kinds
    def __init__(
        self,
        model: PrototypeModel,
        *,
        optimiser: str = "adam",
        learning_rate: Float[ArrayLike, ""] = 0.01,
        boost: Float[ArrayLike, ""] = 10.0,
        window: int = 500,
        capacity: int = 8,
        level: Float[ArrayLike, ""] = 0.01,
        detector: ADWIN | None = None,
        freeze: Freeze = None,
    ):
        if not (model.prototypes.labelled and model.supervised):
            raise ValueError(
                "`model` must learn from classes, and its prototypes stand for them: "
                f"{model.loss_name} of {len(model.prototypes)} prototypes does not."
            )
        positive_integer(window, "window")
        positive_integer(capacity, "capacity")
        self.learning_rate = as_scalar(learning_rate, "learning_rate")
        self.boost, self.level = as_scalar(boost, "boost"), as_scalar(level, "level")
        refuse_negative(self.learning_rate, "learning_rate")
        within(self.boost, "boost", "[1, inf)")
        within(self.level, "level", "(0, 1)")
        counts = np.asarray(model.prototypes.counts)
        if counts.max() > capacity:
            raise ValueError(
                f"`capacity` is {capacity}, and a class of the model has {counts.max()} prototypes."
            )
        _refuse_noticing(model)
        try:
            trainable_mask(model, freeze)
        except (TypeError, ValueError) as error:
            raise ValueError(f"`freeze`: {error}") from error
        self.optimiser, self.window, self.capacity = optimiser, int(window), int(capacity)
        self.detector = ADWIN() if detector is None else detector
        state = Trainer(GradientDescent(optimiser, learning_rate), 1, freeze=freeze).init(model)
        # Schedules of progress are at their end: there is no other one.
        loop = replaced(state.loop, step=state.loop.step + 1)
        state = replaced(state, loop=loop)
        sources = np.split(np.arange(counts.sum()), np.cumsum(counts)[:-1])
        self.state = _arranged(state, sources, _power(int(counts.max())))
        self.living = jnp.asarray(counts)
        shape = model.check_samples(np.zeros((1, *(model.sample_shape or (1,))))).shape[1:]
        self.x, self.y = jnp.zeros((self.window, *shape)), jnp.zeros(self.window, int)
        self.seen, self.drifts, self.drifted_at = jnp.asarray(0), jnp.asarray(0), jnp.asarray(-1)

    def __repr__(self) -> str:
        said = f"living={self.living}, seen={self.seen}, drifts={self.drifts}"
        return f"AdaptiveLVQ(state={self.state!r}, {said})"

    @property
    def model(self) -> PrototypeModel:
        """The model as it is now, of its own prototypes alone."""
        return self.state.model.select(np.concatenate(self._slots()))

    @property
    def rate(self) -> float:
        """The learning rate of the next batch, by the errors that are known."""
        return float(self.learning_rate) * (1 + (float(self.boost) - 1) * self.detector.error)

    def predict(self, x: Float[ArrayLike, "n ..."]) -> Int[Array, " n"]:
        """What the model predicts (`PrototypeModel.predict`)."""
        return self.state.model.predict(x)

    def learn(self, x: Float[ArrayLike, "n ..."], y: ArrayLike) -> "AdaptiveLVQ":
        """The learner after another batch.

        **Arguments:**

        - `x`: samples; batches of one size share their programs.
        - `y`: their classes.

        **Raises:** `ValueError` for samples that do not fit, also so far away that nothing finite
        can be learned from them, and classes that the model does not know.
        """
        model = self.state.model
        samples = np.asarray(model.check_values(x))
        labels = as_labels(y, len(samples), names=carded_classes(model))
        refuse_unknown_classes(labels, len(np.asarray(self.living)))
        errors = int(np.sum(np.asarray(model.predict(samples)) != labels))
        detector, drift = self.detector.updated(errors, len(samples))
        seen = np.asarray(self.seen) + len(samples)
        after = replaced(
            self,
            detector=detector,
            seen=seen,
            drifts=np.asarray(self.drifts) + drift,
            drifted_at=seen if drift else self.drifted_at,
            x=np.concatenate([self.x, samples])[-self.window :],
            y=np.concatenate([self.y, labels])[-self.window :],
        )
        rule = GradientDescent(self.optimiser, after.rate)
        state = replaced(self.state, plan=replaced(self.state.plan, rule=rule))
        state, loss = Trainer(rule, 1).step(state, samples, labels)
        if not math.isfinite(loss):
            raise ValueError(
                "`x`: what is learned from this batch is not finite: a sample lies too far from "
                f"the prototypes (entries up to {np.nanmax(np.abs(samples)):.3g}). The learner "
                "stays what it was: leave the batch out, or give it in the units of the others."
            )
        return after._of(state, after._slots())._grown()._pruned()

    # Prototypes are in slots, those of a class beside each other, and the living first.

    def _slots(self) -> list[np.ndarray]:
        """The slots of the living, class by class."""
        counts = self.state.model.prototypes.counts
        assert counts is not None
        living = np.asarray(self.living)
        return [k * counts[0] + np.arange(count) for k, count in enumerate(living)]

    def _of(self, state: TrainState, slots: Sequence[np.ndarray]) -> "AdaptiveLVQ":
        """The learner whose living are those in these slots, class by class."""
        before = sum(state.model.prototypes.counts or ())
        living = np.array([len(some) for some in slots])
        room = max(_power(int(living.max())), before // len(living))
        if living.sum() < before or room * len(living) > before:  # otherwise there are no copies
            state = _arranged(state, slots, room)
        return replaced(self, state=state, living=living)

    def _judged(self) -> tuple[np.ndarray, np.ndarray]:
        """The samples since the last change, as far as the window remembers them."""
        latest = slice(-min(self.detector.samples, self.window), None)
        return np.asarray(self.x)[latest], np.asarray(self.y)[latest]

    def _distances(self, model: PrototypeModel, x: np.ndarray) -> np.ndarray:
        """δ of samples of the window: of as many each time, so that one program will do."""
        return np.asarray(model.distances(x[np.arange(self.window) % len(x)]))[: len(x)]

    def _grown(self) -> "AdaptiveLVQ":
        """With a prototype more, where errors of a class gather."""
        (x, y), model, slots = self._judged(), self.state.model, self._slots()
        labels = model.prototypes.labels
        delta = self._distances(model, x)
        wrong, nearest = labels[delta.argmin(axis=1)] != y, delta.min(axis=1)
        k = int(np.bincount(y[wrong], minlength=len(slots)).argmax())
        errors = np.flatnonzero(wrong & (y == k))
        count = max(1, min(len(errors), TRIED))
        level = float(self.level) / count
        if len(slots[k]) == self.capacity or not _more(len(errors) - 1, 0, level):
            return self
        places = errors[np.linspace(0, len(errors) - 1, count).astype(int)]
        beside = slots[k][delta[np.ix_(places, slots[k])].argmin(axis=1)]
        points = jnp.asarray(x[places])
        points = model.scaled(points) if model.encode_prototypes else model.encode(points)
        taken = self._to(model, points, beside, x) < nearest[:, None]
        # The sample itself is no evidence.
        fewer = (taken & (wrong & (y == k))[:, None]).sum(axis=0) - 1
        more = (taken & (~wrong & (y != k))[:, None]).sum(axis=0)
        best = int((fewer - more).argmax())
        if not _more(int(fewer[best]), int(more[best]), level):
            return self
        slots[k] = np.append(slots[k], beside[best])
        grown = self._of(self.state, slots)
        return replaced(grown, state=_put(grown.state, int(grown._slots()[k][-1]), points[best]))

    def _to(
        self,
        model: PrototypeModel,
        points: Float[Array, "q ..."],
        beside: Int[np.ndarray, " q"],
        x: Float[np.ndarray, "n ..."],
    ) -> Float[np.ndarray, "n q"]:
        """δ of samples to points, had each of them what belongs to the prototype beside it: in the
        model's own program, some of them at a time in the place of its prototypes."""
        p, found = len(model.prototypes), []
        for at in range(0, len(points), p):
            some = np.resize(np.arange(at, min(at + p, len(points))), p)
            probe = _selection(model, beside[some], model.prototypes.counts, p)
            found.append(self._distances(probe.moved(probe.of(model), points[some]), x))
        return np.concatenate(found, axis=1)[:, : len(points)]

    def _pruned(self) -> "AdaptiveLVQ":
        """Without the prototypes that only do harm, or nothing at all."""
        (x, y), slots = self._judged(), self._slots()
        labels, delta = self.state.model.prototypes.labels, self._distances(self.state.model, x)
        full, before = len(x) == self.window, self.living
        while True:
            living = np.concatenate(slots)
            order = living[np.argsort(delta[:, living], axis=1, kind="stable")[:, :2]]
            first, second = order[:, 0], order[:, -1]
            now, then = labels[first] == y, labels[second] == y
            fewer = np.bincount(first, ~now & then, len(labels)).astype(int)
            more = np.bincount(first, now & ~then, len(labels)).astype(int)
            can = np.concatenate([some for some in slots if len(some) > 1] or [np.zeros(0, int)])
            can = can[np.argsort((more - fewer)[can], kind="stable")]
            pairs = [(j, int(fewer[j]), int(more[j])) for j in can]
            level = float(self.level)
            goes = [j for j, b, c in pairs if (full and b >= c) or _more(b, c, level)]
            if not goes:
                break
            slots = [some[some != goes[0]] for some in slots]
        same = sum(map(len, slots)) == np.sum(np.asarray(before))
        return self if same else self._of(self.state, slots)


def _power(count: int) -> int:
    """The next power of two."""
    return 1 << (count - 1).bit_length()


def _more(fewer: int, more: int, level: float) -> bool:
    """The sign test: whether a fair coin falls `fewer` times or oftener on one side, of `fewer +
    more`, with no more than this probability."""
    ways = sum(math.comb(fewer + more, k) for k in range(max(fewer, 0), fewer + more + 1))
    return fewer > more and math.log2(ways) - fewer - more <= math.log2(level)


def _selection(
    model: PrototypeModel, prototypes: np.ndarray, counts: tuple[int, ...] | None, moved: int = 0
) -> Selection:
    """These prototypes of a model, some of them perhaps several times; the first ones may move."""
    classes = model.classes - model.decides.open_set
    before = (len(model.prototypes), classes)
    return Selection(prototypes, np.arange(classes), counts, before, np.arange(moved))


def _arranged(state: TrainState, slots: Sequence[np.ndarray], room: int) -> TrainState:
    """The state with so many slots for each class: these prototypes, and copies of the first."""
    every = [np.concatenate([some, np.repeat(some[:1], room - len(some))]) for some in slots]
    return state._taken(_selection(state.model, np.concatenate(every), (room,) * len(slots)))


def _put(state: TrainState, place: int, point: Array) -> TrainState:
    """The state with a prototype at this point."""
    p = len(state.model.prototypes)
    selection = _selection(state.model, np.arange(p), None)._replace(places=np.array([place]))
    params, rest = (selection.moved(t, point[None]) for t in (state.loop.params, state.rest))
    return replaced(state, loop=replaced(state.loop, params=params), rest=rest)


def _refuse_noticing(model: PrototypeModel) -> None:
    """Refuse a loss or a decision that copies of prototypes change: where they are shared out, a
    copy takes a share."""
    labels, random = model.prototypes.labels, np.random.default_rng(0)
    twice = np.repeat(np.arange(len(labels)), 2)
    counts = tuple(2 * count for count in model.prototypes.counts or ())
    copied = _selection(model, twice, counts).of(model)
    delta = random.uniform(0.5, 1, (64, len(labels)))
    y = np.arange(64) % model.prototypes.classes

    def said(some: Any, delta: np.ndarray) -> list[Array]:
        given = jnp.asarray(delta, some.prototypes.points.dtype)
        labels = some.prototypes.labels
        return [some.decides.scores(given, labels), some.loss(given, labels, jnp.asarray(y), 1.0)]

    # Operation by operation, so that equal numbers stay equal; what is infinite on the way, such as
    # a rival that a class does not have, is then seen by whoever looks for infinities.
    with jax.debug_infs(False):
        pairs = zip(said(model, delta), said(copied, delta[:, twice]), strict=True)
        notices = not model.additive or any(not np.array_equal(a, b) for a, b in pairs)
    if notices:
        raise ValueError(
            f"`model`: {model.loss_name}, or its decision, is one in which prototypes share "
            "samples, or are counted: choose one of winners alone, such as `GLVQ` or `LVQ1`."
        )


# What learning was worth on its way.


@runtime_checkable
class Learner(Protocol):
    """What answers and goes on learning."""

    def predict(self, x: Any) -> Any:
        """The classes of samples."""
        ...

    def learn(self, x: Any, y: Any) -> "Learner":
        """The learner after another batch, a new one or the same."""
        ...


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Prequential:
    """How a classifier did on a stream, each batch of which it first answered and then learned.

    - `learner`: what it has become.
    - `samples`: how many samples there had been after each of the b batches, `(b,)`.
    - `correct`: how many of each batch were right, `(b,)`.
    - `prototypes`: how many prototypes there were after it, `(b,)`; zero for what has none.
    - `drifts`: after how many samples a change for the worse was found.
    """

    learner: Any
    samples: Int[np.ndarray, " b"]
    correct: Int[np.ndarray, " b"]
    prototypes: Int[np.ndarray, " b"]
    drifts: tuple[int, ...]

    @property
    def accuracy(self) -> float:
        """The share of all samples that was right."""
        return float(self.correct.sum() / self.samples[-1])

    def windowed(self, window: int = 1000) -> Float[np.ndarray, " b"]:
        """After each batch, the share that was right of so many latest samples, or of the fewest
        batches that have as many.

        **Raises:** `ValueError` for a window that is no positive integer.
        """
        positive_integer(window, "window")
        ends = np.concatenate([[0], self.samples])
        right = np.concatenate([[0], np.cumsum(self.correct)])
        starts = np.searchsorted(ends, np.maximum(self.samples - window, 0), side="right") - 1
        return (right[1:] - right[starts]) / (ends[1:] - ends[starts])

    def __repr__(self) -> str:
        last = f"{self.windowed()[-1]:.3f} of the last thousand"
        found = f"{len(self.drifts)} drifts, {self.prototypes[-1]} prototypes"
        seen = f"samples={self.samples[-1]}, accuracy={self.accuracy:.3f}"
        return f"Prequential({seen}, {last}, {found})"


def prequential(learner: Any, stream: Stream) -> Prequential:
    """Test, then train: each batch is answered before it is learned, so that all samples are new
    ones when they count.

    **Arguments:**

    - `learner`: an `AdaptiveLVQ`, or anything with `predict(x)` and `learn(x, y)`, which returns
      the learner that goes on (itself, if it changes). What has `predict` alone, such as a model,
      stays what it is.
    - `stream`: batches `(x, y)`, or a function from the epoch, 0, to them (`Slices`); classes of a
      model may be called by their names.

    **Raises:** `ValueError` for a stream without batches, batches without classes or with weights
    (which no learner takes), and for classes that do not fit their samples or that the model does
    not know; `TypeError` for a learner that predicts nothing, and for what is no stream.

    Source: J. Gama, R. Sebastião, P. Rodrigues, *On evaluating stream learning algorithms*, Machine
    Learning 90, 2013.
    """
    if not callable(getattr(learner, "predict", None)):
        raise TypeError(f"`learner` must have `predict`, got {type(learner).__name__}.")
    samples, correct, prototypes, drifts = [], [], [], []
    for number, batch in enumerate(batches_of(stream, 0, "stream")):
        with said_of(f"batch {number} of `stream`"):
            x, y, weight = as_parts(batch, "a batch")
            if y is None:
                raise ValueError("a batch must be `(x, y)`, and has no classes.")
            if weight is not None:
                raise ValueError(
                    "a batch must be `(x, y)`, and has weights, which no learner takes: repeat "
                    "samples in place of them."
                )
            right = _right(learner, x, y)
        learner = learner.learn(x, y) if isinstance(learner, Learner) else learner
        samples.append(len(right))
        correct.append(int(right.sum()))
        prototypes.append(_count(learner))
        if isinstance(learner, AdaptiveLVQ) and int(learner.drifted_at) == sum(samples):
            drifts.append(sum(samples))
    if not samples:
        raise ValueError("`stream` has no batch.")
    ends = np.cumsum(samples)
    return Prequential(learner, ends, np.array(correct), np.array(prototypes), tuple(drifts))


def _right(learner: Any, x: Any, y: Any) -> Bool[np.ndarray, " n"]:
    """Which samples of a batch are answered rightly, by their classes."""
    said, what = np.asarray(learner.predict(x)), "y"
    model = learner.state.model if isinstance(learner, AdaptiveLVQ) else learner
    if isinstance(model, AbstractTrainable):
        labels = as_labels(y, len(said), what, carded_classes(model))
        refuse_unknown_classes(labels, model.classes, what)
        return said == labels
    # Others call classes as they like, but by one kind of names.
    words = as_words(y, what)
    labels = as_numbers(y, what) if words is None else words
    if labels.shape != said.shape or (words is None) != (as_words(said) is None):
        raise ValueError(
            f"`{what}` must be called as `learner` calls classes, which predicts {said.dtype} of "
            f"shape {said.shape}, got {labels.dtype} of shape {labels.shape}."
        )
    return said == np.asarray(labels)


def _count(learner: Any) -> int:
    if isinstance(learner, AdaptiveLVQ):
        return int(np.sum(np.asarray(learner.living)))
    return len(learner.prototypes) if isinstance(learner, PrototypeModel) else 0
