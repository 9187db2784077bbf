"""Training state on disk. Orbax is behind this file: it is imported when a checkpoint is written or
read."""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from .._checks import positive_integer
from .._types import PyTree
from ..persistence.internal import (
    LARGEST,
    ORBAX,
    InUse,
    Lock,
    ask,
    make_directory,
    named,
    opened,
    orbax_path,
    remove,
    replace,
    write,
)
from ._sharding import agreed, speaks


#: The SHA-256 of every file of a checkpoint, in a file beside them.
_CHECKSUMS = "checksums.json"


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """Write the whole training state every so many epochs, and at the end of training.

    **Arguments:**

    - `directory`: where; it is one run's. Its path must have none of the characters `*`, `?`, `[`
      and the backslash.
    - `every`: epochs between checkpoints.
    - `keep`: how many of the latest to keep; the best one (by the monitored loss) is kept besides.

    Writing is asynchronous and atomic: a killed run leaves whole checkpoints only, and continues
    from the latest (`resume=True`) with bit-identical results. Every array has a checksum. A
    checkpoint that was damaged since is passed over with a warning, and the one before it serves.

    While a run lasts, no other one can use its directory; a run that was killed is in nobody's way.

    **Raises:** `ValueError` unless `every` and `keep` are positive, and for a path that cannot be
    used.
    """

    directory: str | Path
    every: int = 10
    keep: int = 2

    def __post_init__(self):
        positive_integer(self.every, "every")
        positive_integer(self.keep, "keep")
        orbax_path(self.directory, "directory")


@contextlib.contextmanager
def occupied(where: Checkpoints, sharding: NamedSharding | None) -> Iterator[Path]:
    """Have the directory of checkpoints for oneself; gives its path. Of processes that train
    together, the first one has it.

    **Raises:** `ValueError` if another run has it: of another process, another thread, or this one.
    """
    directory = orbax_path(where.directory, "directory")
    make_directory(directory, "directory")
    lock, owner = Lock(directory / ".lock"), ""
    if speaks(sharding):
        try:
            with named(lock.path):
                lock.acquire()
        except InUse as error:
            owner = str(error)
    try:
        if agreed(float(bool(owner)), sharding):
            raise ValueError(
                f"`directory` {str(where.directory)!r} is in use by {owner or 'another run'}: two "
                "runs cannot share it. Wait for the other one to end, or choose another "
                f"directory; if nothing runs, remove {str(lock.path)!r}."
            )
        yield directory
    finally:
        lock.release()


class Damaged(Exception):
    """A checkpoint is not what was written; the message says in what."""


class Store:
    """The directory of one run's checkpoints, which nobody else uses meanwhile. A checkpoint is a
    folder named by its epoch:

    - `state`: the arrays of the training state, by Orbax;
    - `note`: what run it belongs to, the history so far, and the SHA-256 of each array: JSON, as an
      array of bytes;
    - `checksums.json`: the SHA-256 of every file. Orbax meets undamaged files only: of others it
      complains in many ways.
    """

    def __init__(
        self,
        where: Checkpoints,
        note: dict[str, Any],
        resume: bool,
        sharding: NamedSharding | None = None,
    ):
        # As it is after it was written and read, which makes lists of tuples.
        self.where, self.resume, self._note = where, resume, json.loads(json.dumps(note))
        self._latest: int | None = None
        # Of processes that train together, all read and write checkpoints; the first one keeps the
        # directory in order.
        self._speaks = speaks(sharding)
        self._writer, self._pending = ThreadPoolExecutor(1), None
        with contextlib.ExitStack() as stack:
            self._root = stack.enter_context(occupied(where, sharding))
            if self._speaks:
                self._remove_unfinished()
            agreed(0.0, sharding)  # nobody looks before that is done
            self._left = stack.pop_all()

    def restore(self, like: PyTree) -> tuple[PyTree, dict[str, np.ndarray]] | None:
        """The state of the latest intact checkpoint, with the structure of `like`, and the history;
        `None` at the beginning.

        **Raises:** `ValueError` if there are checkpoints and no wish to resume, if they belong to
        another run, and if none of them is intact.
        """
        directory, damaged = str(self.where.directory), {}
        steps = self._steps()
        if steps and not self.resume:
            raise ValueError(
                f"`directory` {directory!r} already holds checkpoints: continue them with "
                f"`resume=True`, or choose another one."
            )
        for step in reversed(steps):
            try:
                found = self._read(step, like)
            except (
                Damaged,
                KeyError,
                TypeError,
                AttributeError,
            ) as damage:  # a note may say anything, or not enough
                damaged[step] = damage
                continue
            self._latest = step
            if damaged and self._speaks:
                names = "; ".join(
                    f"{str(self._root / str(step))!r} is damaged ({damage})"
                    for step, damage in damaged.items()
                )
                warnings.warn(
                    f"{names}. Training continues from epoch {step}.", UserWarning, stacklevel=3
                )
            return found
        if damaged:
            step, damage = max(damaged.items())
            raise ValueError(
                f"none of the {len(damaged)} checkpoints in {directory!r} is intact; that of epoch "
                f"{step}: {damage}. Bring them back from a copy, or remove the directory to begin "
                "again."
            )
        return None

    def save(
        self, epoch: int, state: PyTree, history: dict[str, np.ndarray], again: bool = False
    ) -> None:
        """Write a checkpoint in the background, unless this epoch has one that says the same."""
        if epoch == self._latest and not again:
            return
        from orbax.checkpoint import v1 as ocp

        self._settle()
        # Orbax refuses arrays without entries (a subspace of dimension zero); there is nothing to
        # remember of them.
        leaves = {
            str(i): np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state)) if leaf.size
        }
        arrays = {name: _digest(leaf) for name, leaf in leaves.items()}
        note = {
            **self._note,
            "arrays": arrays,
            "history": {name: values.tolist() for name, values in history.items()},
        }
        # As bytes: Orbax warns at every checkpoint that holds no array.
        text = json.dumps(note).encode()
        note = {
            "json": np.frombuffer(text, np.uint8),
            "sha256": np.frombuffer(hashlib.sha256(text).digest(), np.uint8),
        }
        folder = self._root / str(epoch)
        if self._speaks:
            remove(folder)  # a damaged one, or that of a state which a callback has ended since
        ORBAX.acquire()
        try:
            response = ocp.save_checkpointables_async(str(folder), {"state": leaves, "note": note})
            self._pending = self._writer.submit(self._finish, response, epoch, history)
        except BaseException:
            ORBAX.release()
            raise
        self._latest = epoch

    def close(self) -> None:
        """Wait for what is being written, and leave the directory."""
        try:
            self._settle()
        finally:
            self._writer.shutdown()
            self._left.close()

    def _remove_unfinished(self) -> None:
        """Remove what a killed run was writing."""
        for name in os.listdir(self._root):
            if re.fullmatch(r"\d+\.orbax-checkpoint-tmp.*", name):
                remove(self._root / name)

    def _steps(self) -> list[int]:
        """The epochs that have a checkpoint, whole or damaged: it has its name from the moment on
        in which it is whole."""
        return sorted(
            int(name) for name in os.listdir(self._root) if re.fullmatch(r"0|[1-9][0-9]*", name)
        )

    def _settle(self) -> None:
        """Wait until the latest checkpoint is written; if it failed, that is an error now."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def _finish(self, response: Any, epoch: int, history: dict[str, np.ndarray]) -> None:
        folder = self._root / str(epoch)
        try:
            response.result()
        except Exception as error:  # of any kind: a full disk is a `ValueError` of TensorStore
            whole = ", ".join(map(str, self._steps())) or "none"
            raise OSError(
                f"the checkpoint of epoch {epoch} could not be written to "
                f"{str(self.where.directory)!r}: {str(error)[:300]}. Make room or choose another "
                f"directory, and start again with `resume=True`; whole checkpoints: {whole}."
            ) from error
        finally:
            ORBAX.release()
        if not self._speaks:
            return
        sums = {
            str(file.relative_to(folder).as_posix()): _file_digest(file) for file in _files(folder)
        }
        partial = folder / f"{_CHECKSUMS}.partial"
        write(partial, [json.dumps(sums).encode()])
        replace(partial, folder / _CHECKSUMS)
        # A loss that is not a number must not win the comparison for the best checkpoint.
        losses = next(
            history[name] for name in ("validation_loss", "final_loss", "loss") if name in history
        )
        losses = np.where(np.isfinite(losses), losses, np.inf)
        steps = [step for step in self._steps() if 0 < step <= epoch]
        kept = {*steps[-self.where.keep :], min(steps, key=lambda step: losses[step - 1])}
        for step in self._steps():
            if (
                step not in kept
                # those of later epochs, too: they are damaged, or training would have continued
                # them
            ):
                remove(self._root / str(step))

    def _read(self, step: int, like: PyTree) -> tuple[PyTree, dict[str, np.ndarray]]:
        folder = self._root / str(step)
        _verify(folder)
        note = self._note_in(folder)
        self._refuse_other_run(note)
        leaves, structure = jax.tree.flatten(like)
        sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        wanted = {
            str(i): jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
            for i, leaf in enumerate(leaves)
            if leaf.size
        }
        found = {
            name: np.asarray(leaf)
            for name, leaf in _load(folder, {"state": wanted})["state"].items()
        }
        for name, expected in note.get(
            "arrays", {}
        ).items():  # of which a checkpoint of an older version says nothing
            if _digest(found[name]) != expected:
                raise Damaged(f"array {name} of its state was changed")
        # Bound to no device, as those of a run that begins: the same program serves both.
        free = [jnp.asarray(found[str(i)]) if leaf.size else leaf for i, leaf in enumerate(leaves)]
        history = {name: np.asarray(values, float) for name, values in note["history"].items()}
        return jax.tree.unflatten(structure, free), history

    def _note_in(self, folder: Path) -> dict[str, Any]:
        stored = _load(folder, {"note": None})["note"]
        text = np.asarray(stored["json"]).tobytes()
        if (
            "sha256" in stored
            and hashlib.sha256(text).digest() != np.asarray(stored["sha256"]).tobytes()
        ):
            raise Damaged("its note was changed")
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Damaged(f"its note cannot be read: {error}") from None

    def _refuse_other_run(self, note: dict[str, Any]) -> None:
        if isinstance(note.get("settings"), list):  # by an older version
            note["settings"] = dict(
                zip(("batch_size", "restore_best"), note["settings"], strict=False)
            )
        # The same rule was described in other words.
        if note.get("format") != self._note.get("format"):
            note = {name: value for name, value in note.items() if name not in ("format", "rule")}
        for name, theirs, mine in _differences(note, self._note):
            raise ValueError(
                f"the checkpoint in {str(self.where.directory)!r} belongs to another run: its "
                f"{name} differs ({_brief(theirs)}, not {_brief(mine)}). Resume with the same "
                "model, trainer settings, data and key."
            )


def _differences(theirs: Any, mine: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The settings that differ, by name. What an older version did not write down is not
    compared."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key, value in mine.items():
            if key in theirs:
                yield from _differences(theirs[key], value, key)
    elif _holds_settings(mine) and _holds_settings(theirs) and len(mine) == len(theirs):
        for one, other in zip(theirs, mine, strict=True):
            yield from _differences(one, other, name)
    elif theirs != mine:
        yield name, theirs, mine


def _holds_settings(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data).hexdigest()


def _file_digest(path: Path) -> str:
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(Path(parent) / name for parent, _, names in os.walk(folder) for name in names)


def _verify(folder: Path) -> None:
    """Refuse a folder whose files are not those that were written."""
    try:
        if (folder / _CHECKSUMS).exists():  # else by an older version, or killed the moment before
            with opened(folder / _CHECKSUMS) as file:
                text = file.read(LARGEST + 1)
            if len(text) > LARGEST:
                raise Damaged(f"its file {_CHECKSUMS} has more than {LARGEST} bytes")
            sums = json.loads(text)
            for name, expected in sums.items():
                if _file_digest(folder / name) != expected:
                    raise Damaged(f"its file {name} was changed")
        if missing := [
            part for part in ("note", "state") if not (folder / part / "manifest.ocdbt").is_file()
        ]:
            raise Damaged(f"it holds no {' and no '.join(missing)}")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise Damaged(str(error)) from None


def _load(folder: Path, wanted: dict[str, Any]) -> Any:
    from orbax.checkpoint import v1 as ocp

    try:
        return ask(lambda: ocp.load_checkpointables(str(folder), wanted))
    except ValueError as error:
        raise Damaged(str(error)[:300]) from None
