"""FolderLock: one process works in a folder, others learn which.

The operating system holds the lock, so that it ends with the process, however that ends: there are no stale locks. The
file says who holds it, for people; what it says of a process that is gone counts for nothing.
"""

import json
import os
import socket
import sys
import time
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from labkeras.errors import RunDirectoryError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["FolderLock", "is_locked", "lock_holder"]

# Whoever looks whether a lock is held takes it for a moment.
_PATIENCE = 0.3
# Windows locks bytes against reading too: one that the text never reaches.
_FAR = 2**30

_held: set[int] = set()


class FolderLock:
    """Held while a process works in a folder.

    Args:
        path: the lock's file; its folder exists.
        what: what the folder is, for the message: "run directory".

    Example:
        >>> with FolderLock(Path("runs/a/run.lock"), "run directory"):
        ...     work()
    """

    def __init__(self, path: Path, what: str = "run directory") -> None:
        self.path = path
        self._what = what
        self._file: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds it."""
        return self._file is not None

    def acquire(self) -> None:
        """Takes the lock.

        Raises:
            RunDirectoryError: naming process and host, if another process, or another object here, holds it; after less
                than a second.
            OSError: if the file cannot be made.
        """
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        deadline = time.monotonic() + _PATIENCE
        while not _try_lock(file):
            if time.monotonic() > deadline:
                os.close(file)
                raise RunDirectoryError(
                    f"{_named(lock_holder(self.path))} is working in this {self._what}: wait until it ends, end it, or "
                    f"name another folder. Received: {str(self.path.parent)!r}"
                )
            time.sleep(0.02)
        self._file = file
        _held.add(file)
        _write_holder(file)

    def release(self) -> None:
        """Gives the lock back; nothing happens if it is not held."""
        file, self._file = self._file, None
        if file is not None:
            _held.discard(file)
            with suppress(OSError):
                os.ftruncate(file, 0)
            _unlock(file)
            os.close(file)

    def __enter__(self) -> "FolderLock":
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock of a file."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:  # somebody else's folder: what can be read is who wrote last
        return bool(lock_holder(path))
    try:
        free = _try_lock(file, shared=True)
        if free:
            _unlock(file)
        return not free
    finally:
        os.close(file)


def lock_holder(path: Path) -> dict[str, Any]:
    """What a lock's file says of who holds it: {"pid", "host", "since"}; empty if it says nothing."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _named(holder: dict[str, Any]) -> str:
    if "pid" not in holder:
        return "another process"
    return f"process {holder['pid']} on {holder.get('host', 'an unknown host')}, since {holder.get('since')},"


def _write_holder(file: int) -> None:
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with suppress(OSError):  # a full disk: the lock is held all the same
        os.ftruncate(file, 0)
        os.write(file, json.dumps(holder).encode())


def _forget_in_child() -> None:
    # A worker that outlives its parent must not hold the parent's lock.
    for file in _held:
        with suppress(OSError):
            os.close(file)
    _held.clear()


if sys.platform == "win32":

    def _try_lock(file: int, shared: bool = False) -> bool:
        os.lseek(file, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        os.lseek(file, 0, os.SEEK_SET)
        return True

    def _unlock(file: int) -> None:
        os.lseek(file, _FAR, os.SEEK_SET)
        with suppress(OSError):
            msvcrt.locking(file, msvcrt.LK_UNLCK, 1)
else:

    def _try_lock(file: int, shared: bool = False) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # some network file systems have no locks
            if not shared:
                warnings.warn(
                    f"this file system has no locks ({error}): see to it that no two processes use one folder",
                    stacklevel=4,
                )
            return True
        return True

    def _unlock(file: int) -> None:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)

    os.register_at_fork(after_in_child=_forget_in_child)
