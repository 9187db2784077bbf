"""A model as a directory. Orbax is behind this file: it is imported when a model is saved or loaded."""

import importlib.metadata
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._types import PyTree
from ._structure import decompose, digest, rebuild


FORMAT = 1
_STRUCTURE, _ARRAYS, _DIGEST = "structure.json", "arrays", "sha256"


def save(path: str | os.PathLike[str], model: PyTree, *, overwrite: bool = False) -> None:
    """Write a model that `load` reads without a template.

    `path` becomes a directory with the structure in JSON and the arrays in Orbax's format. It appears when it is complete:
    a killed program leaves no half of a model there.

    **Arguments:**

    - `path`: where; its parent directories are made.
    - `model`: a model, or any tree that `describe` can describe.
    - `overwrite`: whether a model that is there already is replaced. Nothing but a saved model ever is.

    **Raises:** `ValueError` if the path exists, or if the model holds a class, function or object that is not known (see
    `register`); nothing is written then.
    """
    structure, arrays = decompose(model)
    # Links are followed: a link to a model goes on to be one.
    target = Path(path).resolve()
    if target.exists():
        if not overwrite:
            raise ValueError(f"{str(path)!r} exists: choose another path, or `overwrite=True` to replace a saved model.")
        try:
            _read(target, path)
        except ValueError as error:
            raise ValueError(f"`overwrite` replaces saved models and nothing else: {error}") from None
    from orbax.checkpoint import v1 as ocp

    identity = digest(structure)
    record = {
        "format": FORMAT,
        "protozoo": _version(),
        "jax": jax.__version__,
        "sha256": identity,
        "structure": structure,
    }
    # Orbax refuses an empty tree and empty arrays. The digest goes with the arrays, and an empty array is all structure.
    stored = {_DIGEST: np.frombuffer(bytes.fromhex(identity), np.uint8)}
    stored |= {name: np.asarray(array) for name, array in arrays.items() if array.size}
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    partial.mkdir()
    try:
        ocp.save(str(partial / _ARRAYS), stored)
        (partial / _STRUCTURE).write_text(json.dumps(record, indent=1, allow_nan=False), encoding="utf-8")
        if overwrite and target.exists():
            _replace(target, partial)
        else:
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def load(path: str | os.PathLike[str]) -> PyTree:
    """Read a model that `save` wrote.

    Nothing is unpickled, and no name is imported that the file chose: classes and functions are looked up among protozoo's
    own, the usual layers and activations, and those that were registered (see `register`). Arrays come back bit by bit,
    on the default device.

    **Returns:** the model.

    **Raises:** `ValueError` if there is no model, if it was written by a newer version, if its structure was edited or its
    arrays are another model's, and if it does not fit the classes of today; it says what was expected and what was found.
    """
    source = Path(path).resolve()
    record = _read(source, path)
    if record["format"] > FORMAT:
        raise ValueError(
            f"the model in {str(path)!r} has format {record['format']}, written by protozoo {record.get('protozoo')}; this is "
            f"protozoo {_version()}, which reads formats up to {FORMAT}: upgrade it."
        )
    expected, found = record.get("sha256"), digest(record.get("structure"))
    if expected != found:
        raise ValueError(
            f"the structure of the model in {str(path)!r} was changed after it was saved: expected the SHA-256 {expected}, "
            f"found {found}."
        )
    from orbax.checkpoint import v1 as ocp

    try:
        # Without a target, and from NumPy arrays, Orbax returns what is stored; it would cast to the dtypes of a target.
        stored = ocp.load(str(source / _ARRAYS))
    except Exception as error:  # of many kinds, for many kinds of damage
        raise ValueError(f"the arrays of the model in {str(path)!r} cannot be read: {error}") from error
    own = isinstance(stored, dict) and _DIGEST in stored
    found = bytes(np.asarray(stored.pop(_DIGEST))).hex() if own else None
    if found != expected:
        raise ValueError(
            f"the arrays in {str(path)!r} belong to another model: expected those of the structure with SHA-256 {expected}, "
            f"found those of {found}."
        )
    return rebuild(record["structure"], stored)


def _read(directory: Path, path: str | os.PathLike[str]) -> dict[str, Any]:
    """The record in a directory which is a saved model, of whatever format."""
    if not directory.exists():
        raise ValueError(f"there is no saved model at {str(path)!r}: the path does not exist.")
    try:
        record = json.loads((directory / _STRUCTURE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{str(path)!r} is not a saved protozoo model: it holds no readable {_STRUCTURE} ({error}).") from None
    if not isinstance(record, dict) or not isinstance(record.get("format"), int):
        raise ValueError(f"{str(path)!r} is not a saved protozoo model: its {_STRUCTURE} names no format.")
    return record


def _replace(target: Path, partial: Path) -> None:
    """Put a complete directory in the place of another: a full directory cannot be renamed over, so two renames."""
    old = partial.with_suffix(".old")
    target.rename(old)
    try:
        partial.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _version() -> str:
    try:
        return importlib.metadata.version("protozoo")
    except importlib.metadata.PackageNotFoundError:  # a source tree that was not installed
        return "0+unknown"
