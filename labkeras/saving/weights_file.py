"""`.weights.h5`: the weights of a model alone.

The file is Keras 3's. HDF5 leaves room before it for 512 bytes that its readers pass over; there stands a checksum of
all the rest, so that a damaged file is known before the library reads it.
"""

import hashlib
import os
from collections.abc import Iterable
from typing import IO, Any

from labkeras.errors import FileFormatError, InvalidArgumentError, UnsupportedArgumentError
from labkeras.files import atomic_write
from labkeras.saving.archive import WEIGHTS, Archive
from labkeras.saving.destination import checked_suffix, may_write
from labkeras.saving.hdf5 import WeightsReader, WeightsWriter
from labkeras.saving.weights import read_weights, write_weights

__all__ = ["check_preface", "load_weights", "save_weights"]

_PREFACE = 512
_MAGIC = b"labkeras weights, sha256 "
_HDF5 = b"\x89HDF\r\n\x1a\n"


def save_weights(
    model: Any,
    filepath: str | os.PathLike[str],
    overwrite: bool = True,
    max_shard_size: float | None = None,
    objects_to_skip: Iterable[Any] | None = None,
) -> None:
    """Writes the weights of a model to a file, whole or not at all.

    Args:
        model: the model, built.
        filepath: the file, "….weights.h5".
        overwrite: whether to replace a file that is there without asking.
        max_shard_size: not supported yet.
        objects_to_skip: layers and the like that are left out, with all that is in them.

    Raises:
        InvalidArgumentError: if the model has no weights yet, or for another end of the file's name.
        OSError: if the file cannot be written.
    """
    if max_shard_size is not None:
        raise UnsupportedArgumentError(
            f"labkeras does not write weights in several files yet. Received: max_shard_size={max_shard_size!r}"
        )
    path = checked_suffix(filepath, ".weights.h5")
    _check_built(model, "saved")
    if not may_write(path, overwrite):
        return
    with atomic_write(path, "wb") as file:
        with WeightsWriter(file, preface=_PREFACE) as writer:
            write_weights(model, writer, objects_to_skip or ())
        _write_preface(file)


def load_weights(
    model: Any,
    filepath: str | os.PathLike[str],
    skip_mismatch: bool = False,
    objects_to_skip: Iterable[Any] | None = None,
) -> None:
    """Takes the weights of a model from a file.

    Args:
        model: the model, built, of the architecture that was saved.
        filepath: the file, "….weights.h5" or "….keras".
        skip_mismatch: whether layers whose weights do not fit keep theirs, with a warning.
        objects_to_skip: layers and the like that keep their weights.

    Raises:
        FileFormatError: if the file is damaged, or something does not fit; nothing is changed then.
        InvalidArgumentError: if the model has no weights yet, or for another end of the file's name.
        OSError: if the file cannot be opened.
    """
    path = checked_suffix(filepath, ".weights.h5", ".keras")
    _check_built(model, "loaded")
    _build_optimizer(model)
    skipped = list(objects_to_skip or ())
    name = repr(str(path))
    with open(path, "rb") as file:
        if path.name.endswith(".keras"):
            with (
                Archive(file, str(path)).open(WEIGHTS) as content,
                WeightsReader(content, f"{name}, {WEIGHTS}") as reader,
            ):
                read_weights(model, reader, name, skipped, skip_mismatch)
            return
        check_preface(file, name)
        with WeightsReader(file, name) as reader:
            read_weights(model, reader, name, skipped, skip_mismatch)


def _check_built(model: Any, done: str) -> None:
    if not getattr(model, "built", True):
        raise InvalidArgumentError(
            f"weights can be {done} once they exist: call the model {model.name!r} on data, or `build(input_shape)`. "
            "Received: a model that is not built"
        )


def _build_optimizer(model: Any) -> None:
    """So that a state in the file has where to go."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built and model.trainable_variables:
        optimizer.build(model.trainable_variables)


def _write_preface(file: IO[bytes]) -> None:
    text = _MAGIC + _digest(file).encode("ascii") + b"\n"
    file.seek(0)
    file.write(text)


def check_preface(file: IO[bytes], name: str) -> None:
    """A file of Keras's begins with HDF5 at once; any other must begin with the checksum of what follows.

    Args:
        file: the open file; it is at its beginning afterwards.
        name: the file's, for the message.

    Raises:
        FileFormatError: if it does not.
    """
    file.seek(0)
    text = file.read(_PREFACE)
    if not text.startswith(_HDF5) and text.rstrip(b"\0\n") != _MAGIC + _digest(file).encode("ascii"):
        raise FileFormatError(f"{name} is damaged, or no file of weights: the checksum at its beginning does not fit.")
    file.seek(0)


def _digest(file: IO[bytes]) -> str:
    file.seek(_PREFACE)
    digest = hashlib.sha256()
    while block := file.read(2**20):
        digest.update(block)
    return digest.hexdigest()
