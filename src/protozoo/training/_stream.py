"""Data larger than memory: batches that arrive one after the other."""

import functools
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from .._checks import (
    as_numbers,
    as_parts,
    as_read,
    as_stored,
    as_weights,
    column_names,
    is_array_like,
    of_kinds,
    on_device,
    positive_integer,
    refuse_call,
    said_of,
    unmasked,
)
from .._statistics import counting
from .._types import Array, ArrayLike, Float, Int, PyTree, Scalar
from ..models import AbstractTrainable
from ..models.internal import NOTHING, Outside, carded_classes
from ._data import ClassWeight, Intake, in_units, of_classes
from ._functions import bits_of, held_by, in_memory
from ._loop import LoopState, Plan, close_epoch, is_running, update_key
from ._objective import Batch
from ._sharding import placed
from ._shuffle import shuffled


#: What a batch of a stream may be: `(x, y)`, `(x, y, weight)`, or x alone; without labels, y may be
#: None.
Piece = Any
Stream = Iterable[Piece] | Callable[[int], Iterable[Piece]]

#: What is handed over at a time: so many numbers (4 MB), in at most so many batches.
NUMBERS, SLOTS = 2**20, 64


@runtime_checkable
class Fingerprinted(Protocol):
    """A stream that knows, without being read, which one it is."""

    def fingerprint(self) -> Any:
        """Plain values, ready for JSON, that another stream does not have: a run is resumed with
        the same ones only."""


class Slices:
    """Batches of arrays on disk (`np.memmap`), read when they are needed, in another order in every
    epoch.

    Samples are shuffled within blocks of `block` batches and the blocks among each other, so that a
    disk is read in large pieces. The order depends on the seed and the epoch only: a run that is
    resumed sees what it would have seen.

    **Arguments:**

    - `x`: samples, `(n, *sample_shape)`; anything that can be sliced.
    - `y`: their classes, or `None`.
    - `batch_size`: samples in a batch.
    - `block`: batches that are read and shuffled together.
    - `seed`: of the order.
    - `transform`: what a batch's samples become when they are read, such as
      `lambda x: x / np.float32(255)`: a function of a NumPy array `(b, *sample_shape)` to one of b
      samples. It is called by the thread that reads, while another batch is computed; order and
      classes stay. A random one should take its randomness from the samples: a resumed run sees
      what it would have seen only if the same samples become the same.

    **Raises:** `ValueError` for lengths that differ, masked arrays and sizes that are not positive,
    and in training for a transform that does not return as many samples; `TypeError` for one that
    is no function, and for sparse samples.
    """

    @of_kinds
    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        batch_size: int,
        block: int = 64,
        seed: int = 0,
        transform: Callable[[np.ndarray], ArrayLike] | None = None,
    ):
        x, y = as_stored(x, "x"), None if y is None else as_stored(y, "y")
        if not x.shape or len(x) < 1:
            raise ValueError(
                f"`x` must hold at least one sample, got {type(x).__name__} of shape {x.shape}."
            )
        if y is not None and y.shape[:1] != (len(x),):
            raise ValueError(
                f"`y` must have one label for each of the {len(x)} samples of `x`, got shape "
                f"{y.shape}."
            )
        positive_integer(batch_size, "batch_size")
        positive_integer(block, "block")
        if seed < 0:
            raise ValueError(f"`seed` must not be negative, got {seed}.")
        if transform is not None:
            refuse_call(transform, "transform", "a batch's samples", x)
        #: The names of the features that a data frame brings.
        self.columns = column_names(x)
        self.x, self.y, self.batch_size, self.block, self.seed, self.transform = (
            x,
            y,
            batch_size,
            block,
            seed,
            transform,
        )

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def fingerprint(self) -> dict[str, Any]:
        """What decides the batches: the options, the transform and what it holds, shapes, dtypes
        and the numbers: all that lie in memory, and of others those of sixteen samples, spread over
        all. A resumed run compares it."""
        few = np.linspace(0, len(self.x) - 1, min(len(self.x), 16)).astype(int).tolist()
        sums = [
            zlib.crc32(bits_of(a[i : i + 1]))
            for a in (self.x, self.y)
            if a is not None
            for i in few
        ]
        return {
            "batch_size": self.batch_size,
            "block": self.block,
            "seed": self.seed,
            "data shape": [[*np.shape(a)] for a in (self.x, self.y) if a is not None],
            "data dtype": [str(np.asarray(a[:1]).dtype) for a in (self.x, self.y) if a is not None],
            "data": sums,
            "data in memory": [
                zlib.crc32(bits_of(a)) if in_memory(a) else None for a in (self.x, self.y)
            ],
            "transform": None if self.transform is None else held_by(self.transform),
        }

    def __call__(self, epoch: int) -> Iterator[Piece]:
        """The batches of this epoch."""
        rng, rows, rest = (
            np.random.default_rng((self.seed, epoch)),
            self.batch_size * self.block,
            [],
        )
        for start in rng.permutation(np.arange(0, len(self.x), rows)):
            order = rng.permutation(min(rows, len(self.x) - start))
            block = [
                as_read(a[start : start + rows], name)[order]
                for a, name in ((self.x, "x"), (self.y, "y"))
                if a is not None
            ]
            # What is left of a block, if n is no multiple, goes into the next one: only the last
            # batch is smaller.
            block = (
                [np.concatenate([old, new]) for old, new in zip(rest, block, strict=True)]
                if rest
                else block
            )
            full = len(block[0]) // self.batch_size * self.batch_size
            for at in range(0, full, self.batch_size):
                yield self._transformed(*(a[at : at + self.batch_size] for a in block))
            rest = [a[full:] for a in block]
        if rest and len(rest[0]):
            yield self._transformed(*rest)

    def _transformed(self, x: np.ndarray, *y: np.ndarray) -> Piece:
        if self.transform is None:
            return (x, *y)
        samples = np.asarray(unmasked(self.transform(x), "transform(x)"))
        if len(x) != (len(samples) if samples.ndim else 0):
            raise ValueError(
                f"`transform` must return as many samples as it is given, {len(x)}, and returned "
                f"{samples.shape}."
            )
        return (samples, *y)


def is_stream(x: Any) -> bool:
    """Whether x is batches rather than samples."""
    if isinstance(x, list | tuple):
        # A list of batches, each of which holds samples and classes, is no nested list of numbers.
        return len(x) > 0 and all(
            isinstance(one, list | tuple) and one and getattr(one[0], "ndim", 0) > 1 for one in x
        )
    if isinstance(x, eqx.Module):  # a network, say, which is callable, too
        return False
    return callable(x) or (isinstance(x, Iterable) and not is_array_like(x))


class InMemory:
    """Samples in memory as a stream, where something else is a stream: their order is that of a
    seed and the epoch.

    **Arguments:**

    - `batch`: the samples.
    - `batch_size`: samples in a batch.
    - `seed`: of the order.
    """

    def __init__(self, batch: Batch, batch_size: int, seed: Sequence[int]):
        self.arrays = [
            None if a is None else np.asarray(a) for a in (batch.x, batch.y, batch.weight)
        ]
        self.samples, self.batch_size, self.seed = len(batch.x), batch_size, seed

    def __len__(self) -> int:
        return -(-self.samples // self.batch_size)

    def fingerprint(self) -> list[Any]:
        """The numbers of the samples, and what decides their order."""
        sums = [
            None if a is None else zlib.crc32(np.ascontiguousarray(a).data) for a in self.arrays
        ]
        return [*sums, self.batch_size, *self.seed]

    def __call__(self, epoch: int) -> Iterator[Piece]:
        """The batches of this epoch."""
        order = np.random.default_rng((*self.seed, epoch)).permutation(self.samples)
        for start in range(0, len(order), self.batch_size):
            at = order[start : start + self.batch_size]
            yield tuple(None if a is None else a[at] for a in self.arrays)


class OnDisk:
    """Samples of a memory map as a stream, in the very order in which the compiled loop goes
    through those in memory: nothing but a few batches is ever read at a time.

    **Arguments:**

    - `x`, `y`: samples and their classes, if there are some.
    - `batch_size`: samples in a batch.
    - `key`: the data of the key of the run.
    """

    def __init__(self, x: np.memmap, y: np.ndarray | None, batch_size: int, key: Array):
        self.slices = Slices(x, y, batch_size=batch_size)
        self.key = np.asarray(key)

    def __len__(self) -> int:
        return len(self.slices)

    def fingerprint(self) -> list[Any]:
        """That of the arrays, and what decides their order."""
        return [self.slices.fingerprint(), *self.key.ravel().tolist()]

    def __call__(self, epoch: int) -> Iterator[Piece]:
        """The batches of this epoch."""
        x, y, size = self.slices.x, self.slices.y, self.slices.batch_size
        for start in range(0, len(x), size):
            at = np.asarray(_places(self.key, np.int32(epoch), np.int32(start), size, len(x)))
            at = at[: len(x) - start]
            yield (x[at],) if y is None else (x[at], y[at])


@functools.partial(jax.jit, static_argnums=(3, 4))
def _places(key: Any, epoch: Any, start: Any, size: int, n: int) -> Array:
    """Which samples a batch holds."""
    positions = jnp.minimum(start + jnp.arange(size), n - 1)
    return shuffled(jax.random.fold_in(jax.random.wrap_key_data(key), epoch), positions, n)


class _Pieces(eqx.Module):
    """Batches of one size, handed over together: small ones cost more to hand over than to
    compute."""

    x: Float[Array, "slots rows ..."]
    y: Int[Array, "slots rows"] | None
    # Of each sample in its batch's weighted mean; zero for padding.
    share: Float[Array, "slots rows"]
    count: Int[Array, ""]  # of batches; the other slots are empty


class _Mean:
    """The weighted mean of the losses of an epoch's batches: in double precision, however many
    there are."""

    def __init__(self):
        self.values, self.weights = [], []

    def add(self, values: Float[Array, " slots"], weights: np.ndarray) -> None:
        """A group of losses, which may still be computed. Those before it no longer: nothing piles
        up on a device."""
        self.values[-1:] = [np.asarray(last, float) for last in self.values[-1:]]
        self.values.append(values)
        self.weights.append(weights)

    def __call__(self) -> Float[Array, ""]:
        losses = [
            np.asarray(some, float)[: len(w)]
            for some, w in zip(self.values, self.weights, strict=True)
        ]
        mean = np.average(np.concatenate(losses), weights=np.concatenate(self.weights))
        return on_device(mean, jnp.result_type(float))


class _Answers:
    """What a model says of all samples of a stream, their classes and weights: metrics are no means
    over batches. On the host, which holds a number for each class of each sample."""

    def __init__(self):
        self.scores, self.classes, self.weights = [], [], []

    def add(self, scores: Array, pieces: _Pieces, weights: np.ndarray) -> None:
        """A group of batches of these weights; those that are only room for some have none."""
        of_batch = np.pad(weights, (0, len(scores) - len(weights)))[:, None]
        self.scores.append(np.asarray(scores).reshape(-1, scores.shape[2]))
        self.classes.append(np.asarray(pieces.y).reshape(-1))
        self.weights.append((np.asarray(pieces.share) * of_batch).reshape(-1))

    def __call__(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        scores, y = np.concatenate(self.scores), np.concatenate(self.classes)
        weight = np.concatenate(self.weights)
        return scores, y, np.asarray(weight / weight.max(), scores.dtype)


def stream_epochs(
    plan: Plan,
    state: LoopState,
    rest: PyTree,
    source: Stream,
    validation: Batch | Stream | None,
    limit: int,
    class_weight: ClassWeight = None,
    outside: Outside = NOTHING,
) -> tuple[LoopState, dict[str, list[float]]]:
    """Epochs over a stream until `limit`, or until a reason to stop: what `run_epochs` does for
    data in memory."""
    # What was in memory has been checked and scaled.
    within = NOTHING if isinstance(source, InMemory) else outside
    history: dict[str, list[float]] = {}
    factors = (
        None
        if class_weight is None
        else class_factors(within.around(eqx.combine(state.params, rest)), class_weight)
    )
    intake = Intake.of(within.around(eqx.combine(state.params, rest)))
    intake.refuse_columns(source, "x")
    _refuse_other_functions(validation, "validation")
    while int(state.epoch) < limit and is_running(state):
        epoch = int(state.epoch)
        model = within.around(eqx.combine(state.params, rest))
        batches = batches_of(source, epoch, "x")
        total = next((len(given) for given in (source, batches) if isinstance(given, Sized)), 1)
        params, rule_state, mean, count, rows = state.params, state.rule_state, _Mean(), 0, 0
        classes = np.zeros(0, np.int32)
        for group, slots in _ahead(_groups(intake, batches, "x", factors)):
            pieces, weights = _pieces(model, group, slots, rows, plan.sharding, "x")
            rows, at = pieces.x.shape[1], on_device(count, jnp.int32)
            if epoch == 0:
                known = (piece.y for piece in group if piece.y is not None)
                classes = np.unique(np.concatenate([classes, *known]))
            params, rule_state, losses = _steps(
                plan, params, rest, rule_state, pieces, state.epoch, state.key, at, total
            )
            mean.add(losses, weights)
            count += len(group)
        if not count:
            raise ValueError(
                f"the stream `x` is empty in epoch {epoch}, or without weight: it must be iterable "
                "again, or a function of the epoch."
            )
        if len(classes):
            with said_of("the stream `x`"):
                intake.refuse_one_class(classes)
        scored: Any = validation
        measured: dict[str, Scalar] = {}
        if is_stream(scored):
            scored, measured = _stream_score(plan, params, rest, rule_state, scored, epoch, outside)
        state, values = _close(
            plan,
            state,
            rest,
            params,
            rule_state,
            mean(),
            on_device(count, jnp.int32),
            scored,
            measured,
        )
        for name, value in values.items():
            history.setdefault(name, []).append(float(value))
    return state, history


def class_factors(model: AbstractTrainable, class_weight: ClassWeight) -> Float[np.ndarray, " c"]:
    """What the weights of samples are multiplied by, for each class."""
    if isinstance(class_weight, str):
        raise ValueError(
            "`class_weight='balanced'` counts all samples, which a stream shows one after the "
            "other: pass the weights."
        )
    if not model.supervised:
        raise ValueError("`class_weight` needs classes, and this model learns without labels.")
    none = np.zeros(0, int)
    return of_classes(none, model.classes, class_weight, none, carded_classes(model))


@eqx.filter_jit
def _steps(
    plan: Plan,
    params: PyTree,
    rest: PyTree,
    rule_state: Any,
    pieces: _Pieces,
    epoch: Int[Array, ""],
    key: Array,
    at: Int[ArrayLike, ""],
    total: int,
) -> tuple[PyTree, Any, Float[Array, " slots"]]:
    """An update for each batch, and their losses."""

    def one(k: Array, carry: tuple[PyTree, Any, Array]) -> tuple[PyTree, Any, Array]:
        params, rule_state, losses = carry
        # Of a stream without a length, all batches of an epoch are at the epoch's progress.
        progress, own = (
            plan.progress(epoch * total + jnp.minimum(at + k, total - 1), total),
            update_key(key, epoch, at + k),
        )
        params, rule_state, loss = plan.step(
            params, rest, rule_state, _batch(plan, pieces, k), progress, own
        )
        return params, rule_state, losses.at[k].set(loss.astype(losses.dtype))

    return plan.everywhere(
        jax.lax.fori_loop(0, pieces.count, one, (params, rule_state, jnp.zeros(len(pieces.x))))
    )


def _stream_score(
    plan: Plan,
    params: PyTree,
    rest: PyTree,
    rule_state: Any,
    source: Stream,
    epoch: int,
    outside: Outside,
) -> tuple[Array, dict[str, Scalar]]:
    """The validation loss of all batches of a stream, and the metrics of all answers together."""
    model = outside.around(eqx.combine(params, rest))
    mean, rows, answers = _Mean(), 0, _Answers()
    intake = Intake.of(model)
    intake.refuse_columns(source, "validation")
    batches = batches_of(source, epoch, "validation")
    for group, slots in _ahead(_groups(intake, batches, "validation")):
        pieces, weights = _pieces(model, group, slots, rows, plan.sharding, "validation")
        rows = pieces.x.shape[1]
        losses, scores = _scores(plan, params, rest, rule_state, pieces)
        mean.add(losses, weights)
        if scores is not None:
            answers.add(scores, pieces, weights)
    if not rows:
        raise ValueError(
            f"the stream `validation` is empty, or without weight, in epoch {epoch}: it must be "
            f"iterable again."
        )
    return mean(), _measured(plan, *answers()) if plan.metrics else {}


@eqx.filter_jit
def _scores(
    plan: Plan, params: PyTree, rest: PyTree, rule_state: Any, pieces: _Pieces
) -> tuple[Float[Array, " slots"], Float[Array, "slots rows c"] | None]:
    """The losses of batches and, if metrics ask for them, the answers for all of their samples."""

    def of_batch(k: Array | int) -> tuple[Array, Array | None]:
        batch = _batch(plan, pieces, k)
        loss = plan.score(params, rest, rule_state, batch, validated=True)
        return loss, plan.answers(params, rest, rule_state, batch) if plan.metrics else None

    def one(k: Array, found: tuple) -> tuple:
        return jax.tree.map(lambda all, new: all.at[k].set(new), found, of_batch(k))

    empty = jax.tree.map(
        lambda a: jnp.zeros((len(pieces.x), *a.shape), a.dtype), jax.eval_shape(of_batch, 0)
    )
    return plan.everywhere(jax.lax.fori_loop(0, pieces.count, one, empty))


@eqx.filter_jit
def _measured(plan: Plan, scores: Any, y: Any, weight: Any) -> dict[str, Scalar]:
    return plan.measured(scores, y, weight)


def _batch(plan: Plan, pieces: _Pieces, k: Array | int) -> Batch:
    x, y, share = jax.tree.map(lambda a: a[k], (pieces.x, pieces.y, pieces.share))
    if plan.sharding is None:
        return Batch(x, y, share, already_encoded=False)
    return eqx.filter_shard(Batch(x, y, share, False, plan.sharding.num_devices), plan.sharding)


@eqx.filter_jit
def _close(
    plan: Plan,
    state: LoopState,
    rest: PyTree,
    params: PyTree,
    rule_state: Any,
    loss: Scalar,
    count: Any,
    scored: Any,
    measured: dict[str, Scalar],
) -> tuple[LoopState, dict[str, Scalar]]:
    score = scored
    if isinstance(scored, Batch):
        score = plan.score(params, rest, rule_state, scored, validated=True)
        if plan.metrics:
            scores = plan.answers(params, rest, rule_state, scored)
            measured = plan.measured(scores, scored.y, scored.weight)
    validated = score is not None
    return plan.everywhere(
        close_epoch(plan, state, params, rule_state, loss, count, score, validated, measured)
    )


class _Piece(NamedTuple):
    """A batch that has been checked, all but the values of its samples; and which one of its stream
    it is."""

    number: int
    x: Any
    y: np.ndarray | None
    weight: np.ndarray | None


def batches_of(source: Stream, epoch: int, name: str) -> Iterable[Piece]:
    """The batches of an epoch.

    **Raises:** `TypeError` for a function of something else, and for what is none and cannot be
    iterated.
    """
    _refuse_other_functions(source, name)
    batches: Any = source(epoch) if callable(source) else source
    if not (isinstance(batches, Iterable) or callable(getattr(batches, "__getitem__", None))):
        raise TypeError(
            f"the stream `{name}` must be batches, such as a list of some, or a function that "
            f"returns those of an epoch; got {batches!r:.60}."
        )
    return batches


def _refuse_other_functions(source: Any, name: str) -> None:
    if callable(source):
        refuse_call(source, name, "the epoch, whose batches it returns", 0)


def _groups(
    intake: Intake,
    batches: Iterable[Piece],
    name: str,
    factors: Float[np.ndarray, " c"] | None = None,
) -> Iterator[tuple[list[_Piece], int]]:
    """Batches that are handed over together, each checked by itself, and for how many there is
    room; `factors` weigh their classes."""

    def checked(number: int, given: Piece) -> _Piece | None:
        with said_of(f"batch {number} of the stream `{name}`"):
            x, y, weight = as_parts(given, "a batch")
            if getattr(x, "shape", ())[:1] == (0,):
                return None
            x, y = intake.numbers(x, y)
            if weight is not None:
                weight = np.asarray(as_numbers(weight, "weight"), float)
                if weight.shape != x.shape[:1] or weight.any():
                    weight = as_weights(weight, len(x), "weight")
        if factors is not None and y is not None:
            weight = factors[y] * (1 if weight is None else weight)
        if weight is None or weight.all():
            return _Piece(number, x, y, weight)
        # Samples without weight are not there, nor is a batch of them, or of none.
        weight, x, y = counting(weight, x, y)
        return _Piece(number, x, y, weight) if len(weight) else None

    all_checked = itertools.starmap(checked, enumerate(batches))
    iterator, slots = (piece for piece in all_checked if piece is not None), 1
    for first in iterator:
        slots = max(slots, min(SLOTS, NUMBERS // max(1, first.x.size)))
        yield [first, *itertools.islice(iterator, slots - 1)], slots


def _pieces(
    model: AbstractTrainable,
    group: list[_Piece],
    slots: int,
    rows: int,
    sharding: NamedSharding | None,
    name: str,
) -> tuple[_Pieces, np.ndarray]:
    """A group of batches, their values checked and filled up to `slots` batches of at least `rows`
    rows, and their weights."""
    _, xs, ys, weights = (list(column) for column in zip(*group, strict=True))
    x = in_units(model, _values(model, xs, [piece.number for piece in group], name))
    y = None if ys[0] is None else np.concatenate(ys)
    sizes = np.array([len(one) for one in xs])
    # Weights are relative: every batch is a weighted mean, whatever they add up to. A sum may
    # exceed a double's range.
    weights = [np.ones(n) if w is None else w for w, n in zip(weights, sizes, strict=True)]
    totals = np.array([np.sum(w, dtype=np.longdouble) for w in weights])
    weight = np.concatenate([w / total for w, total in zip(weights, totals, strict=True)])
    rows = max(rows, *sizes)
    rows += 0 if sharding is None else -rows % sharding.num_devices
    # Each slot begins where its batch does; what reaches beyond weighs nothing.
    starts, sizes = (np.pad(a, (0, slots - len(group))) for a in (np.cumsum(sizes) - sizes, sizes))
    index = np.minimum(starts[:, None] + np.arange(rows), len(x) - 1)
    share = np.where(np.arange(rows) < sizes[:, None], weight[index], 0).astype(x.dtype)
    arrays = np.asarray(x)[index], None if y is None else y[index], share
    if sharding is None:
        x, y, share = jax.device_put(arrays)
    else:
        x, y, share = placed(
            arrays, NamedSharding(sharding.mesh, PartitionSpec(None, *sharding.spec))
        )
    return _Pieces(x, y, share, on_device(len(group), jnp.int32)), totals


def _values(
    model: AbstractTrainable, batches: Sequence[Any], numbers: Sequence[int], name: str
) -> Array:
    """The samples of several batches, looked at together: one by one, only if something is wrong
    with them, to say in which one and where."""
    for number, one in zip(numbers, batches, strict=True):
        if one.shape[1:] != batches[0].shape[1:]:
            raise ValueError(
                f"batch {number} of the stream `{name}` has samples of shape {one.shape[1:]}, and "
                f"batch {numbers[0]} of {batches[0].shape[1:]}: all must have one shape."
            )
    try:
        return model.check_values(np.concatenate([np.asarray(one) for one in batches]))
    except (TypeError, ValueError):
        for number, one in zip(numbers, batches, strict=True):
            with said_of(f"batch {number} of the stream `{name}`"):
                model.check_values(one)
        raise


def _ahead(groups: Iterator[tuple[list[_Piece], int]]) -> Iterator[tuple[list[_Piece], int]]:
    """The same, each read while the one before is computed."""
    end: Any = object()
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, groups, end)
        for _ in itertools.count():
            group = coming.result()
            if group is end:
                return
            coming = reader.submit(next, groups, end)
            yield group
