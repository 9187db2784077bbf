"""Data larger than memory: batches that arrive one after the other."""

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from .._types import Array, ArrayLike, Float, Int, PyTree, Scalar
from ..models import PrototypeModel
from ._data import as_batch
from ._loop import RUNNING, LoopState, Plan, close_epoch
from ._objective import Batch
from ._sharding import placed


#: What a batch of a stream may be: `(x, y)`, `(x, y, weight)`, or x alone; without labels, y may be None.
Piece = tuple[ArrayLike | None, ...] | ArrayLike
Stream = Iterable[Piece] | Callable[[int], Iterable[Piece]]

#: What is handed over at a time: so many numbers (4 MB), in at most so many batches.
NUMBERS, SLOTS = 2**20, 64


@runtime_checkable
class Fingerprinted(Protocol):
    """A stream that knows, without being read, which one it is."""

    def fingerprint(self) -> Any:
        """Plain values, ready for JSON, that another stream does not have: a run is resumed with the same ones only."""


class Slices:
    """Batches of arrays on disk (`np.memmap`), read when they are needed, in another order in every epoch.

    Samples are shuffled within blocks of `block` batches and the blocks among each other, so that a disk is read in large
    pieces. The order depends on the seed and the epoch only: a run that is resumed sees what it would have seen.

    **Arguments:**

    - `x`: samples, `(n, *sample_shape)`; anything that can be sliced.
    - `y`: their classes, or `None`.
    - `batch_size`: samples in a batch.
    - `block`: batches that are read and shuffled together.
    - `seed`: of the order.

    **Raises:** `ValueError` for lengths that differ and sizes that are not positive.
    """

    def __init__(self, x: Any, y: Any = None, *, batch_size: int, block: int = 64, seed: int = 0):
        if y is not None and len(y) != len(x):
            raise ValueError(f"`y` must have one label for each of the {len(x)} samples, got {len(y)}.")
        for name, value in (("batch_size", batch_size), ("block", block), ("len(x)", len(x))):
            if value < 1:
                raise ValueError(f"`{name}` must be positive, got {value}.")
        self.x, self.y, self.batch_size, self.block, self.seed = x, y, batch_size, block, seed

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def fingerprint(self) -> dict[str, Any]:
        """What decides the batches: the options, shapes and dtypes, and the sum of a few samples. A resumed run compares it."""
        few = np.linspace(0, len(self.x) - 1, min(len(self.x), 16)).astype(int).tolist()
        sums = [zlib.crc32(np.asarray(a[i : i + 1]).tobytes()) for a in (self.x, self.y) if a is not None for i in few]
        return {
            "batch_size": self.batch_size,
            "block": self.block,
            "seed": self.seed,
            "data shape": [[*np.shape(a)] for a in (self.x, self.y) if a is not None],
            "data dtype": [str(np.asarray(a[:1]).dtype) for a in (self.x, self.y) if a is not None],
            "data": sums,
        }

    def __call__(self, epoch: int) -> Iterator[Piece]:
        """The batches of this epoch."""
        rng, rows, rest = np.random.default_rng((self.seed, epoch)), self.batch_size * self.block, []
        for start in rng.permutation(np.arange(0, len(self.x), rows)):
            order = rng.permutation(min(rows, len(self.x) - start))
            block = [np.asarray(a[start : start + rows])[order] for a in (self.x, self.y) if a is not None]
            # What is left of a block, if n is no multiple, goes into the next one: only the last batch is smaller.
            block = [np.concatenate([old, new]) for old, new in zip(rest, block, strict=True)] if rest else block
            full = len(block[0]) // self.batch_size * self.batch_size
            for at in range(0, full, self.batch_size):
                yield tuple(a[at : at + self.batch_size] for a in block)
            rest = [a[full:] for a in block]
        if rest and len(rest[0]):
            yield tuple(rest)


def is_stream(x: Any) -> bool:
    """Whether x is batches rather than samples."""
    return callable(x) or (isinstance(x, Iterable) and not isinstance(x, np.ndarray | np.generic | jax.Array | list | tuple))


class _Pieces(eqx.Module):
    """Batches of one size, handed over together: small ones cost more to hand over than to compute."""

    x: Float[Array, "slots rows ..."]
    y: Int[Array, "slots rows"] | None
    share: Float[Array, "slots rows"]  # of each sample in its batch's average; zero for padding
    sizes: Float[Array, " slots"]  # without padding
    count: Int[Array, ""]  # of batches; the other slots are empty


def stream_epochs(
    plan: Plan, state: LoopState, rest: PyTree, source: Stream, validation: Batch | None, limit: int
) -> tuple[LoopState, dict[str, list[float]]]:
    """Epochs over a stream until `limit`, or until a reason to stop: what `run_epochs` does for data in memory."""
    history: dict[str, list[float]] = {}
    while int(state.epoch) < limit and int(state.status) == RUNNING:
        epoch = int(state.epoch)
        batches = source(epoch) if callable(source) else source
        total = next((len(given) for given in (source, batches) if isinstance(given, Sized)), 1)
        model = eqx.combine(state.params, rest)
        params, rule, loss, count, samples, rows = state.params, state.rule, jnp.zeros(()), 0, 0.0, 0
        for group, slots in _ahead(_groups(batches)):
            pieces = _pieces(model, group, slots, rows, plan.sharding)
            rows, at = pieces.x.shape[1], np.asarray(count, np.int32)
            params, rule, loss = _steps(plan, params, rest, rule, loss, pieces, state.epoch * total, at, total)
            count, samples = count + int(pieces.count), samples + float(np.sum(pieces.sizes))
        if not count:
            raise ValueError(
                f"the stream `x` is empty in epoch {epoch}: it must be iterable again, or a function of the epoch."
            )
        state, values = _close(plan, state, rest, params, rule, loss / samples, count, validation)
        for name, value in values.items():
            history.setdefault(name, []).append(float(value))
    return state, history


@eqx.filter_jit
def _steps(
    plan: Plan,
    params: PyTree,
    rest: PyTree,
    rule: Any,
    loss: Scalar,
    pieces: _Pieces,
    step: Int[Array, ""],
    at: Int[ArrayLike, ""],
    total: int,
) -> tuple[PyTree, Any, Scalar]:
    """An update for each batch; their losses are added to `loss`, times the number of samples."""

    def one(k: Array, carry: tuple[PyTree, Any, Scalar]) -> tuple[PyTree, Any, Scalar]:
        params, rule, loss = carry
        x, y, share = jax.tree.map(lambda a: a[k], (pieces.x, pieces.y, pieces.share))
        batch = Batch(x, y, share, encoded=False)
        if plan.sharding is not None:
            batch = eqx.filter_shard(Batch(x, y, share, False, plan.sharding.num_devices), plan.sharding)
        # Of a stream without a length, all batches of an epoch are at the epoch's progress.
        progress = plan.progress(step + jnp.minimum(at + k, total - 1), total)
        params, rule, value = plan.step(params, rest, rule, plan.objective.prepared(batch), progress)
        return params, rule, loss + (value * pieces.sizes[k]).astype(loss.dtype)

    return plan.everywhere(jax.lax.fori_loop(0, pieces.count, one, (params, rule, loss)))


@eqx.filter_jit
def _close(plan: Plan, *arguments: Any) -> tuple[LoopState, dict[str, Scalar]]:
    return plan.everywhere(close_epoch(plan, *arguments))


def _parts(piece: Piece) -> tuple[Any, Any, Any]:
    """Samples, classes, weights."""
    x, y, weight = (*piece, None, None)[:3] if isinstance(piece, tuple) else (piece, None, None)
    return x, y, weight


def _groups(batches: Iterable[Piece]) -> Iterator[tuple[list[Piece], int]]:
    """Batches that are handed over together, and for how many there is room."""
    iterator, slots = iter(batches), 1
    for first in iterator:
        slots = max(slots, min(SLOTS, NUMBERS // max(1, np.size(_parts(first)[0]))))
        yield [first, *itertools.islice(iterator, slots - 1)], slots


def _pieces(model: PrototypeModel, group: list[Piece], slots: int, rows: int, sharding: NamedSharding | None) -> _Pieces:
    """A group of batches, checked and filled up to `slots` batches of at least `rows` rows."""
    xs, ys, weights = (list(column) for column in zip(*map(_parts, group), strict=True))
    y = None if all(one is None for one in ys) else np.concatenate([np.asarray(one) for one in ys])
    batch = as_batch(model, np.concatenate([np.asarray(one) for one in xs]), y, name="a batch's ")
    sizes = np.array([len(one) for one in xs])
    for i, (weight, size) in enumerate(zip(weights, sizes, strict=True)):
        if weight is not None and np.shape(weight) != (size,):
            raise ValueError(f"the weights of a batch must have shape ({size},), got {np.shape(weight)}.")
        weights[i] = (np.ones(size) if weight is None else np.asarray(weight, float)) / size
    rows = max(rows, *sizes)
    rows += 0 if sharding is None else -rows % sharding.num_devices
    # Each slot begins where its batch does; what reaches beyond weighs nothing.
    starts, sizes = (np.pad(a, (0, slots - len(group))) for a in (np.cumsum(sizes) - sizes, sizes))
    index = np.minimum(starts[:, None] + np.arange(rows), len(batch.x) - 1)
    share = np.where(np.arange(rows) < sizes[:, None], np.concatenate(weights)[index], 0).astype(batch.weight.dtype)
    arrays = (np.asarray(batch.x)[index], None if batch.y is None else np.asarray(batch.y)[index], share)
    if sharding is None:
        x, y, share = jax.tree.map(jnp.asarray, arrays)
    else:
        x, y, share = placed(arrays, NamedSharding(sharding.mesh, PartitionSpec(None, *sharding.spec)))
    return _Pieces(x, y, share, jnp.asarray(sizes, share.dtype), jnp.asarray(len(group), jnp.int32))


def _ahead(groups: Iterator[tuple[list[Piece], int]]) -> Iterator[tuple[list[Piece], int]]:
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
