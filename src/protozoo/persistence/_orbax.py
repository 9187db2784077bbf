"""What everybody who asks Orbax must know. It is imported when it is needed."""

import gc
import math
import os
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from ._disk import resolved


Answer = TypeVar("Answer")

#: Orbax counts its operations in globals of the process: one at a time, in whatever thread.
ORBAX = threading.Lock()

#: Orbax puts its files together by patterns, to which these characters mean something else.
_PATTERN = "*?[\\"

#: How many bytes arrays may take in any case, and for each byte of their files.
_ROOM, _COMPRESSION = 2**28, 2000


def orbax_path(directory: str | os.PathLike[str], name: str) -> Path:
    """The absolute path of a directory that Orbax can find again.

    **Raises:** `ValueError` for a path that it would write to and not read from; `TypeError` if it
    is no path.
    """
    path = resolved(directory, name)
    # The first part is the root, which on Windows holds a backslash.
    if found := sorted({c for part in path.parts[1:] for c in part} & set(_PATTERN)):
        raise ValueError(
            f"`{name}` must not have {' or '.join(map(repr, found))} in its path: what is written "
            f"there is not found again. Rename it, got {str(path)!r}."
        )
    if remote := [part for part in path.parts[1:] if part.endswith(":")]:
        raise ValueError(
            f"`{name}` must be a folder of this machine, got {str(path)!r}: a part like "
            f"{remote[0]!r} is taken for a place in a network."
        )
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"`{name}` must be a path in Unicode, got {str(path)!r}.") from None
    return path


def read_arrays(directory: Path) -> dict[str, np.ndarray]:
    """The arrays of a model that Orbax wrote: of format 1.

    **Raises:** `ValueError` for anything but files, for arrays out of proportion to them, and for
    every kind of damage.
    """
    from orbax.checkpoint import v1 as ocp

    # A pipe would be waited for without end, and a few bytes can claim to be the zeros of any
    # memory.
    files = [
        os.path.join(folder, name) for folder, _, names in os.walk(directory) for name in names
    ]
    if other := [file for file in files if not os.path.isfile(file)]:
        raise ValueError(f"{other[0]!r} is not a regular file")
    if not any(manifest.is_file() for manifest in directory.glob("*/manifest.ocdbt")):
        raise ValueError("they have no manifest")
    room = max(_ROOM, _COMPRESSION * sum(map(os.path.getsize, files)))
    described = ask(lambda: ocp.metadata(str(directory)).metadata)
    size = sum(math.prod(one.shape) * np.dtype(one.dtype).itemsize for one in described.values())
    if not 0 <= size <= room:
        raise ValueError(f"its arrays would take {size} bytes, and its files have room for {room}")
    # Without a target, and from NumPy arrays, Orbax returns what is stored; it would cast to the
    # dtypes of a target.
    return {
        name: np.asarray(array) for name, array in ask(lambda: ocp.load(str(directory))).items()
    }


def ask(question: Callable[[], Answer]) -> Answer:
    """What Orbax says, asked by one thread at a time.

    **Raises:** `ValueError` for errors of every kind: they are many, for many kinds of damage.
    """
    with ORBAX, warnings.catch_warnings():
        # When it fails, it leaves coroutines behind that nobody waits for.
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        try:
            return question()
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
        gc.collect()
    raise ValueError(failure)
