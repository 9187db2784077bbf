"""What was measured on each fold: lines of JSON, so that an interrupted run goes on where it
stopped; and what differences between two columns of them are worth."""

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Place(NamedTuple):
    """What a measurement is of; no two have the same."""

    data: str
    row: str
    library: str
    version: str
    repeat: int
    fold: int


class Records:
    """Measurements by their places, in a file to which lines are appended."""

    def __init__(self, path: Path):
        self.path, self.found = path, {}
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for line in text.splitlines():
            try:
                one = json.loads(line)
            except json.JSONDecodeError:
                continue  # a run was interrupted while it wrote
            self.found[Place(*(one.pop(name) for name in Place._fields))] = one
        self._torn = bool(text) and not text.endswith("\n")

    def missing(self, places: Iterable[Place]) -> list[Place]:
        """Those that were not measured yet."""
        return [place for place in places if place not in self.found]

    def add(self, place: Place, **numbers: Any) -> None:
        """Keep a measurement, on disk at once."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            start = "\n" if self._torn else ""
            file.write(start + json.dumps({**place._asdict(), **numbers}) + "\n")
        self._torn = False
        self.found[place] = numbers


def corrected_error(values: Sequence[float], ratio: float) -> float:
    """The standard error of the mean of values from J folds whose training sets overlap,
    √((1/J + n_test/n_train)·s²): without the second term, more repeats of the same data would seem
    to be more data (C. Nadeau & Y. Bengio, *Inference for the generalization error*, Machine
    Learning, 2003). `ratio` is n_test/n_train."""
    return math.sqrt((1 / len(values) + ratio) * statistics.variance(values))
