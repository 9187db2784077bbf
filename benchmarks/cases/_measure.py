"""Clocks, memory and data that cases share."""

import atexit
import ctypes
import os
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def seconds(function: Callable, *arguments: object) -> float:
    began = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - began


def milliseconds_per_epoch(
    fit: Callable[[int], object], short: int, long: int, pairs: int, memory: "Memory | None" = None
) -> float:
    """The steady state: what the epochs between a short fit and a long one take, once nothing is
    left to compile.

    `fit(epochs)` trains a fresh model. Both lengths run once beforehand; what is traced anew in
    every fit is then found in JAX's cache of compiled programs, and what remains of the cost of a
    start cancels in the difference.
    """
    fit(short), fit(long)
    if memory:
        memory.settle()
    spans = [seconds(fit, long) - seconds(fit, short) for _ in range(pairs)]
    return 1e3 * statistics.median(spans) / (long - short)


def cache_compilations() -> None:
    """Keep what this process compiles on disk, for this process only; call it before JAX is
    imported."""
    folder = os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="benchmark-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


def one_core() -> None:
    """Stay on one core from now on."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


class Memory:
    """The peak of this process above what it holds now, and above what it holds once everything is
    compiled."""

    def __init__(self):
        _forget()
        self.start, self.settled, self.before = _resident(), None, 0

    def settle(self) -> None:
        """Compilation is over: give back what it leaves behind, and watch for a new peak."""
        self.before = _peak()
        self.settled = _resident() if _forget() else None

    def megabytes(self) -> dict[str, float | None]:
        peak = _peak()
        working = None if self.settled is None else (peak - self.settled) / 1e6
        return {"peak MB": (max(peak, self.before) - self.start) / 1e6, "working MB": working}


def most_memory(function: Callable[[], object]) -> float:
    """How many bytes this process holds more on the way through `function` than before, looked at
    every millisecond; pages of files do not count. NaN where that cannot be seen (on Linux alone it
    can)."""
    if not _forget():
        return float("nan")
    before, most, over = _own(), [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.001):
            most[0] = max(most[0], _own() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        function()
    finally:
        over.set()
        watcher.join()
    return most[0]


def _own() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def _forget() -> bool:
    """Give freed memory back and set the peak to what is held now, where that can be done (on
    Linux)."""
    time.sleep(0.2)  # JAX frees in the background
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, AttributeError):
        return False
    return True


def _peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return _peak()


def gaussian_classes(
    n: int, features: int, classes: int, spread: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping normal clouds in float32 and their classes, made in place: nothing larger than x
    is ever held."""
    rng = np.random.default_rng(0)
    centres = spread * rng.standard_normal((classes, features), np.float32)
    x = rng.standard_normal((n, features), np.float32)
    for k, centre in enumerate(centres):
        x[k::classes] += centre
    return x, np.arange(n) % classes


def contenders(samples: dict, time: str, quality: str) -> tuple[list[str], list[list[str]]]:
    """The header, and a line for each contender of each row, the first of which is ours."""
    lines = []
    for row, taken in samples.items():
        ours, *_ = taken.values()
        for library, theirs in taken.items():
            known = [(a, b) for a, b in zip(ours, theirs, strict=True) if a and b]
            cells = ["", "", "not measured"]
            if known:
                times, qualities = ([b[name] for _, b in known] for name in (time, quality))
                ratio = statistics.median(a[time] / b[time] for a, b in known)
                cells = [
                    f"{statistics.median(times):.3g}",
                    f"{ratio:.3g}",
                    f"{statistics.median(qualities):.3g}",
                ]
            lines.append([row, library, *cells])
    return ["", "", time, "ours / theirs", quality], lines
