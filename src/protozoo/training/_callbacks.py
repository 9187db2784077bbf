"""What the host does between chunks of epochs. Nothing here can change what is computed."""

import abc
import contextlib
import dataclasses
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic

import numpy as np

from .._checks import of_kinds
from ..models.internal import Trainable


@dataclasses.dataclass(frozen=True, repr=False)
class View(Generic[Trainable]):
    """What a callback sees: the model as it is now, the history so far, how far training is, and
    whether it may have begun in a process that was killed (`resume=True`). It can be read only: the
    history is the one that training goes on with."""

    model: Trainable
    history: Mapping[str, np.ndarray]
    epoch: int
    epochs: int
    resumed: bool = False

    def __post_init__(self):
        history = {name: values.view() for name, values in self.history.items()}
        for values in history.values():
            values.flags.writeable = False
        object.__setattr__(self, "history", MappingProxyType(history))

    def __reduce__(self) -> tuple[Any, tuple]:
        return View, (self.model, dict(self.history), self.epoch, self.epochs, self.resumed)

    def __repr__(self) -> str:
        return f"View(model={self.model.outline()}, epoch={self.epoch}, epochs={self.epochs})"


class AbstractCallback(abc.ABC):
    """Called before the first epoch, between epochs, and after the last.

    `every` says when: at the multiples of this epoch, or about once a second, if it is `None`; and
    after the last epoch, whichever it is. When it is called depends on nothing else, neither on
    other callbacks nor on checkpoints.
    """

    #: Be called at the multiples of this epoch; `None`: about once a second. It is read when
    #: training starts.
    every: int | None = None

    @abc.abstractmethod
    def on_fit_start(self, view: View) -> None:
        """Before the first epoch."""

    @abc.abstractmethod
    def on_chunk_end(self, view: View) -> bool | None:
        """After some epochs, and after the last one; return `True` to stop training. When a run is
        resumed that a callback stopped, all of them are asked again: who still says `True` stops it
        where it is."""

    @abc.abstractmethod
    def on_fit_end(self, view: View) -> None:
        """When training is over, after the last `on_chunk_end`."""


class Calls:
    """Calls callbacks when they are due."""

    def __init__(self, callbacks: Sequence[AbstractCallback]):
        # When training starts, and no later: the lengths of chunks depend on it.
        self._callbacks, self._every = callbacks, [callback.every for callback in callbacks]
        self._heard = [time.monotonic()] * len(callbacks)

    def start(self, view: Callable[[], View]) -> None:
        """Before the first epoch."""
        for callback in self._callbacks:
            callback.on_fit_start(view())

    def between(self, view: Callable[[], View], epoch: int, last: bool) -> bool:
        """After this epoch, which is the last one or may become it: whether somebody asked to
        stop."""
        due = [last or self._due(i, epoch) for i in range(len(self._callbacks))]
        stop = self._ask(view, due)
        if stop and not last:
            self._ask(view, [not already for already in due])
        return stop

    def end(self, view: Callable[[], View]) -> None:
        """When training is over."""
        for callback in self._callbacks:
            callback.on_fit_end(view())

    def _due(self, i: int, epoch: int) -> bool:
        every = self._every[i]
        # Other callbacks and checkpoints may make chunks much shorter than the second that they are
        # meant to take.
        return time.monotonic() - self._heard[i] > 0.5 if every is None else epoch % every == 0

    def _ask(self, view: Callable[[], View], which: Sequence[bool]) -> bool:
        stop, seen = False, view() if any(which) else None
        for i, (callback, called) in enumerate(zip(self._callbacks, which, strict=True)):
            if called:
                assert seen is not None
                stop |= _as_answer(callback, callback.on_chunk_end(seen))
                self._heard[i] = time.monotonic()
        return stop


def _as_answer(callback: AbstractCallback, answer: Any) -> bool:
    # What comparisons of arrays return is a bool as well.
    if answer is None or (np.shape(answer) == () and np.asarray(answer).dtype == bool):
        return bool(answer)
    raise TypeError(
        f"`on_chunk_end` of {type(callback).__name__} must return True (stop), False or None (go "
        f"on), got {answer!r}."
    )


#: A meter: how to show an epoch and a text, and how to end the show.
Meter = tuple[Callable[[int, str], None], Callable[[], None]]


class Progress(AbstractCallback):
    """A progress bar: by rich on a terminal, else by tqdm, whichever is installed; without them,
    lines of text.

    **Arguments:**

    - `every`: show the state at multiples of this epoch and at the end; by default about once a
      second.
    """

    @of_kinds
    def __init__(self, every: int | None = None):
        self.every = every
        self._meter: Meter

    def on_fit_start(self, view: View) -> None:
        self._meter = _best_meter(view)

    def on_chunk_end(self, view: View) -> None:
        show, _ = self._meter
        show(
            view.epoch,
            ", ".join(f"{name}={values[-1]:.4g}" for name, values in view.history.items()),
        )

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

    columns = (
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
    # No thread, no redirected streams, no hidden cursor: a fit that an exception ends leaves the
    # terminal as it was.
    quiet: Any = {"auto_refresh": False, "redirect_stdout": False, "redirect_stderr": False}
    bar = progress.Progress(
        "epoch", *columns, "{task.fields[text]}", console=Console(stderr=True), **quiet
    )
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
        print(
            f"epoch {epoch}/{view.epochs} [{time.monotonic() - started:.0f}s] {text}",
            file=sys.stderr,
        )

    return show, lambda: None
