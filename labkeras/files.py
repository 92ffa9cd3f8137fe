"""Files that are written whole or not at all."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any, Literal, overload

from labkeras.errors import InvalidArgumentError

__all__ = ["atomic_write", "is_temporary", "without_waiting"]

_waits: ContextVar[bool] = ContextVar("_waits", default=True)


@overload
def atomic_write(
    path: str | os.PathLike[str], mode: Literal["w"] = "w", durable: bool = True
) -> AbstractContextManager[IO[str]]: ...
@overload
def atomic_write(
    path: str | os.PathLike[str], mode: Literal["wb"], durable: bool = True
) -> AbstractContextManager[IO[bytes]]: ...
def atomic_write(
    path: str | os.PathLike[str], mode: Literal["w", "wb"] = "w", durable: bool = True
) -> AbstractContextManager[IO[Any]]:
    """Opens a file that takes the place of `path` when the `with` block ends, and leaves no trace if the block raises.

    What is written goes to a file of another name in the same folder; it is flushed to the disk and then renamed, so
    that at every moment, a power cut included, `path` is the old file or the new one, whole. A link is followed.

    Args:
        path: the file to write; its folder must exist.
        mode: "w" for text in UTF-8, or "wb" for bytes; a file of bytes can be read back and positioned as well.
        durable: whether to wait for the disk; without, only a power cut can take what was written away.

    Raises:
        InvalidArgumentError: for another mode.
        OSError: if the folder does not exist or cannot be written to.

    Example:
        >>> with atomic_write("result.json") as file:
        ...     file.write("{}")
        2
    """
    if mode not in ("w", "wb"):
        raise InvalidArgumentError(f"`mode` must be 'w' or 'wb'. Received: mode={mode!r}")
    return _replacing(Path(os.path.realpath(path)), binary=mode == "wb", durable=durable and _waits.get())


def is_temporary(name: str) -> bool:
    """Whether a file's name is one that `atomic_write` writes to; such a file is left when the process is killed.

    Example:
        >>> is_temporary(".0123456789abcdef.tmp"), is_temporary("result.json")
        (True, False)
    """
    return re.fullmatch(r"\.[0-9a-f]{16}\.tmp", name) is not None


@contextmanager
def without_waiting() -> Iterator[None]:
    """Within it, `atomic_write` waits for no disk, whoever calls it: what is written is only there to be copied."""
    token = _waits.set(False)
    try:
        yield
    finally:
        _waits.reset(token)


@contextmanager
def _replacing(path: Path, binary: bool, durable: bool) -> Iterator[IO[Any]]:
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with _create(temporary, binary) as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        _keep_permissions(path, temporary)
        os.replace(temporary, path)
    except BaseException:  # Ctrl-C too
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    if durable:
        _flush_folder(path.parent)


def _create(path: Path, binary: bool) -> IO[Any]:
    # Opened anew and not by `tempfile`, whose files nobody else may read.
    if binary:
        return open(path, "x+b")
    return open(path, "x", encoding="utf-8", newline="\n")


def _keep_permissions(path: Path, temporary: Path) -> None:
    with suppress(FileNotFoundError):
        temporary.chmod(path.stat().st_mode & 0o7777)


def _flush_folder(folder: Path) -> None:
    """Makes the rename itself survive a power cut; only POSIX systems let one open a folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
