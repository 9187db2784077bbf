"""Files that are whole or not there, whenever the program is killed."""

import contextlib
import io
import os
import shutil
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


def resolved(path: str | os.PathLike[str], name: str) -> Path:
    """The absolute path that a user's path means, links followed.

    **Raises:** `TypeError` if it is no path, `ValueError` for one that no file can have.
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise TypeError(f"`{name}` must be a string or a `pathlib.Path`, got {path!r}.")
    if not os.fspath(path):
        raise ValueError(f"`{name}` is empty: name a file or a directory.")
    try:
        real = Path(os.path.realpath(path))
        with contextlib.suppress(FileNotFoundError):
            os.stat(real)
    except (
        OSError,
        ValueError,
    ) as error:  # too long, a loop of links, below a file, a character without encoding
        raise ValueError(
            f"`{name}` is a path that cannot be used, {os.fspath(path)!r}: {error}."
        ) from None
    return real


def make_directory(path: Path, name: str) -> None:
    """Make a directory and those above it.

    **Raises:** `ValueError` if something else is in the way.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(
            f"`{name}` needs the directory {str(path)!r}, and there is a file in its place."
        ) from None


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Errors of the system say of which file they are: a descriptor has forgotten."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def write(path: Path, parts: Iterable[Any]) -> None:
    """Write a new file, and wait until the disk has it.

    **Raises:** `OSError` that names the file, if the disk is full, say.
    """
    descriptor = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666
    )
    try:
        with named(path):
            for part in parts:
                left = memoryview(part)
                while left:
                    left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(path: str | os.PathLike[str], parts: Iterable[Any], overwrite: bool) -> None:
    """Write a single file that is whole as soon as it has its name, and make the directories above
    it.

    **Raises:** `ValueError` if something is there, unless it is a file that may be replaced, and
    for a path that cannot be used.
    """
    target = resolved(path, "path")
    if target.exists() and not (overwrite and target.is_file()):
        remedy = ", or `overwrite=True`" if target.is_file() else ""
        raise ValueError(f"{str(path)!r} exists: choose another path{remedy}.")
    make_directory(target.parent, "path")
    partial = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.partial")
    try:
        remove(partial)
        write(partial, parts)
        replace(partial, target)
    finally:
        remove(partial)


def replace(source: Path, target: Path) -> None:
    """Put a file in the place of another, in one step."""
    for left in reversed(range(100)):
        try:
            os.replace(source, target)
            break
        except PermissionError:
            if os.name != "nt" or not left:
                raise
            time.sleep(0.01)  # Windows replaces no file that is being read
    synchronise(target.parent)


def synchronise(directory: Path) -> None:
    """Wait until the disk has the names in a directory, where the system can say so."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole directory, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def opened(path: Path) -> io.BufferedReader:
    """A regular file, open for reading. A pipe or a device would be read without end.

    **Raises:** `OSError` for anything else.
    """

    def regular(mode: int) -> None:
        if not stat.S_ISREG(mode):
            raise OSError(f"{path.name} is not a regular file")

    regular(os.stat(path).st_mode)
    # Should a pipe take its place this very moment, nobody waits for its other end.
    descriptor = os.open(
        path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    )
    try:
        regular(os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")
