"""load_checkpoint: what a run wrote down to go on from, as plain values and tensors.

A checkpoint is a zip archive: weights in HDF5, everything else as JSON and plain arrays. Checksums are compared before
anything is used, sizes before anything is allocated, and nothing in it names code.
"""

import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.callbacks.backup_file import read_backup
from labkeras.errors import FileFormatError
from labkeras.saving.archive import WEIGHTS, Archive, scratch_file
from labkeras.saving.hdf5 import WeightsReader
from labkeras.saving.strict_json import read_json
from labkeras.saving.weights_file import check_preface

__all__ = ["Checkpoint", "load_checkpoint"]

_LAST = "last.json"
_OPTIMIZER = "optimizer/"
_LONGEST_POINTER = 2**20


@dataclass(frozen=True)
class Checkpoint:
    """What is in a checkpoint.

    Args:
        path: its file.
        epoch: where it stands: the number of the epoch, from 0; None for a file that does not say so.
        batch: how many batches of that epoch are done.
        weights: variable of the model, by its place in it ("layers/dense/vars/0") → values.
        optimizer: the same for the optimizer's variables ("optimizer/vars/0").
        state: everything else that a run goes on from: random generators, callbacks, metrics; numbers, strings, None,
            lists and dicts of them, and tensors.
        metrics: losses and metrics at that time, if a pointer file says them.
    """

    path: Path
    epoch: int | None
    batch: int | None
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    state: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Reads a checkpoint of a run, wherever it comes from: nothing in it is run, imported or opened.

    Args:
        path: the folder of a run, for its last checkpoint; a pointer file, such as "checkpoints/best.json"; or the file
            of a checkpoint, or a `.keras` or `.weights.h5` file.

    Raises:
        FileFormatError: if it is damaged, or no such thing.
        OSError: if there is no such file.

    Example:
        >>> checkpoint = load_checkpoint("runs/latest")
        >>> checkpoint.epoch, checkpoint.batch
        (10, 0)
        >>> checkpoint.weights["layers/dense/vars/0"].shape
        torch.Size([64, 128])
    """
    file = Path(path)
    metrics: dict[str, Any] = {}
    if file.is_dir():
        inner = file / "checkpoints" / _LAST
        file = inner if inner.exists() or not (file / _LAST).exists() else file / _LAST
    if file.suffix == ".json":
        file, metrics = _pointed_at(file)
    _check_is_file(file)
    if file.name.endswith((".keras", ".h5")):
        variables = _variables_of_model(file)
        return Checkpoint(file, None, None, *variables, metrics=metrics)
    return _read(file, metrics)


def _read(file: Path, metrics: dict[str, Any]) -> Checkpoint:
    backup = read_backup(file)
    with scratch_file() as content:
        backup.copy_weights(content)
        check_preface(content, f"the weights in {str(file)!r}")
        with WeightsReader(content, f"the weights in {str(file)!r}") as reader:
            variables = _variables(reader)
    epoch, batch = backup.state.get("epoch"), backup.state.get("batch")
    if type(epoch) is not int or type(batch) is not int:
        raise FileFormatError(
            f"the checkpoint {str(file)!r} does not say where it stands. Received: {epoch=}, {batch=}"
        )
    return Checkpoint(file, epoch, batch, *variables, state=_as_tensors(backup.state), metrics=metrics)


def _pointed_at(pointer: Path) -> tuple[Path, dict[str, Any]]:
    """The file that a pointer names, once its checksum was found right, and the metrics beside it."""
    _check_is_file(pointer)
    with pointer.open("rb") as file:
        content = read_json(file.read(_LONGEST_POINTER), str(pointer))
    name, metrics = content.get("path"), content.get("metrics")
    if not isinstance(name, str) or Path(name).name != name or name in ("", ".", "..") or "\\" in name:
        raise FileFormatError(f"{str(pointer)!r} must name a file beside it. Received: path={name!r}")
    target = pointer.parent / name
    _check_is_file(target)
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != content.get("sha256"):
        raise FileFormatError(
            f"{str(target)!r} is damaged, or another file than {pointer.name} was written for: their checksums differ. "
            f"Received: sha256={digest}, in {pointer.name} {json.dumps(content.get('sha256'))}"
        )
    return target, metrics if isinstance(metrics, dict) else {}


def _check_is_file(path: Path) -> None:
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe would make the reader wait for ever
        raise FileFormatError(f"{str(path)!r} is no file.")


def _variables_of_model(file: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    name = repr(str(file))
    with file.open("rb") as opened:
        if file.name.endswith(".keras"):
            with Archive(opened, str(file)).open(WEIGHTS) as content, WeightsReader(content, name) as reader:
                return _variables(reader)
        check_preface(opened, name)
        with WeightsReader(opened, name) as reader:
            return _variables(reader)


def _variables(reader: WeightsReader) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The variables of the model, and those of its optimizer."""
    found: dict[str, Tensor] = {}
    for stored in sorted(reader.everything(), key=lambda one: one.place):
        values = torch.from_numpy(np.ascontiguousarray(stored.read()))
        found[stored.place] = values.bfloat16() if stored.is_bfloat16 else values
    optimizer = {place: values for place, values in found.items() if place.startswith(_OPTIMIZER)}
    return {place: values for place, values in found.items() if place not in optimizer}, optimizer


def _as_tensors(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_tensors(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_tensors(item) for item in value]
    if isinstance(value, np.ndarray):
        # torch has few operations on the unsigned types, but all of them as types.
        return torch.from_numpy(value.astype(value.dtype.newbyteorder("="), copy=False))
    return value
