"""ArrayData: arrays in memory or on disk, checked once; a batch is then one gather of rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.dtypes import to_torch
from labkeras.errors import DataError, InvalidArgumentError
from labkeras.nest import flatten, map_structure
from labkeras.training.tensors import convert_all, convert_at_once, narrowed

__all__ = ["ArrayData", "Batch", "checked_classes", "class_weights", "split"]

Batch = tuple[Any, Any, Any]

# Targets of more bytes, which may be on disk, are not looked through before training; the loss is looked at anyway.
_LOOK_THROUGH = 2**28
# torch cannot gather rows of these with `index_select`, which takes a third of the time of indexing.
_ONLY_INDEXED = (torch.uint16, torch.uint32, torch.uint64)


class ArrayData:
    """Arrays of one length, as tensors; `data[rows]` is a batch.

    Args:
        x: arrays or tensors, nested; their first axes are the samples.
        y: targets, nested, or None.
        sample_weight: factors of the loss, or None.

    Raises:
        DataError: if there are no samples, the numbers of samples differ, or an array does not hold numbers.
    """

    def __init__(self, x: Any, y: Any = None, sample_weight: Any = None) -> None:
        parts = {"x": x, "y": y, "sample_weight": sample_weight}
        converted = {role: convert_all(structure, role) for role, structure in parts.items()}
        # Batches of memory that is not to be written to are copies.
        self._is_read_only = any(_is_read_only(structure) for structure in converted.values())
        self.x, self.y, self.sample_weight = (_tensors(structure) for structure in converted.values())
        self.length = _common_length({"x": self.x, "y": self.y, "sample_weight": self.sample_weight})
        _check_targets(self.y)
        self._settle()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, rows: slice | Tensor) -> Batch:
        """The batch of some rows: a slice, or a tensor of their numbers."""
        x, y, weight = self.x, self.y, self.sample_weight
        if not self._is_plain:
            x, y, weight = (map_structure(lambda leaf: self._take(leaf, rows), part) for part in (x, y, weight))
            return x, y, weight
        if isinstance(rows, slice):
            return x[rows], None if y is None else y[rows], None if weight is None else weight[rows]
        return (
            x.index_select(0, rows),
            None if y is None else y.index_select(0, rows),
            None if weight is None else weight.index_select(0, rows),
        )

    def whole(self) -> Batch:
        """All samples as one batch."""
        return (self.x, self.y, self.sample_weight) if self._is_plain else self[slice(None)]

    def part(self, start: int, stop: int) -> "ArrayData":
        """The samples from `start` to `stop`; their memory is shared."""
        part = object.__new__(ArrayData)
        part.x, part.y, part.sample_weight = (
            map_structure(lambda leaf: None if leaf is None else leaf[start:stop], structure)
            for structure in (self.x, self.y, self.sample_weight)
        )
        part.length = stop - start
        part._is_read_only = self._is_read_only
        part._settle()
        return part

    def weighted(self, class_weight: Mapping[int, float]) -> "ArrayData":
        """The same samples, each weighted by its class as well."""
        weighted = self.part(0, self.length)
        weighted.sample_weight = class_weights(self.y, class_weight, self.sample_weight)
        weighted._settle()
        return weighted

    def _settle(self) -> None:
        """Finds out whether a batch is nothing but rows of one tensor for each part, which needs no walk."""
        parts = (self.x, self.y, self.sample_weight)
        self._is_plain = not self._is_read_only and all(part is None or _is_plain(part) for part in parts)

    def _take(self, leaf: Tensor | None, rows: slice | Tensor) -> Tensor | None:
        if leaf is None:
            return None
        if isinstance(rows, slice):
            taken = narrowed(leaf[rows])
            return taken.clone() if self._is_read_only and taken.dtype is leaf.dtype else taken
        rows = rows.to(leaf.device)
        return narrowed(leaf[rows] if leaf.dtype in _ONLY_INDEXED else leaf.index_select(0, rows))


def split(data: ArrayData, fraction: float) -> tuple[ArrayData, ArrayData]:
    """Training samples, and the last `fraction` of the samples for validation, as `validation_split` says.

    Raises:
        InvalidArgumentError: if the fraction is not in (0, 1), or leaves one of the two without samples.
    """
    if not 0 < fraction < 1:
        raise InvalidArgumentError(f"`validation_split` must be in [0, 1). Received: validation_split={fraction!r}")
    border = int(np.floor(len(data) * (1.0 - fraction)))
    if border in (0, len(data)):
        raise InvalidArgumentError(
            f"`validation_split` leaves no samples for {'training' if border == 0 else 'validation'} out of "
            f"{len(data)}. "
            f"Received: validation_split={fraction!r}"
        )
    return data.part(0, border), data.part(border, len(data))


def class_weights(y: Any, class_weight: Mapping[int, float], sample_weight: Any = None) -> Tensor:
    """The weight of each sample by its class, times its own weight if it has one.

    Args:
        y: targets of one output: class numbers, or one-hot rows.
        class_weight: factor of the loss for each class number; 1 for others.
        sample_weight: the samples' own weights, or None.

    Raises:
        DataError: if there are several outputs, no targets, or several for each sample.
    """
    if not isinstance(y, Tensor) or y.ndim > 2:
        what = f"y of shape={tuple(y.shape)}" if isinstance(y, Tensor) else f"y of type {type(y).__name__}"
        raise DataError(
            "`class_weight` needs the targets of one output, one class for each sample; use `sample_weight` instead. "
            f"Received: {what}"
        )
    classes = (y.argmax(-1) if y.ndim == 2 and y.shape[-1] > 1 else y.reshape(len(y))).to(torch.float64).round().long()
    seen = (int(classes.min()), int(classes.max())) if len(classes) else (0, 0)
    lowest, highest = min(*seen, *class_weight), max(*seen, *class_weight)
    table = torch.ones(highest - lowest + 1)
    for index, factor in class_weight.items():
        table[index - lowest] = factor
    weights = table.to(classes.device)[classes - lowest]
    if sample_weight is None:
        return weights
    # Differs from Keras: it refuses both at once. The product is what both together can only mean.
    product: Tensor = weights.reshape(-1, *[1] * (sample_weight.ndim - 1)) * sample_weight
    return product


def checked_classes(class_weight: Mapping[int, float] | None) -> dict[int, float] | None:
    """`class_weight` with plain numbers; None if there is none.

    Raises:
        InvalidArgumentError: if it is not a dict by class numbers.
    """
    if class_weight is None:
        return None
    if not isinstance(class_weight, Mapping) or not class_weight:
        raise InvalidArgumentError(
            f"`class_weight` maps class numbers to factors. Received: class_weight={class_weight!r}"
        )
    for index in class_weight:
        if isinstance(index, bool) or not isinstance(index, int | np.integer):
            raise InvalidArgumentError(f"`class_weight` maps class numbers to factors. Received: the key {index!r}")
    return {int(index): float(weight) for index, weight in class_weight.items()}


def _is_read_only(structure: Any) -> bool:
    return any(leaf.is_read_only for leaf in flatten(structure) if leaf is not None)


def _tensors(structure: Any) -> Any:
    return map_structure(lambda leaf: None if leaf is None else convert_at_once(leaf.tensor), structure)


def _is_plain(part: Any) -> bool:
    """Whether a batch of it is nothing but rows of one tensor."""
    if not isinstance(part, Tensor) or part.device.type != "cpu" or part.dtype in _ONLY_INDEXED:
        return False
    return not part.is_floating_point() or part.dtype is to_torch(None)


def _common_length(parts: dict[str, Any]) -> int:
    lengths: dict[str, int] = {}
    for role, structure in parts.items():
        leaves = [leaf for leaf in flatten(structure) if leaf is not None]
        for index, leaf in enumerate(leaves):
            name = role if len(leaves) == 1 else f"{role}[{index}]"
            if leaf.ndim == 0:
                raise DataError(f"`{name}` must have an axis of samples. Received: a single number")
            lengths[name] = leaf.shape[0]
    if "x" not in lengths and not any(name.startswith("x[") for name in lengths):
        raise DataError("there is nothing to work on. Received: x=None")
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise DataError(f"all arrays must have the same number of samples. Received: {listed}")
    length = next(iter(lengths.values()))
    if length == 0:
        raise DataError(
            f"there are no samples: the data is empty. Received: {', '.join(f'{name} of length 0' for name in lengths)}"
        )
    return length


def _check_targets(y: Any) -> None:
    for index, target in enumerate(flatten(y)):
        if not isinstance(target, Tensor) or not target.is_floating_point() or target.nbytes > _LOOK_THROUGH:
            continue
        # A sum is finite only if all of it is, and takes no memory.
        if torch.isfinite(target.sum()):
            continue
        bad = ~torch.isfinite(target.reshape(len(target), -1)).all(dim=1)
        if bad.any():
            rows = bad.nonzero().flatten().tolist()
            raise DataError(
                f"the targets must be finite numbers. Received: NaN or infinity in {len(rows)} of {len(bad)} samples "
                f"of output {index}, the first at index {rows[0]}"
            )
