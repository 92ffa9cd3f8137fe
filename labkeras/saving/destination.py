"""Where to save: names of files, and whether one that is there may be replaced."""

import os
from pathlib import Path

from labkeras.errors import InvalidArgumentError, UnsupportedArgumentError

__all__ = ["checked_suffix", "may_write"]


def checked_suffix(filepath: str | os.PathLike[str], *supported: str) -> Path:
    """The path, if its end says a format that is supported.

    Args:
        filepath: the path.
        supported: the ends that are: ".keras", ".weights.h5".

    Raises:
        UnsupportedArgumentError: for a format of Keras's that labkeras does not have yet.
        InvalidArgumentError: for any other end.
    """
    name = os.fspath(filepath)
    if not isinstance(name, str):
        raise InvalidArgumentError(f"`filepath` must be a path. Received: filepath={filepath!r}")
    if name.endswith(supported):
        return Path(name)
    wanted = " or ".join(repr(suffix) for suffix in supported)
    if name.endswith((".h5", ".hdf5", ".weights.json")) or name.startswith("hf://"):
        raise UnsupportedArgumentError(
            f"labkeras does not support this format of Keras's yet; `filepath` must end in {wanted}. "
            f"Received: filepath={name!r}"
        )
    raise InvalidArgumentError(f"`filepath` must end in {wanted}. Received: filepath={name!r}")


def may_write(path: Path, overwrite: bool) -> bool:
    """Whether to write: there is no file yet, it may be replaced, or whoever sits at the terminal says yes.

    Raises:
        InvalidArgumentError: if there is a file, and nobody to ask.
    """
    if overwrite or not path.exists():
        return True
    try:
        answer = input(f"{str(path)!r} exists already. Overwrite it? [y/n] ")
    except (EOFError, OSError) as error:
        raise InvalidArgumentError(
            f"{str(path)!r} exists already, and nobody can be asked: pass `overwrite=True`. Received: overwrite=False"
        ) from error
    return answer.strip().lower() in ("y", "yes")
