"""Samples: some of the data that a model was not trained on, as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from labkeras import nest
from labkeras.callbacks.board_summaries import array_of
from labkeras.experiment.runs.data import RunData
from labkeras.utils.py_dataset import PyDataset

__all__ = ["Samples", "samples_of"]


@dataclass(frozen=True)
class Samples:
    """Inputs and targets.

    Args:
        x: an array, or several in a list or dict.
        y: the targets.
        part: what they are: "test" or "validation".
    """

    x: Any
    y: Any
    part: Literal["test", "validation"]


def samples_of(data: RunData, split: float | None, count: int) -> Samples | None:
    """Some of the data that a run tests on, or else of what it validates on, evenly from all over it.

    Args:
        data: of the run.
        split: the fraction of arrays, from their end, that training leaves out for validation.
        count: at most so many.

    Returns:
        None if there is no such data, it has no targets, or samples cannot be taken out of it one by one.
    """
    if data.test is not None:
        return _taken(*data.test, "test", count)
    if data.validation is not None:
        return _taken(*data.validation, "validation", count)
    if data.is_arrays and split:
        rows = len(nest.flatten(data.x)[0])
        first = int(rows * (1 - split))
        x, y = (nest.map_structure(lambda array: array[first:], part) for part in (data.x, data.y))
        return _taken(x, y, "validation", count)
    return None


def _taken(x: Any, y: Any, part: Literal["test", "validation"], count: int) -> Samples | None:
    if isinstance(x, DataLoader):
        return _of_dataset(x.dataset, part, count, x.collate_fn)
    if isinstance(x, Dataset):
        return _of_dataset(x, part, count, default_collate)
    if isinstance(x, PyDataset):
        return _of_batches(x, part, count)
    if y is None or not all(hasattr(array, "shape") for array in nest.flatten((x, y))):
        return None
    rows = _evenly(len(nest.flatten(x)[0]), count)
    x, y = (nest.map_structure(lambda array: array_of(array)[rows], given) for given in (x, y))
    return Samples(x, y, part)


def _of_dataset(dataset: Any, part: Literal["test", "validation"], count: int, collate: Any) -> Samples | None:
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        return None
    return _pair(collate([dataset[row] for row in _evenly(len(dataset), count).tolist()]), part)


def _of_batches(batches: PyDataset, part: Literal["test", "validation"], count: int) -> Samples | None:
    found = []
    rows = 0
    for index in range(batches.num_batches or 0):
        one = _pair(batches[index], part)
        if one is None:
            return None
        found.append(one)
        rows += len(one.y)
        if rows >= count:
            break
    if not found or not all(isinstance(one.x, np.ndarray) for one in found):
        return None
    return Samples(np.concatenate([one.x for one in found]), np.concatenate([one.y for one in found]), part)


def _pair(batch: Any, part: Literal["test", "validation"]) -> Samples | None:
    """Inputs and targets of what may hold weights as well."""
    if not isinstance(batch, Sequence) or len(batch) < 2 or isinstance(batch, Mapping):
        return None
    x, y = (nest.map_structure(_as_array, one) for one in batch[:2])
    return Samples(x, y, part)


def _as_array(value: Any) -> Any:
    return array_of(value) if isinstance(value, torch.Tensor) else np.asarray(value)


def _evenly(rows: int, count: int) -> np.ndarray:
    return np.linspace(0, rows - 1, min(count, rows), dtype=int)
