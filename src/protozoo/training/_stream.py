"""Data larger than memory: batches that arrive one after the other."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array, ArrayLike, Int, PyTree, Scalar
from ..models import PrototypeModel
from ._data import as_batch
from ._loop import RUNNING, LoopState, Plan, close_epoch
from ._objective import Batch
from ._sharding import spread


#: What a batch of a stream may be: `(x, y)`, `(x, y, weight)`, or x alone; without labels, y may be None.
Piece = tuple[ArrayLike | None, ...] | ArrayLike
Stream = Iterable[Piece] | Callable[[int], Iterable[Piece]]


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
        params, rule, losses, counts, rows = state.params, state.rule, [], [], 0
        for k, piece in enumerate(_ahead(batches)):
            batch, count = _batch(model, piece, rows)
            rows = max(rows, len(batch.x))
            batch = plan.objective.prepared(batch)
            batch = batch if plan.sharding is None else spread(batch, plan.sharding)
            # Of a stream without a length, all batches of an epoch are at the epoch's progress.
            step = state.epoch * total + min(k, total - 1)
            params, rule, loss = _step(plan, params, rest, rule, batch, step, total)
            losses.append(loss)
            counts.append(count)
        if not losses:
            raise ValueError(
                f"the stream `x` is empty in epoch {epoch}: it must be iterable again, or a function of the epoch."
            )
        loss = jnp.sum(jnp.stack(losses) * jnp.asarray(counts)) / sum(counts)
        state, values = _close(plan, state, rest, params, rule, loss, len(losses), validation)
        for name, value in values.items():
            history.setdefault(name, []).append(float(value))
    return state, history


@eqx.filter_jit
def _step(
    plan: Plan, params: PyTree, rest: PyTree, rule: Any, batch: Batch, step: Int[Array, ""], total: int
) -> tuple[PyTree, Any, Scalar]:
    return plan.everywhere(plan.step(params, rest, rule, batch, plan.progress(step, total)))


@eqx.filter_jit
def _close(plan: Plan, *arguments: Any) -> tuple[LoopState, dict[str, Scalar]]:
    return plan.everywhere(close_epoch(plan, *arguments))


def _batch(model: PrototypeModel, piece: Any, rows: int) -> tuple[Batch, int]:
    """A batch with shares of an average, filled up to `rows` by samples without weight, and its number of samples."""
    parts: Any = (*piece, None, None)[:3] if isinstance(piece, tuple) else (piece, None, None)
    x, y, weight = parts
    batch = as_batch(model, x, y, name="a batch's ")
    n = len(batch.x)
    share = batch.weight / n if weight is None else jnp.asarray(weight, batch.weight.dtype) / n
    if share.shape != (n,):
        raise ValueError(f"the weights of a batch must have shape ({n},), got {share.shape}.")
    if n < rows:
        fill = [jnp.concatenate([a, jnp.broadcast_to(a[-1:], (rows - n, *a.shape[1:]))]) for a in jax.tree.leaves(batch)]
        batch = jax.tree.unflatten(jax.tree.structure(batch), fill)
        share = jnp.pad(share, (0, rows - n))
    return eqx.tree_at(lambda b: b.weight, batch, share), n


def _ahead(batches: Iterable[Piece]) -> Iterator[Piece]:
    """The same batches, each read while the one before is computed."""
    iterator: Iterator[Any] = iter(batches)
    end: Any = object()
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, iterator, end)
        for _ in itertools.count():
            piece = coming.result()
            if piece is end:
                return
            coming = reader.submit(next, iterator, end)
            yield piece
