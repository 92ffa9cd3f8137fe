"""The file of a backup: a zip archive of a model's weights, its optimizer's state, and anything else of numbers.

It holds `weights.weights.h5`, written by the model itself; `state.json`; and the arrays in that state as members of
their own, which `state.json` says the type and shape of. Nothing is compressed, no member is longer than the file, and
nothing in it is code. zipfile's checksums find damage.
"""

import json
import os
import secrets
import shutil
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from labkeras.errors import FileFormatError, SerializationError
from labkeras.files import atomic_write, without_waiting

__all__ = ["Backup", "read_backup", "remove_leftovers", "write_backup"]

_STATE = "state.json"
_WEIGHTS = "weights.weights.h5"
_ARRAY = "__array__"
_NUMBERS = "biufc"
# What zipfile, json and NumPy raise for what is not as it should be; RuntimeError: encrypted, too deeply nested.
_DAMAGE = (zipfile.BadZipFile, EOFError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, struct.error)


def write_backup(path: Path, model: Any, state: dict[str, Any]) -> None:
    """Writes a backup, whole or not at all: the old one is there until the new one is safe on the disk.

    Args:
        path: the file; its folder must exist.
        model: the model.
        state: nested dicts and lists of numbers, strings, None, arrays and tensors.

    Raises:
        SerializationError: if `state` holds anything else; no file is changed then.
    """
    arrays: list[np.ndarray[Any, Any]] = []
    text = json.dumps(_written(state, arrays, "state"))
    with _scratch(path.parent) as weights:
        with without_waiting():
            model.save_weights(weights)
        with atomic_write(path, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            archive.writestr(_STATE, text)
            for index, array in enumerate(arrays):
                archive.writestr(f"{_ARRAY}/{index}", array.tobytes())
            archive.write(weights, _WEIGHTS)


class Backup:
    """A backup that was read and found whole.

    Attributes:
        path: the file.
        state: what was written, with lists for tuples and arrays for tensors.
    """

    def __init__(self, path: Path, state: dict[str, Any]) -> None:
        self.path = path
        self.state = state

    def copy_weights(self, target: IO[bytes]) -> None:
        """Copies the file of weights, as `Model.save_weights` wrote it, into another file."""
        with zipfile.ZipFile(self.path) as archive, archive.open(_WEIGHTS) as source:
            shutil.copyfileobj(source, target, 2**20)

    def load_weights(self, model: Any) -> None:
        """Gives a model the weights, and its optimizer the state.

        Raises:
            FileFormatError: if they do not fit; nothing is changed then.
        """
        with _scratch(self.path.parent) as weights:
            with open(weights, "xb") as target:
                self.copy_weights(target)
            try:
                model.load_weights(weights)
            except FileFormatError as error:
                raise FileFormatError(
                    f"the backup {str(self.path)!r} is of another model: remove it to train this one from the "
                    f"beginning, or make the model as it was. {error}"
                ) from error


def read_backup(path: Path) -> Backup:
    """Reads a backup; its checksums are compared before anything of it is used.

    Args:
        path: the file.

    Raises:
        FileFormatError: if it is damaged, or no backup.
        OSError: if it cannot be opened.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _check_members(archive, os.fstat(file.fileno()).st_size)
                damaged = archive.testzip()
                if damaged is not None:
                    raise ValueError(f"the checksum of {damaged!r} is not right")
                state = _read(json.loads(archive.read(_STATE)), archive, set())
        except _DAMAGE as error:
            raise FileFormatError(f"the backup {str(path)!r} is damaged, or no backup: {error}") from error
    if not isinstance(state, dict):
        raise FileFormatError(f"the backup {str(path)!r} is no backup: its state is no mapping.")
    return Backup(path, state)


def remove_leftovers(folder: Path) -> None:
    """Removes what a process that was killed while it wrote left in the folder of its backups."""
    for pattern in (".*.tmp", ".*.weights.h5"):
        for path in folder.glob(pattern):
            with suppress(FileNotFoundError):
                path.unlink()


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """The name of a file for weights that is gone afterwards; beside the backup, where there is room for them."""
    path = folder / f".{secrets.token_hex(8)}.weights.h5"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _written(value: Any, arrays: list[np.ndarray[Any, Any]], place: str) -> Any:
    """A value as JSON has it, with each array replaced by where it is to be found."""
    if isinstance(value, dict):
        strange = [key for key in value if not isinstance(key, str) or key == _ARRAY]
        if strange:
            raise SerializationError(f"keys of what is backed up must be strings. Received: {place}[{strange[0]!r}]")
        return {key: _written(item, arrays, f"{place}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_written(item, arrays, f"{place}[{index}]") for index, item in enumerate(value)]
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Tensor):
        # NumPy has no bfloat16; float32 holds all its values.
        value = (value.detach().float() if value.dtype is torch.bfloat16 else value.detach()).cpu().numpy()
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.kind in _NUMBERS:
            arrays.append(array)
            return {_ARRAY: len(arrays) - 1, "dtype": array.dtype.str, "shape": list(array.shape)}
    raise SerializationError(
        "a backup holds numbers, strings, arrays, lists and dicts of them. "
        f"Received: {place}={value!r:.200} of type {type(value).__name__}"
    )


def _read(value: Any, archive: zipfile.ZipFile, taken: set[Any]) -> Any:
    if isinstance(value, list):
        return [_read(item, archive, taken) for item in value]
    if not isinstance(value, dict):
        return value
    if _ARRAY not in value:
        return {key: _read(item, archive, taken) for key, item in value.items()}
    if value[_ARRAY] in taken:  # a small file could stand for any number of arrays
        raise ValueError(f"the array {value[_ARRAY]!r} is in two places")
    taken.add(value[_ARRAY])
    dtype = np.dtype(str(value.get("dtype")))
    if dtype.kind not in _NUMBERS:
        raise ValueError(f"it holds an array of {dtype}")
    content = archive.read(f"{_ARRAY}/{value[_ARRAY]}")
    return np.frombuffer(content, dtype).reshape([int(size) for size in value.get("shape", [])]).copy()


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    names = archive.namelist()
    if _STATE not in names or _WEIGHTS not in names or len(set(names)) < len(names):
        raise ValueError(f"its members are {names[:10]}")
    infos = archive.infolist()
    is_packed = any(info.compress_type != zipfile.ZIP_STORED for info in infos)
    if is_packed or sum(info.file_size for info in infos) > size:
        raise ValueError("its members are longer than the file")
