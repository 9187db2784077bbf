"""What the host does between chunks of epochs. Nothing here can change what is computed."""

import abc
import contextlib
import dataclasses
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..models import PrototypeModel


@dataclasses.dataclass(frozen=True)
class View:
    """What a callback sees: the model as it is now, the history so far, how far training is, and whether it may have begun
    in a process that was killed (`resume=True`)."""

    model: PrototypeModel
    history: dict[str, np.ndarray]
    epoch: int
    epochs: int
    resumed: bool = False


class AbstractCallback(abc.ABC):
    """Called before the first epoch, between chunks of epochs (about once a second), and after the last."""

    #: Be called at every multiple of this epoch; `None`: whenever the host is heard.
    every: int | None

    @abc.abstractmethod
    def on_fit_start(self, view: View) -> None:
        """Before the first epoch."""

    @abc.abstractmethod
    def on_chunk_end(self, view: View) -> bool | None:
        """After some epochs; return `True` to stop training."""

    @abc.abstractmethod
    def on_fit_end(self, view: View) -> None:
        """After the last epoch."""


#: A meter: how to show an epoch and a text, and how to end the show.
Meter = tuple[Callable[[int, str], None], Callable[[], None]]


class Progress(AbstractCallback):
    """A progress bar: by rich on a terminal, else by tqdm, whichever is installed; without them, lines of text.

    **Arguments:**

    - `every`: show the state every so many epochs at least; by default about once a second.
    """

    def __init__(self, every: int | None = None):
        self.every = every
        self._meter: Meter

    def on_fit_start(self, view: View) -> None:
        self._meter = _best_meter(view)

    def on_chunk_end(self, view: View) -> None:
        show, _ = self._meter
        show(view.epoch, ", ".join(f"{name}={values[-1]:.4g}" for name, values in view.history.items()))

    def on_fit_end(self, view: View) -> None:
        _, close = self._meter
        close()
        del self._meter  # so that a trainer that has trained can be pickled


def _best_meter(view: View) -> Meter:
    terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    for meter in (_rich_bar, _tqdm_bar) if terminal else (_tqdm_bar,):
        with contextlib.suppress(ImportError):
            return meter(view)
    return _lines(view)


def _rich_bar(view: View) -> Meter:
    from rich import progress
    from rich.console import Console

    columns = progress.BarColumn(), progress.MofNCompleteColumn(), progress.TimeElapsedColumn(), progress.TimeRemainingColumn()
    # No thread, no redirected streams, no hidden cursor: a fit that an exception ends leaves the terminal as it was.
    quiet: Any = {"auto_refresh": False, "redirect_stdout": False, "redirect_stderr": False}
    bar = progress.Progress("epoch", *columns, "{task.fields[text]}", console=Console(stderr=True), **quiet)
    task = bar.add_task("", total=view.epochs, completed=view.epoch, text="")
    bar.start()
    bar.console.show_cursor()
    return lambda epoch, text: bar.update(task, completed=epoch, text=text, refresh=True), bar.stop


def _tqdm_bar(view: View) -> Meter:
    from tqdm import tqdm

    bar = tqdm(total=view.epochs, initial=view.epoch, unit="epoch")

    def show(epoch: int, text: str) -> None:
        bar.update(epoch - bar.n)
        bar.set_postfix_str(text)

    return show, bar.close


def _lines(view: View) -> Meter:
    started = time.monotonic()

    def show(epoch: int, text: str) -> None:
        print(f"epoch {epoch}/{view.epochs} [{time.monotonic() - started:.0f}s] {text}", file=sys.stderr)

    return show, lambda: None
