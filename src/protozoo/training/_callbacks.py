"""What the host does between chunks of epochs. Nothing here can change what is computed."""

import abc
import dataclasses
import sys
import time
from typing import Any

import numpy as np

from ..models import PrototypeModel


@dataclasses.dataclass(frozen=True)
class View:
    """What a callback sees: the model as it is now, the history so far, and how far training is."""

    model: PrototypeModel
    history: dict[str, np.ndarray]
    epoch: int
    epochs: int


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


class Progress(AbstractCallback):
    """A progress bar (by tqdm, if it is installed) or a line of text now and then.

    **Arguments:**

    - `every`: show the state every so many epochs at least; by default about once a second.
    """

    def __init__(self, every: int | None = None):
        self.every = every
        self._meter: Any = None

    def on_fit_start(self, view: View) -> None:
        try:
            from tqdm import tqdm

            self._meter = tqdm(total=view.epochs, initial=view.epoch, unit="epoch")
        except ImportError:
            self._meter = _Lines(view.epochs, view.epoch)

    def on_chunk_end(self, view: View) -> None:
        self._meter.set_postfix({name: f"{values[-1]:.4g}" for name, values in view.history.items() if len(values)})
        self._meter.update(view.epoch - self._meter.n)

    def on_fit_end(self, view: View) -> None:
        self._meter.close()


class _Lines:
    """The part of tqdm's interface that is used here, for terminals without tqdm."""

    def __init__(self, total: int, n: int):
        self.total, self.n, self.text, self.started = total, n, "", time.monotonic()

    def set_postfix(self, values: dict[str, str]) -> None:
        self.text = ", ".join(f"{name}={value}" for name, value in values.items())

    def update(self, count: int) -> None:
        self.n += count
        print(f"epoch {self.n}/{self.total} [{time.monotonic() - self.started:.0f}s] {self.text}", file=sys.stderr)

    def close(self) -> None:
        pass
