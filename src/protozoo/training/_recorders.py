"""Callbacks that write the history down, epoch by epoch."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._checks import of_kinds, refuse_no_file
from ..persistence.internal import named
from ._callbacks import AbstractCallback, View


def shared_place(callbacks: Sequence[AbstractCallback]) -> tuple[str, int] | None:
    """A place that several recorders write to, and how many of them."""
    places = [str(c.path) for c in callbacks if isinstance(c, HistoryFile)]
    places += [str(c.directory) for c in callbacks if isinstance(c, TensorBoard)]
    counts = ((place, places.count(place)) for place in places)
    return next((one for one in counts if one[1] > 1), None)


class HistoryFile(AbstractCallback):
    """The history as a file that grows while training runs: one row for each epoch, with its number
    and its losses.

    **Arguments:**

    - `path`: a `.csv` file, or a `.jsonl` file: one JSON object in each line, whose losses that are
      not finite are `null`.
    - `every`: write at multiples of this epoch and at the end; by default about once a second. Rows
      are never left out.
    - `overwrite`: whether a file that is there already is replaced.

    A resumed fit continues its own file: what was written after the checkpoint is taken back first.
    If it was killed before the first checkpoint, its rows stay as they are, and are compared with
    what it finds this time.

    **Raises:** `ValueError` for another suffix; when training starts, for a file that exists and is
    not of this fit; while training goes on, for a file whose rows turn out to be of another fit.
    """

    @of_kinds
    def __init__(self, path: str | Path, every: int | None = None, overwrite: bool = False):
        self.path, self.every, self.overwrite = Path(path), every, overwrite
        if self.path.suffix not in (".csv", ".jsonl"):
            raise ValueError(
                f"`path` must end in .csv or .jsonl, the formats of a history, got {str(path)!r}."
            )

    def on_fit_start(self, view: View) -> None:
        self._names = sorted(view.history)
        # The history of a resumed fit is whole, so that there is no need to repair its file: it is
        # written again.
        header = ",".join(["epoch", *self._names]) + "\n" if self.path.suffix == ".csv" else ""
        text = header.encode() + self._rows(view, 0)
        # What a fit that was killed before its first checkpoint wrote, and will write again.
        self._expected = b""
        refuse_no_file(self.path)
        if self.path.exists() and not self.overwrite:
            found = self.path.read_bytes()
            if not (text.startswith(found) or (view.resumed and found.startswith(text))):
                self._refuse()
            if view.resumed and not view.epoch:
                self._expected = found[len(text) : found.rfind(b"\n") + 1]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with named(self.path):
            self.path.write_bytes(text + self._expected)
        self._written = view.epoch

    def on_chunk_end(self, view: View) -> None:
        rows = self._rows(view, self._written)
        known = min(len(rows), len(self._expected))
        if rows[:known] != self._expected[:known]:
            self._refuse()
        self._expected = self._expected[known:]
        # Opened anew each time: an exception leaves no open file behind.
        with named(self.path), self.path.open("ab") as file:
            file.write(rows[known:])
        self._written = view.epoch

    def on_fit_end(self, view: View) -> None:
        if self._expected:  # it ended earlier than the time before
            with self.path.open("r+b") as file:
                file.truncate(self.path.stat().st_size - len(self._expected))

    def _refuse(self) -> None:
        raise ValueError(
            f"{str(self.path)!r} is there already, and is not what this fit wrote so far: choose "
            "another `path`, or `overwrite=True` to replace it."
        )

    def _rows(self, view: View, start: int) -> bytes:
        rows = [
            [epoch + 1, *(float(view.history[name][epoch]) for name in self._names)]
            for epoch in range(start, view.epoch)
        ]
        if self.path.suffix == ".csv":
            lines = [",".join(map(repr, row)) for row in rows]
        else:
            finite = [[value if np.isfinite(value) else None for value in row] for row in rows]
            lines = [
                json.dumps(dict(zip(["epoch", *self._names], row, strict=True))) for row in finite
            ]
        return "".join(line + "\n" for line in lines).encode()


class TensorBoard(AbstractCallback):
    """The history as scalars for TensorBoard, by epoch. Needs tensorboardX
    (`pip install "protozoo[tensorboard]"`).

    **Arguments:**

    - `directory`: where the event files go; one for each fit.
    - `every`: write at multiples of this epoch and at the end; by default about once a second.
      Epochs are never left out.

    **Raises:** when training starts: `ImportError` without tensorboardX, `ValueError` if a new fit
    would mix its curves with those of another.
    """

    @of_kinds
    def __init__(self, directory: str | Path, every: int | None = None):
        self.directory, self.every = Path(directory), every
        self._writer: Any = None

    def on_fit_start(self, view: View) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError(
                '`TensorBoard` needs tensorboardX: pip install "protozoo[tensorboard]"'
            ) from error
        if self.directory.exists() and not self.directory.is_dir():
            raise ValueError(f"`directory`: {str(self.directory)!r} is there, and no folder.")
        if not view.resumed and any(self.directory.glob("*tfevents*")):
            raise ValueError(
                f"{str(self.directory)!r} already holds the events of a fit: choose another "
                f"`directory`."
            )
        # What was on its way to the disk when a fit was killed is missing. TensorBoard forgets the
        # rest, and hears all again.
        self._writer = SummaryWriter(str(self.directory), purge_step=1, flush_secs=1)
        self._write(view, 0)

    def on_chunk_end(self, view: View) -> None:
        self._write(view, self._written)

    def on_fit_end(self, view: View) -> None:
        self._writer.close()
        self._writer = None

    def _write(self, view: View, start: int) -> None:
        for name, values in view.history.items():
            for epoch in range(start, view.epoch):
                self._writer.add_scalar(name, float(values[epoch]), epoch + 1)
        self._written = view.epoch
