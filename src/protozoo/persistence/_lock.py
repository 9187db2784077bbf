"""One owner at a time: among threads, processes and, where the file system can do it, machines."""

import contextlib
import errno
import json
import os
import socket
import stat
import threading
import time
from pathlib import Path
from typing import Any


class InUse(Exception):
    """Somebody else holds the lock; the message says who."""


class Lock:
    """A file that is locked by the operating system, which unlocks it when its owner ends, however
    that happens.

    The file names its owner (process, when it started, host) for error messages, and for file
    systems without locks: there, a lock is stale if its owner is a process of this host that has
    ended, or whose number another process has now.
    """

    def __init__(self, path: Path):
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, wait: float = 0.0) -> None:
        """Take the lock, within so many seconds.

        **Raises:** `InUse` if it is somebody else's, another thread's of this process included;
        `ValueError` if something that is no file is in its place, and `OSError` if the system has
        no room or no right for it.
        """
        until = time.monotonic() + wait
        while (other := self._try()) is not None:
            if time.monotonic() >= until:
                raise InUse(other)
            time.sleep(0.01)

    def release(self) -> None:
        """Let go, and remove the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        _held.discard(self)
        try:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        finally:
            os.close(descriptor)
            if os.name == "nt":  # where no open file can be removed
                with contextlib.suppress(OSError):
                    os.unlink(self.path)

    def _try(self) -> str | None:
        """Take the lock, or say who has it. One thread at a time: who has locked the file has also
        written its name there, before another one of this process looks."""
        with _guard:
            descriptor = self._open()
            taken = False
            try:
                taken = self._take(descriptor)
            finally:
                if not taken:
                    os.close(descriptor)
            if not taken:
                return _described(_read(self.path))
            self._descriptor = descriptor
            _held.add(self)
            try:
                _write(descriptor, json.dumps(_owner()).encode())
            except BaseException:
                self.release()
                raise
        return None

    def _open(self) -> int:
        # Nothing is waited for, and no link followed: what it leads to would be overwritten.
        flags = ("O_BINARY", "O_NONBLOCK", "O_NOFOLLOW")
        mode = sum((getattr(os, flag, 0) for flag in flags), os.O_RDWR | os.O_CREAT)
        try:
            descriptor = os.open(self.path, mode, 0o666)
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.ENOENT, errno.ENXIO, errno.ELOOP):
                raise
            raise self._refusal(error.strerror) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self._refusal("it is no regular file")
        return descriptor

    def _refusal(self, reason: str | None) -> ValueError:
        return ValueError(
            f"{str(self.path.parent)!r} cannot be locked by the file {self.path.name!r}: {reason}. "
            "Remove what is in its place, or choose another path."
        )

    def _take(self, descriptor: int) -> bool:
        locked = _lock(descriptor)
        if locked is None:  # no locks here: what is written in the file decides
            if _alive(_read(self.path)):
                return False
            mine = _owner() | {"token": os.urandom(8).hex()}
            _write(descriptor, json.dumps(mine).encode())
            time.sleep(0.05)  # of those who came at the same time, the last one to write wins
            return _read(self.path) == mine
        # The owner before may have removed the file between our opening and our locking it: then it
        # locks nothing.
        with contextlib.suppress(FileNotFoundError):
            return locked and os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        return False


#: Held by this process. A forked child has copies of the descriptors, and would hold the locks on
#: when this process ends.
_held: set[Lock] = set()

#: One thread of a process at a time takes a lock.
_guard = threading.Lock()


def _let_go_in_child() -> None:
    global _guard
    _guard = threading.Lock()  # which a thread may have had that the child does not have
    for lock in _held:
        if lock._descriptor is not None:
            os.close(lock._descriptor)
            lock._descriptor = None
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)


def _lock(descriptor: int) -> bool | None:
    """Whether the file is ours now; `None` if the file system has no locks."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        # Windows locks bytes, and nobody else can read them: one far behind what is written.
        os.lseek(descriptor, 2**30, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _write(descriptor: int, text: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text)


def _read(path: Path) -> Any:
    """The owner named in the file, if it is there and names one."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads(path.read_text(encoding="utf-8"))
    return None


def _owner() -> dict[str, Any]:
    pid = os.getpid()
    return {"pid": pid, "started": _started(pid), "host": socket.gethostname()}


def _started(pid: int) -> str | None:
    """When a process started, if the system says: it tells two processes of the same number
    apart."""
    with contextlib.suppress(OSError, IndexError):
        # Field 22; the name of the program comes before the last parenthesis, and may hold
        # anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return None


def _alive(owner: Any) -> bool:
    """Whether the owner may still be there."""
    match owner:
        case {"pid": int() as pid, "started": started, "host": str() as host}:
            if host != socket.gethostname() or os.name != "posix":
                return True
            try:
                os.kill(pid, 0)
            except (ProcessLookupError, OverflowError):
                return False
            except OSError:
                pass  # another user's
            return _started(pid) == started
    return False


def _described(owner: Any) -> str:
    match owner:
        case {"pid": pid, "host": host}:
            return "this process" if owner == _owner() else f"process {pid} on {host}"
    return "another process"
