"""Streams whose concept changes, as the literature of data streams makes them."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from .._checks import of_kind, positive_integer
from .._schedules import within
from .._types import Float, Int


#: Samples and classes.
Labelled = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class SEA:
    """Three features, uniform in [0, 10], of which two decide: class 1 if
    \\(x_1 + x_2 \\le \\theta\\). θ is another one in every concept.

    **Arguments:**

    - `samples`: how many there are in all, in concepts of one length.
    - `batch_size`: samples in a batch; the last one may be smaller.
    - `thresholds`: θ of each concept.
    - `noise`: the probability with which a label is the other one, in [0, 1].
    - `transition`: over how many samples, centred at the change, the next concept takes over: with
      a probability that grows evenly from zero to one. Zero: at once.
    - `seed`: of everything. Samples are the same with whatever noise and thresholds.

    It can be iterated as often as one likes, always to the same batches `(x, y)`, and so is a
    stream for `Trainer.fit`, too.

    **Raises:** `ValueError` for numbers out of range, and a transition longer than a concept.

    Source: W. Street, Y. Kim, *A streaming ensemble algorithm (SEA) for large-scale
    classification*, KDD 2001.
    """

    samples: int = 60_000
    batch_size: int = 100
    thresholds: Sequence[float] = (8.0, 9.0, 7.0, 9.5)
    noise: float = 0.1
    transition: int = 0
    seed: int = 0

    def __post_init__(self):
        _check(self)
        if not len(self.thresholds):
            raise ValueError("`thresholds` must hold one number for each concept, got none.")
        within(np.asarray(self.thresholds), "thresholds", "(-inf, inf)")
        if not 0 <= self.transition <= self.samples // len(self.thresholds):
            raise ValueError(
                f"`transition` must lie between 0 and the {self.samples // len(self.thresholds)} "
                f"samples of a concept, got {self.transition}."
            )

    @property
    def drifts(self) -> Int[np.ndarray, " k"]:
        """After how many samples a concept begins that is another one."""
        count = len(self.thresholds)
        return np.arange(1, count) * self.samples // count

    def __len__(self) -> int:
        return -(-self.samples // self.batch_size)

    def __iter__(self) -> Iterator[Labelled]:
        points, others, noise = _generators(self.seed, 3)
        thresholds, drifts = np.asarray(self.thresholds, float), self.drifts
        for at in _batches(self.samples, self.batch_size):
            x = points.uniform(0, 10, (len(at), 3))
            # How far the concepts that follow have come, each the one before it.
            come = (at[:, None] - drifts + self.transition / 2) / max(self.transition, 1)
            come = np.where(self.transition, come, at[:, None] >= drifts)
            concept = (others.uniform(size=(len(at), 1)) < come).sum(axis=1)
            y = x[:, 0] + x[:, 1] <= thresholds[concept]
            yield x.astype(np.float32), _flipped(y, self.noise, noise)


@dataclasses.dataclass(frozen=True)
class RotatingHyperplane:
    """Features uniform in [0, 1]; class 1 on one side of a hyperplane that turns:
    \\(\\sum_k w_k x_k \\ge \\tfrac12 \\sum_k w_k\\), so that both classes are equally probable.

    With every sample, the first `drifting` weights change by `magnitude`, in a direction that
    turns round with probability `reversal`; in the beginning, weights are uniform in [0, 1].

    **Arguments:**

    - `samples`: how many there are in all.
    - `batch_size`: samples in a batch; the last one may be smaller.
    - `features`: d.
    - `drifting`: how many weights change, at most d.
    - `magnitude`: by how much, with every sample.
    - `reversal`: in [0, 1].
    - `noise`: the probability with which a label is the other one, in [0, 1].
    - `seed`: of everything. Samples are the same with whatever noise and drift.

    It can be iterated as `SEA` can.

    **Raises:** `ValueError` for numbers out of range.

    Source: G. Hulten, L. Spencer, P. Domingos, *Mining time-changing data streams*, KDD 2001.
    """

    samples: int = 60_000
    batch_size: int = 100
    features: int = 10
    drifting: int = 2
    magnitude: float = 0.001
    reversal: float = 0.1
    noise: float = 0.05
    seed: int = 0

    def __post_init__(self):
        _check(self)
        positive_integer(self.features, "features")
        if not 0 <= self.drifting <= self.features:
            raise ValueError(
                f"`features` are {self.features}, and `drifting` must be a number of them, got "
                f"{self.drifting}."
            )
        within(self.magnitude, "magnitude", "[0, inf)")
        within(self.reversal, "reversal", "[0, 1]")

    def __len__(self) -> int:
        return -(-self.samples // self.batch_size)

    def __iter__(self) -> Iterator[Labelled]:
        points, turns, noise = _generators(self.seed, 3)
        weights = turns.uniform(size=self.features)
        steps = np.where(np.arange(self.features) < self.drifting, self.magnitude, 0.0)
        for at in _batches(self.samples, self.batch_size):
            x = points.uniform(size=(len(at), self.features))
            turned = turns.uniform(size=x.shape) < self.reversal
            moves = steps * np.cumprod(np.where(turned, -1, 1), axis=0)
            path = weights + np.cumsum(moves, axis=0)
            y = self._sides(x, path)
            weights, steps = path[-1], moves[-1]
            yield x.astype(np.float32), _flipped(y, self.noise, noise)

    def _sides(self, x: Float[np.ndarray, "n d"], w: Float[np.ndarray, "n d"]) -> np.ndarray:
        return np.sum(w * x, axis=1) >= w.sum(axis=1) / 2


def _check(stream: SEA | RotatingHyperplane) -> None:
    """Options of the right kinds, and those that both have in range."""
    for field in dataclasses.fields(stream):
        value = of_kind(getattr(stream, field.name), field.type, field.name)
        object.__setattr__(stream, field.name, value)
    positive_integer(stream.samples, "samples")
    positive_integer(stream.batch_size, "batch_size")
    within(stream.noise, "noise", "[0, 1]")
    if not 0 <= stream.seed < 2**63:
        raise ValueError(f"`seed` must lie between 0 and 2^63, got {stream.seed}.")


def _generators(seed: int, count: int) -> list[np.random.Generator]:
    """Independent ones, so that what one draws changes nothing for the others."""
    return [np.random.default_rng((seed, k)) for k in range(count)]


def _batches(samples: int, batch_size: int) -> Iterator[np.ndarray]:
    """The numbers of the samples in each batch."""
    for start in range(0, samples, batch_size):
        yield np.arange(start, min(start + batch_size, samples))


def _flipped(y: np.ndarray, noise: float, random: np.random.Generator) -> np.ndarray:
    return (y ^ (random.uniform(size=len(y)) < noise)).astype(np.int32)
