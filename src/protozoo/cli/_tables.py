"""Data as people have them: files whose columns have names."""

import csv
import dataclasses
import math
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np


#: How files say that a value is not there.
MISSING = frozenset(["", "na", "n/a", "nan", "null", "none", "?"])


@dataclasses.dataclass(frozen=True)
class Table:
    """Columns of one length.

    - `path`: the file that they are from.
    - `columns`: by name, `(n,)` of text or numbers; an array of samples, `(n, ...)`, is one column.
    - `lines`: where each row stands in the file, counted from one.
    """

    path: Path
    columns: dict[str, np.ndarray]
    lines: np.ndarray

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self, chosen: np.ndarray) -> "Table":
        """Some of the rows."""
        columns = {name: column[chosen] for name, column in self.columns.items()}
        return Table(self.path, columns, self.lines[chosen])

    def column(self, name: str, argument: str) -> np.ndarray:
        """The column of a name.

        **Raises:** `ValueError` naming the columns that there are.
        """
        if name not in self.columns:
            raise ValueError(
                f"{self.path} has no column {name!r} ({argument}); it has {_listed(self.columns)}."
            )
        return self.columns[name]

    def samples(self, names: Sequence[str]) -> np.ndarray:
        """Columns of numbers side by side, `(n, d)`; an array of samples is what it is.

        **Raises:** `ValueError` naming the line and the column of what is no number or not there.
        """
        if len(names) == 1 and self.columns[names[0]].ndim > 1:
            return self.columns[names[0]]
        return np.stack([self._numbers(name) for name in names], axis=1)

    def weights(self, name: str, argument: str) -> np.ndarray:
        """A column that says how many copies there are of each row, `(n,)`.

        **Raises:** `ValueError` naming the line of one below zero, and if all are zero.
        """
        weights = self._numbers(name)
        if (weights < 0).any():
            row = int((weights < 0).argmax())
            raise ValueError(
                f"{self._place(row, name)}: a weight ({argument}) must not be negative, got "
                f"{weights[row]:g}."
            )
        if not weights.any():
            raise ValueError(
                f"{self.path}: column {name!r} ({argument}) is zero in every row: no row counts."
            )
        return weights

    def missing(self, names: Sequence[str]) -> np.ndarray:
        """Rows in which a value of these columns is not there, as a mask `(n,)`."""
        gaps = [_missing(self.columns[name]) for name in names]
        return np.logical_or.reduce(gaps) if gaps else np.zeros(len(self), bool)

    def _numbers(self, name: str) -> np.ndarray:
        column = self.columns[name]
        if column.ndim > 1:
            raise ValueError(
                f"{self.path}: {name!r} has shape {column.shape}, and stands beside other columns; "
                "a file of arrays holds one of samples, and one of numbers for each sample."
            )
        if (gaps := _missing(column)).any():
            raise ValueError(
                f"{self._place(int(gaps.argmax()), name)}: the value is missing. Fill it in, or "
                "leave such rows out (--skip-missing) or the column (--drop)."
            )
        numbers = (
            column.astype(float)
            if column.dtype.kind in "biuf"
            else np.array([_number(value) for value in column])
        )
        if np.isfinite(numbers).all():
            return numbers
        wrong = int((~np.isfinite(numbers)).argmax())
        raise ValueError(
            f"{self._place(wrong, name)}: {str(column[wrong])!r} is no number. Leave the column "
            f"out: --drop {name!r}."
        )

    def labels(self, name: str, argument: str) -> list[str]:
        """What a column of classes says of each row, as text.

        **Raises:** `ValueError` naming the line of one that is missing.
        """
        column = self.column(name, argument)
        if column.ndim > 1:
            raise ValueError(f"{self.path}: {name!r} has shape {column.shape}, and no class a row.")
        if (gaps := _missing(column)).any():
            raise ValueError(f"{self._place(int(gaps.argmax()), name)}: the class is missing.")
        return [_name(value) for value in column]

    def _place(self, row: int, name: str) -> str:
        return f"{self.path}, line {self.lines[row]}, column {name!r}"


def read(path: Path, header: bool = True) -> Table:
    """The table in a file: CSV (or TSV), Parquet, `.npy` or `.npz`.

    **Raises:** `ValueError` naming the file, and the line, where something is wrong.
    """
    kind = path.suffix.lower()
    if kind not in READERS:
        raise ValueError(f"{path}: the name must end in one of {', '.join(READERS)}.")
    try:
        columns, lines = READERS[kind](path, header)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not columns or not len(lines):
        raise ValueError(f"{path} holds no rows.")
    return Table(path, columns, lines)


def class_names(labels: Collection[str]) -> list[str]:
    """The classes in order: that of numbers, if all of them are some."""
    names = set(labels)
    return sorted(names, key=float) if all(map(_is_number, names)) else sorted(names)


def _csv(path: Path, header: bool) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rows, lines = [], []
    for line, row in _records(path):
        if rows and len(row) != len(rows[0]):
            raise ValueError(
                f"{path}, line {line}: the row has {len(row)} values, and the first one has "
                f"{len(rows[0])}. Is the file cut off, or a value with a comma not quoted?"
            )
        rows.append(row)
        lines.append(line)
    if not rows:
        return {}, np.zeros(0, int)
    names = [name.strip() for name in rows[0]] if header else _numbered(rows[0])
    if header:
        rows, lines = rows[1:], lines[1:]
        if all(map(_is_number, names)):
            raise ValueError(
                f"{path}, line 1: the columns are called {_listed(names)}, which are numbers. "
                "If the file has no header, say so: --no-header."
            )
    for i, name in enumerate(names):
        if not name or name in names[:i]:
            said = f"is called {name!r} like another one" if name else "has no name"
            raise ValueError(f"{path}, line 1: column {i + 1} {said}.")
    values = zip(*rows, strict=True) if rows else [[]] * len(names)
    columns = {
        name: np.array([value.strip() for value in column], object)
        for name, column in zip(names, values, strict=True)
    }
    return columns, np.array(lines, int)


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = max(",;\t", key=file.readline().count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            try:
                for row in reader:
                    if row:  # no empty line
                        yield reader.line_num, row
            except csv.Error as error:
                raise ValueError(f"{path}, line {reader.line_num}: {error}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8: {error.reason}.") from error


def _parquet(path: Path, header: bool) -> tuple[dict[str, np.ndarray], np.ndarray]:
    try:
        import polars
    except ImportError:
        raise ValueError(f"{path}: Parquet is read by polars: pip install polars.") from None
    try:
        frame = polars.read_parquet(path)
    except polars.exceptions.PolarsError as error:
        raise ValueError(f"{path} is no whole Parquet file: {error}.") from error
    columns = {
        column.name: column.to_numpy()
        if column.dtype.is_numeric() and not column.null_count()
        else np.array(column.to_list(), object)
        for column in frame
    }
    return columns, np.arange(1, len(frame) + 1)


def _npy(path: Path, header: bool) -> tuple[dict[str, np.ndarray], np.ndarray]:
    return _of_arrays(path, _loaded(path, lambda file: {"x": np.load(file, allow_pickle=False)}))


def _npz(path: Path, header: bool) -> tuple[dict[str, np.ndarray], np.ndarray]:
    return _of_arrays(path, _loaded(path, lambda file: dict(np.load(file, allow_pickle=False))))


def _loaded(path: Path, load: Callable[[Any], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        try:
            return load(file)
        except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{path} is no whole file of arrays of numbers: {error}.") from error


def _of_arrays(
    path: Path, arrays: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    for name, array in arrays.items():
        if array.ndim == 0:
            raise ValueError(f"{path}: {name!r} is a single number, and no array of samples.")
    sizes = {name: len(array) for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{name!r} {size}" for name, size in sizes.items())
        raise ValueError(f"{path}: arrays must have as many entries each, and have: {said}.")
    return arrays, np.arange(1, next(iter(sizes.values()), 0) + 1)


#: Which function reads files of a kind.
READERS: dict[str, Callable[[Path, bool], tuple[dict[str, np.ndarray], np.ndarray]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
    ".npy": _npy,
    ".npz": _npz,
}


def _missing(column: np.ndarray) -> np.ndarray:
    if column.dtype == object:
        return np.array([_name(value).lower() in MISSING for value in column], bool)
    if np.issubdtype(column.dtype, np.inexact):
        gaps = np.isnan(column).reshape(len(column), -1)
        return np.logical_or.reduce(gaps, axis=1)
    return np.zeros(len(column), bool)


def _name(value: Any) -> str:
    """A class as text: 1.0 is the class 1."""
    if value is None:
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _number(value: Any) -> float:
    """The number that is written there; NaN for what is none. Underscores between digits are
    Python's way to write numbers, and in data a slip."""
    try:
        return math.nan if "_" in str(value) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _is_number(value: Any) -> bool:
    return math.isfinite(_number(value))


def _numbered(row: Sequence[str]) -> list[str]:
    return [str(i + 1) for i in range(len(row))]


def _listed(names: Collection[str]) -> str:
    some = [repr(str(name)) for name in names]
    return ", ".join(some[:12]) + (f" … ({len(some)} in all)" if len(some) > 12 else "")
