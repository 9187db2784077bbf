"""A model as a directory.

- `structure.json`: the structure; which file has the arrays; the SHA-256 of each array, and of all
  this.
- `arrays-<digits>.bin`: the bits of all arrays, one after the other by path, little-endian, row by
  row; named by digest.

Arrays of fewer bits (`_precision.py`) are in files of format 3, which also says how each of them is
written; all others are in files of format 2.

The structure says where each array begins and ends, so that a file of arrays has nothing to be
believed: no header, no sizes, no compression. Nothing tells who wrote the files, where, or when.

A model is replaced in three steps: its new arrays get a file beside the old ones, `structure.json`
is exchanged for one that names them (a single operation of the file system), the old arrays are
removed. Whenever a program is killed, the old model or the new one is there. What it leaves behind
has fixed names, and whoever has the lock knows that their owner is gone.
"""

import hashlib
import importlib.metadata
import json
import math
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._checks import of_kind, of_values, truth
from .._types import PyTree
from ._disk import make_directory, named, opened, remove, replace, resolved, synchronise, write
from ._lock import InUse, Lock
from ._orbax import read_arrays
from ._precision import Packed, Precision, packed, parsed, unpacked
from ._structure import LONGEST_REASON, ROOT, decompose, digest, layout, reconstruct


#: The newest format that is read. What needs no more is written in format 2, for versions before.
FORMAT, PLAIN = 3, 2
_STRUCTURE, _ARRAYS, _PARTIAL, _ARRAYS_OF_FORMAT_1 = (
    "structure.json",
    "arrays-{}.bin",
    ".partial",
    "arrays",
)

#: The largest `structure.json`, in bytes: reading a hostile one must end.
LARGEST = 2**23

#: How long to wait for another program that saves to the same path, in seconds.
PATIENCE = 60.0

#: How often to look again for a model that was replaced while it was being read.
GLANCES = 50


@of_values
def save(
    path: str | os.PathLike[str],
    model: PyTree,
    *,
    overwrite: bool = False,
    precision: Precision | None = None,
) -> None:
    """Write a model that `load` reads without a template.

    `path` becomes a directory with the structure in JSON and a file of arrays. It appears when it
    is complete, and is replaced in one step: a killed program leaves no half of a model there, and
    who reads meanwhile gets the old model or the new one. What a killed save left behind is removed
    by the next one to the same path. Several programs and threads may save to one path: they take
    turns.

    **Arguments:**

    - `path`: where; its parent directories are made. Any name that the file system takes; `~` means
      nothing special.
    - `model`: a model, or any tree that `describe` can describe.
    - `overwrite`: whether a model that is there already is replaced. Nothing but a saved model ever
      is.

    **Raises:** `ValueError` if the path exists or cannot be used, or if the model holds a class,
    function or object that is not known (see `register`), or NaN that would have to be rounded;
    nothing is written then.
    """
    structure, arrays = decompose(model)
    short = {} if precision is None else rounding(model, precision)
    # Links are followed: a link to a model goes on to be one.
    target = resolved(path, "path")
    bits = {
        name: memoryview(short[name][1]) if name in short else _bits(array)
        for name, array in sorted(arrays.items())
    }
    hashes = {name: hashlib.sha256(array).hexdigest() for name, array in bits.items()}
    file = _ARRAYS.format(digest(hashes)[:16])
    record = {
        "format": FORMAT if short else PLAIN,
        "protozoo": version(),
        "arrays": {"file": file, "sha256": hashes},
        "structure": structure,
    }
    if short:
        record["arrays"]["packed"] = {name: way.described() for name, (way, _) in short.items()}
    text = json.dumps({"sha256": digest(record), **record}, indent=1, allow_nan=False).encode()
    if len(text) > LARGEST:
        raise ValueError(
            f"the structure of this model takes {len(text)} bytes, and a saved model has at most "
            f"{LARGEST}."
        )

    _refuse_to_replace(target, path, truth(overwrite, "overwrite"))
    resolved(target / _ARRAYS.format("0" * 16), "path")  # the longest path that will be read
    make_directory(target.parent, "path")
    with _turn(target, path) as staging:
        _refuse_to_replace(target, path, overwrite)
        remove(staging)
        there = target.exists()
        directory = target if there else staging
        try:
            if not there:
                os.mkdir(staging)
            _put(directory, file, bits.values())
            _put(directory, _STRUCTURE, [text])
            if not there:
                os.rename(staging, target)
                synchronise(target.parent)
        finally:
            remove(staging)
            _tidy(target)


def load(path: str | os.PathLike[str]) -> PyTree:
    """Read a model that `save` wrote.

    Nothing is unpickled, and no name is imported that the file chose: classes and functions are
    looked up among protozoo's own, the usual layers and activations, and those that were registered
    (see `register`). Arrays come back bit by bit, on the default device. Reading takes memory and
    time in proportion to the files, whatever they hold.

    **Returns:** the model.

    **Raises:** `ValueError` if there is no model, if it was written by a newer version, if a bit of
    it was changed, and if it does not fit the classes of today; it says what was expected and what
    was found.
    """
    record, arrays = _together(resolved(path, "path"), path)
    try:
        rounded = record["arrays"].get("packed", ()) if record["format"] > PLAIN else ()
        return reconstruct(record["structure"], arrays, frozenset(rounded))
    except ValueError as error:
        raise ValueError(f"the model in {str(path)!r} cannot be rebuilt: {error}") from error
    except jax.errors.JaxRuntimeError:  # of the device, which the file is not to blame for
        raise
    except Exception as error:  # what a file holds is data, and data can be anything
        raise ValueError(
            f"the model in {str(path)!r} is of a kind that no model has: "
            f"{repr(error)[:LONGEST_REASON]}"
        ) from error


def _together(
    source: Path, path: str | os.PathLike[str]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A record and its arrays. Between one look and the next, the model may have been replaced: so
    there are a few."""
    left = GLANCES
    while True:
        record, left = _read(source, path), left - 1
        _verify(record, path)
        try:
            return record, _READERS[record["format"]](source, record, path)
        except FileNotFoundError as error:
            if not left:
                raise ValueError(
                    f"the arrays of the model in {str(path)!r} are not there: {error}."
                ) from None
            time.sleep(0.001)
        except (OSError, MemoryError, RecursionError) as error:
            raise ValueError(
                f"the arrays of the model in {str(path)!r} cannot be read: {error}."
            ) from error


def rounding(model: PyTree, precision: Precision) -> dict[str, tuple[Packed, bytes]]:
    """The arrays of a model that a file has in fewer bits, by path.

    **Raises:** `ValueError` for another precision, and as `save`.
    """
    return packed(model, of_kind(precision, Precision, "precision"), ROOT)


def quantised(model: PyTree, precision: Precision) -> PyTree:
    """The model that `load` reads, where `model` was saved in a lower precision (see `save`).

    **Raises:** `ValueError` as `save`.
    """
    structure, arrays = decompose(model)
    short = rounding(model, precision)
    for name, (way, bits) in short.items():
        arrays[name] = unpacked(bits, way, np.asarray(arrays[name]).dtype)
    return reconstruct(structure, arrays, frozenset(short))


def largest_change(model: Any, precision: Precision, x: Any) -> float:
    """By how much saving in a lower precision changes a predicted probability at most.

    **Arguments:**

    - `model`: a model with `predict_proba`.
    - `precision`: as `save` takes it.
    - `x`: samples, such as those held out.

    **Returns:** the largest \\(|p_k(x) - \\tilde p_k(x)|\\) of a class and a sample.

    **Raises:** `ValueError` as `save` and `predict_proba`.
    """
    before, after = (np.asarray(m.predict_proba(x)) for m in (model, quantised(model, precision)))
    return float(np.abs(before - after).max())


def _refuse_to_replace(target: Path, path: str | os.PathLike[str], overwrite: bool) -> None:
    """Refuse to save where something is, unless it is a model that may be replaced."""
    if not target.exists():
        return
    if not overwrite:
        raise ValueError(
            f"{str(path)!r} exists: choose another path, or `overwrite=True` to replace a saved "
            f"model."
        )
    try:
        _read(target, path)
    except ValueError as error:
        raise ValueError(f"`overwrite` replaces saved models and nothing else: {error}") from None


@contextmanager
def _turn(target: Path, path: str | os.PathLike[str]) -> Iterator[Path]:
    """Be the only one who saves to `target`; gives the name of a hidden directory beside it."""
    name = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    lock = Lock(target.with_name(f".{name}.protozoo-lock"))
    try:
        with named(lock.path):
            lock.acquire(PATIENCE)
    except InUse as error:
        raise ValueError(
            f"{error} has been saving to {str(path)!r} for {PATIENCE:.0f} seconds: try again "
            f"later, or, if nothing runs, remove {str(lock.path)!r}."
        ) from None
    try:
        yield target.with_name(f".{name}.protozoo")
    finally:
        lock.release()


def _put(directory: Path, name: str, parts: Iterable[Any]) -> None:
    """A file that is whole as soon as it has its name."""
    partial = directory / f"{name}{_PARTIAL}"
    remove(partial)
    write(partial, parts)
    replace(partial, directory / name)


def _tidy(target: Path) -> None:
    """Remove arrays of models that were replaced, those of format 1 too, and files that were never
    finished."""
    if not target.exists():
        return
    match _read(target, target):
        case {"format": 1}:
            current = _ARRAYS_OF_FORMAT_1
        case {"format": 2 | 3, "arrays": {"file": current}}:
            pass
        case _:
            return
    for name in os.listdir(target):
        ours = _named(name.removesuffix(_PARTIAL)) or name in (
            f"{_STRUCTURE}{_PARTIAL}",
            _ARRAYS_OF_FORMAT_1,
        )
        if ours and name != current:
            remove(target / name)


def _named(name: str) -> bool:
    return re.fullmatch(r"arrays-[0-9a-f]{16}\.bin", name) is not None


def _bits(array: Any) -> memoryview:
    """The bytes of an array, in the order in which files have them."""
    array = np.asarray(array)
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(-1)
    return _little_endian(native).view(np.uint8).data


def _little_endian(array: np.ndarray) -> np.ndarray:
    """From this machine's order of bytes to that of files, or back."""
    return array if sys.byteorder == "little" else array.byteswap()


def _read(directory: Path, path: str | os.PathLike[str]) -> dict[str, Any]:
    """The record in a directory which is a saved model, of whatever format."""
    if not directory.exists():
        raise ValueError(f"there is no saved model at {str(path)!r}: the path does not exist.")
    try:
        with opened(directory / _STRUCTURE) as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise ValueError(f"it has more than {LARGEST} bytes")
        record = json.loads(
            text.decode(),
            object_pairs_hook=_each_key_once,
            parse_constant=_no_number,
            parse_float=_finite_number,
            parse_int=_short_integer,
        )
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{str(path)!r} is not a saved protozoo model: it holds no readable {_STRUCTURE} "
            f"({error})."
        ) from None
    if (
        not isinstance(record, dict)
        or type(record.get("format")) is not int
        or record["format"] < 1
    ):
        raise ValueError(
            f"{str(path)!r} is not a saved protozoo model: its {_STRUCTURE} names no format."
        )
    return record


def _verify(record: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Refuse a record that was changed, or that another version must read."""
    if record["format"] > FORMAT:
        raise ValueError(
            f"the model in {str(path)!r} has format {record['format']}, written by protozoo "
            f"{record.get('protozoo')!r:.20}; this is protozoo {version()}, which reads formats "
            f"up to {FORMAT}: upgrade it."
        )
    expected = record.get("sha256")
    signed = (
        record.get("structure")
        if record["format"] == 1
        else {k: v for k, v in record.items() if k != "sha256"}
    )
    try:
        found = digest(signed)
    except RecursionError:
        raise ValueError(
            f"the structure of the model in {str(path)!r} is nested too deeply."
        ) from None
    if expected != found:
        raise ValueError(
            f"the structure of the model in {str(path)!r} was changed after it was saved: expected "
            f"the SHA-256 {expected!r:.100}, found {found!r}."
        )


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(unique := dict(pairs)) != len(pairs):
        raise ValueError("a key occurs twice")
    return unique


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _short_integer(text: str) -> int:
    if len(text) > 1000:
        raise ValueError(f"an integer has {len(text)} digits")
    return int(text)


def _finite_number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is too large a number")
    return number


def _arrays(
    source: Path, record: dict[str, Any], path: str | os.PathLike[str]
) -> dict[str, np.ndarray]:
    """The arrays that a record names, each of them checked."""
    match record.get("arrays"):
        case {"file": str() as name, "sha256": dict() as hashes, **rest} if _named(name):
            wanted = layout(record.get("structure"))
        case _:
            raise ValueError(
                f"the structure of the model in {str(path)!r} names no file of arrays."
            )
    if set(wanted) != set(hashes):
        odd = ", ".join(sorted(set(wanted) ^ set(hashes)))
        raise ValueError(
            f"the structure of the model in {str(path)!r} and its list of arrays differ in "
            f"{odd:.200}."
        )
    try:
        ways = _ways(rest.get("packed", {}) if record["format"] > PLAIN else {}, wanted)
    except ValueError as error:
        raise ValueError(f"the model in {str(path)!r} cannot be read: {error}") from None
    sizes = {array: math.prod(shape) * dtype.itemsize for array, (dtype, shape) in wanted.items()}
    sizes |= {array: way.size for array, way in ways.items()}
    arrays = {}
    with opened(source / name) as file:
        found = os.fstat(file.fileno()).st_size
        if found != sum(sizes.values()):
            raise ValueError(
                f"the arrays of the model in {str(path)!r} are cut off or too long: expected "
                f"{sum(sizes.values())} bytes in {name}, found {found}."
            )
        for array, (dtype, shape) in sorted(wanted.items()):
            bits = file.read(sizes[array])
            if hashlib.sha256(bits).hexdigest() != hashes[array]:
                raise ValueError(
                    f"the array {array} of the model in {str(path)!r} was changed after it was "
                    f"saved."
                )
            way = ways.get(array)
            arrays[array] = (
                _little_endian(np.ndarray(shape, dtype, bits))
                if way is None
                else unpacked(bits, way, dtype)
            )
    return arrays


def _ways(described: Any, wanted: dict[str, Any]) -> dict[str, Packed]:
    """How arrays of fewer bits are written."""
    if not isinstance(described, dict) or not set(described) <= set(wanted):
        raise ValueError("it says how arrays are written that the structure does not mention.")
    for array in described:
        if wanted[array][0].kind not in "fV":  # NumPy calls bfloat16 a kind of its own
            raise ValueError(f"{array} is of {wanted[array][0].name}, which is never rounded.")
    return {array: parsed(way, array) for array, way in described.items()}


def _arrays_of_format_1(
    source: Path, record: dict[str, Any], path: str | os.PathLike[str]
) -> dict[str, np.ndarray]:
    """The arrays that Orbax wrote, with the digest of the structure that they belong to among
    them."""
    directory, stored = source / _ARRAYS_OF_FORMAT_1, {}
    try:
        stored = read_arrays(directory)
    except Exception as error:  # metadata can be of any kind
        if not directory.exists():
            raise FileNotFoundError(str(directory)) from error
        raise ValueError(
            f"the arrays of the model in {str(path)!r} cannot be read: {error}"
        ) from error
    found = stored.pop("sha256", np.zeros(0, np.uint8)).tobytes().hex()
    if found != record["sha256"]:
        raise ValueError(
            f"the arrays in {str(path)!r} belong to another model: expected those of the structure "
            f"with SHA-256 {record['sha256']}, found those of {found or None!r:.100}."
        )
    return stored


_READERS = {1: _arrays_of_format_1, 2: _arrays, 3: _arrays}


def version() -> str:
    """The version of this library."""
    try:
        return importlib.metadata.version("protozoo")
    except importlib.metadata.PackageNotFoundError:  # a source tree that was not installed
        return "0+unknown"
