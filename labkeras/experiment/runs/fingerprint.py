"""Fingerprint: a number for data, the same for the same data and hardly ever for other."""

import hashlib
from typing import Any

import numpy as np
import torch

from labkeras.experiment.runs.data import RunData
from labkeras.nest import flatten

__all__ = ["fingerprint"]

_WHOLE = 256 * 2**20
_BLOCK = 2**16
_BLOCKS = 512


def fingerprint(data: RunData) -> dict[str, Any]:
    """What `run.json` says of data.

    Args:
        data: what a run trains and tests on.

    Returns:
        "fingerprint": "sha256:…" of the shapes, types and bytes of all arrays, None if there is something that is no
        array; "sampled": whether only a part of the bytes was read, as of arrays of over 256 MiB together; "rows": the
        number of samples to train on, None if unknown; "kind": of which type the data is.
    """
    arrays = [_array(leaf) for leaf in flatten(data.parts()) if leaf is not None]
    known: dict[str, Any] = {"fingerprint": None, "rows": _rows(data), "kind": type(data.x).__name__}
    if any(array is None for array in arrays):
        return known
    found = [array for array in arrays if array is not None]
    sampled = sum(array.nbytes for array in found) > _WHOLE
    digest = hashlib.sha256()
    for array in found:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        _add(digest, array, sampled)
    return known | {"fingerprint": f"sha256:{digest.hexdigest()}", "sampled": sampled}


def _array(leaf: Any) -> np.ndarray[Any, Any] | None:
    if isinstance(leaf, torch.Tensor):
        leaf = leaf.detach().cpu()
        leaf = leaf.view(torch.int16) if leaf.dtype is torch.bfloat16 else leaf
        array: np.ndarray[Any, Any] = leaf.numpy()
        return array
    return leaf if isinstance(leaf, np.ndarray) and leaf.dtype != object else None


def _add(digest: Any, array: np.ndarray[Any, Any], sampled: bool) -> None:
    if not sampled or array.nbytes <= _BLOCK * _BLOCKS:
        digest.update(np.ascontiguousarray(array).data if array.size else b"")
        return
    # Rows from all over it: a copy of all that is not contiguous could fill the memory.
    rows = max(1, len(array) * _BLOCK // array.nbytes)
    for start in np.linspace(0, len(array) - rows, _BLOCKS, dtype=np.int64):
        digest.update(np.ascontiguousarray(array[start : start + rows]).data)


def _rows(data: RunData) -> int | None:
    leaves = [leaf for leaf in flatten(data.x) if hasattr(leaf, "__len__")]
    dataset = getattr(data.x, "dataset", None)  # of a DataLoader, whose own length is that in batches
    try:
        return len(dataset) if dataset is not None else len(leaves[0]) if leaves else None
    except TypeError:
        return None
