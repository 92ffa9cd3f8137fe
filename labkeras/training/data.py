"""Data: arrays, tensors, loaders and iterables → batches of (x, y, sample_weight).

In-memory arrays are checked and turned into tensors once; a batch is then one gather of rows. Anything else that
yields batches, a `torch.utils.data.DataLoader` above all, is used as it is.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from labkeras import config
from labkeras.distribution.replicas import dealing
from labkeras.dtypes import to_torch
from labkeras.errors import DataError, InvalidArgumentError
from labkeras.nest import flatten, map_structure
from labkeras.training.dealing import deal, dealt_count, part
from labkeras.training.rows import BatchRows

__all__ = ["ArrayData", "Batches", "Steps", "as_batches", "ready", "split", "unpack"]

Batch = tuple[Any, Any, Any]


class Batches:
    """What one epoch consists of: an iterable of (x, y, sample_weight), and their number if it is known.

    Args:
        source: makes the iterator of one epoch.
        steps: the number of batches in an epoch, or what tells it; None if that is not known before its end.
        loader: the user's DataLoader behind it, if there is one.
        has_one_pass: whether the batches are used up once they were taken, as those of a generator are.
    """

    def __init__(
        self,
        source: Callable[[], Iterator[Batch]],
        steps: int | Callable[[], int] | None,
        loader: DataLoader[Any] | None = None,
        has_one_pass: bool = False,
    ) -> None:
        self._source = source
        self._begun: Iterator[Batch] | None = None
        self._steps = steps
        self.loader = loader
        self.has_one_pass = has_one_pass

    @property
    def steps(self) -> int | None:
        """The number of batches in an epoch; None if that is not known before its end."""
        return self._steps() if callable(self._steps) else self._steps

    def __iter__(self) -> Iterator[Batch]:
        # The epoch begins with its first batch: Lightning makes an iterator more than it uses, and rows are shuffled
        # once.
        begun, self._begun = self._begun, None
        place = dealing()
        if begun is None or (place.count > 1 and not self.has_one_pass):
            yield from self._source()
            return
        if place.count > 1:
            # It was fetched before there were other processes, each of which has it.
            first = next(begun)
            yield first if place.rank == 0 else part(first, slice(0, 0))
        yield from begun

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_begun": None}  # where an iteration stands cannot go to another process

    def peek(self) -> Batch | None:
        """The first batch of the next epoch, which that epoch still begins with; None if there is none."""
        epoch = iter(self)
        first = next(epoch, None)
        self._begun = epoch if first is None else itertools.chain([first], epoch)
        return first


class Steps(Iterator[Batch]):
    """Several batches that one call of a LightningModule's step takes, fetched one by one as it gets to them."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches

    def __next__(self) -> Batch:
        return next(self._batches)


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
        self.x = _array_tensors(x, "x")
        self.y = _array_tensors(y, "y")
        self.sample_weight = _array_tensors(sample_weight, "sample_weight")
        self.length = _common_length({"x": self.x, "y": self.y, "sample_weight": self.sample_weight})
        _check_targets(self.y)
        # A single tensor for each is the common case, and a batch of it costs no walk through structures.
        self._flat = all(value is None or isinstance(value, Tensor) for value in (self.x, self.y, self.sample_weight))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, rows: Any) -> Batch:
        if self._flat:
            return (
                self.x[rows],
                None if self.y is None else self.y[rows],
                None if self.sample_weight is None else self.sample_weight[rows],
            )
        x, y, weight = (map_structure(lambda t: None if t is None else t[rows], p) for p in self._parts())
        return x, y, weight

    def part(self, start: int, stop: int) -> "ArrayData":
        """The samples from `start` to `stop`; their memory is shared."""
        part = object.__new__(ArrayData)
        part.x, part.y, part.sample_weight = self[slice(start, stop)]
        part.length = stop - start
        part._flat = self._flat
        return part

    def weighted(self, class_weight: Mapping[int, float]) -> "ArrayData":
        """The same samples, each weighted by its class as well."""
        weighted = self.part(0, self.length)
        weights = class_weights(self.y, class_weight)
        weighted.sample_weight = weights if self.sample_weight is None else weights * self.sample_weight
        weighted._flat = self._flat and isinstance(weighted.sample_weight, Tensor)
        return weighted

    def _parts(self) -> tuple[Any, Any, Any]:
        return self.x, self.y, self.sample_weight


def as_batches(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    shuffle: bool = False,
    steps: int | None = None,
    class_weight: Mapping[int, float] | None = None,
    trains: bool = False,
) -> Batches:
    """The batches of whatever a user gives to `fit`, `evaluate` or `predict`.

    Args:
        x: arrays, tensors, nested lists and dicts of them, `ArrayData`; or a DataLoader or other iterable of batches.
        y, sample_weight: what belongs to the samples of arrays.
        batch_size: samples in a batch of arrays; unless given, what makes `steps` batches of all samples, or 32.
        shuffle: whether arrays are put in a new order each epoch.
        steps: batches in an epoch, if not all.
        class_weight: factor of the loss for each class index.
        trains: whether an epoch of fewer steps than there are batches is followed by one that goes on from there.

    Raises:
        DataError: if the data is empty or cannot be used.
        InvalidArgumentError: for an argument that does not go with the data.
    """
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps <= 0):
        raise InvalidArgumentError(f"the number of steps must be a positive integer. Received: steps={steps!r}")
    if isinstance(x, ArrayData):
        data = x
    elif _is_loader(x):
        return _from_iterable(x, y, sample_weight, batch_size, steps, class_weight, trains)
    else:
        data = ArrayData(x, y, sample_weight)
    if class_weight is not None:
        data = data.weighted(_checked_classes(class_weight))
    size = batch_size
    if size is None:
        size = 32 if steps is None else -(-len(data) // steps)
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size <= 0:
        raise InvalidArgumentError(f"`batch_size` must be a positive integer. Received: batch_size={batch_size!r}")
    return _from_arrays(data, int(size), shuffle, steps, trains)


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


def unpack(batch: Any) -> Batch:
    """(x, y, sample_weight) of a batch as an iterable yields it: x, (x,), (x, y) or (x, y, sample_weight)."""
    if not isinstance(batch, list | tuple):
        return batch, None, None
    if not 1 <= len(batch) <= 3:
        raise DataError(
            f"a batch must be x, (x, y) or (x, y, sample_weight). Received: {type(batch).__name__} of "
            f"{len(batch)} items"
        )
    x, y, weight = (*batch, None, None)[:3]
    return x, y, weight


def ready(batch: Any) -> Batch:
    """A batch as an iterable yields it, as tensors: floats in `floatx`, the rest as it is."""
    x, y, weight = unpack(batch)
    return _as_tensors(x), _as_tensors(y), _as_tensors(weight)


def class_weights(y: Any, class_weight: Mapping[int, float]) -> Tensor:
    """The weight of each sample by its class: class numbers, or one-hot rows.

    Raises:
        DataError: if there are several outputs, or no targets.
    """
    if not isinstance(y, Tensor):
        raise DataError(
            f"`class_weight` needs the targets of one output. Received: y of type {type(y).__name__}; use "
            "`sample_weight` instead"
        )
    classes = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(y.shape[0], -1)[:, 0]
    table = torch.ones(max(int(classes.max()) if classes.numel() else 0, *class_weight) + 1)
    for index, weight in class_weight.items():
        table[index] = weight
    return table.to(classes.device)[classes.long()]


def _as_tensors(structure: Any) -> Any:
    if isinstance(structure, Tensor) or structure is None:
        return structure
    return map_structure(
        lambda leaf: leaf if isinstance(leaf, Tensor) or leaf is None else _tensor(leaf, "the batch"), structure
    )


def _from_arrays(data: ArrayData, batch_size: int, shuffle: bool, steps: int | None, trains: bool) -> Batches:
    rows = BatchRows(len(data), batch_size, shuffle)
    epoch = _ArrayEpoch(data, rows)
    if steps is None:
        return Batches(epoch, rows.__len__)
    if trains:
        return Batches(_Endless(epoch, steps), steps)
    return Batches(_Limited(epoch, steps), partial(_at_most, steps, rows.__len__))


def _from_iterable(
    source: Iterable[Any],
    y: Any,
    sample_weight: Any,
    batch_size: Any,
    steps: int | None,
    class_weight: Any,
    trains: bool,
) -> Batches:
    for name, value in (("y", y), ("sample_weight", sample_weight), ("batch_size", batch_size)):
        if value is not None:
            raise InvalidArgumentError(
                f"`{name}` must not be given when `x` is an iterable of batches: each batch holds it. "
                f"Received: {name} of type {type(value).__name__}"
            )
    epoch = _IterableEpoch(source, None if class_weight is None else _checked_classes(class_weight))
    if isinstance(source, Iterator):
        # A generator has one pass: every epoch goes on where the last one ended.
        return Batches(_Limited(epoch, steps), steps, has_one_pass=True)
    length = _length(source)
    if length == 0:
        raise DataError("there are no batches to work on: the data is empty. Received: an iterable of length 0")
    dealt = None if length is None else partial(dealt_count, length)
    if steps is None:
        loader = source if isinstance(source, DataLoader) and class_weight is None else None
        return Batches(epoch, dealt, loader)
    if trains:
        return Batches(_Endless(epoch, steps), steps)
    return Batches(_Limited(epoch, steps), steps if dealt is None else partial(_at_most, steps, dealt))


@dataclass(frozen=True)
class _ArrayEpoch:
    """The batches of arrays. Without a DataLoader, which has nothing to load here, and costs 20 µs a batch."""

    data: ArrayData
    rows: BatchRows

    def __call__(self) -> Iterator[Batch]:
        return map(self.data.__getitem__, self.rows)


@dataclass(frozen=True)
class _IterableEpoch:
    """The batches of a loader, generator or other iterable, read and weighted by class."""

    source: Iterable[Any]
    classes: Mapping[int, float] | None

    def __call__(self) -> Iterator[Batch]:
        return deal(self.source, ready if self.classes is None else self._weighted)

    def _weighted(self, batch: Any) -> Batch:
        x, y, weight = ready(batch)
        by_class = class_weights(y, self.classes or {})
        return x, y, by_class if weight is None else by_class * weight


@dataclass(frozen=True)
class _Limited:
    """Not more than so many batches of an epoch."""

    epoch: Callable[[], Iterator[Batch]]
    steps: int | None

    def __call__(self) -> Iterator[Batch]:
        return itertools.islice(self.epoch(), self.steps)


class _Endless:
    """Epochs of so many batches that go on through the data, beginning it again where it ends."""

    def __init__(self, epoch: Callable[[], Iterator[Batch]], steps: int) -> None:
        self.epoch = epoch
        self.steps = steps
        self._running: Iterator[Batch] | None = None

    def __call__(self) -> Iterator[Batch]:
        if self._running is None:
            self._running = self._again_and_again()
        return itertools.islice(self._running, self.steps)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_running": None}  # where an iteration stands cannot go to another process

    def _again_and_again(self) -> Iterator[Batch]:
        while True:
            empty = True
            for batch in self.epoch():
                empty = False
                yield batch
            if empty:
                return


def _at_most(steps: int, count: Callable[[], int]) -> int:
    return min(steps, count())


def _length(source: Iterable[Any]) -> int | None:
    try:
        return len(source) if isinstance(source, Sized) else None
    except TypeError:  # a DataLoader of an IterableDataset has `__len__`, and nothing to say
        return None


def _is_loader(x: Any) -> bool:
    if isinstance(x, DataLoader):
        return True
    if isinstance(x, Tensor | np.ndarray | Mapping | list | tuple) or hasattr(x, "__array__") or hasattr(x, "to_numpy"):
        return False
    if isinstance(x, Iterable):
        return True
    raise DataError(
        "data must be arrays, tensors, lists or dicts of them, a DataLoader, or an iterable of batches. "
        f"Received: {type(x).__name__}"
    )


def _array_tensors(structure: Any, role: str) -> Any:
    if structure is None:
        return None
    if isinstance(structure, list | tuple) and all(np.isscalar(leaf) for leaf in flatten(structure)):
        return _tensor(structure, role)
    return map_structure(lambda leaf: None if leaf is None else _tensor(leaf, role), structure)


def _tensor(value: Any, role: str) -> Tensor:
    """One array as a tensor, without a copy where its type allows that."""
    if hasattr(value, "to_numpy"):  # pandas
        value = value.to_numpy()
    if isinstance(value, Tensor):
        tensor = value.detach() if value.requires_grad else value
    else:
        try:
            array = np.asarray(value)
        except ValueError as error:  # rows of unequal length
            raise DataError(f"`{role}` must hold rows of equal length: {error} Received: {value!r:.200}") from error
        if array.dtype == object or array.dtype.kind in "USOMm":
            raise DataError(
                f"`{role}` must hold numbers. Received: an array of dtype={array.dtype}, shape={array.shape}; "
                "rows of unequal "
                "length, strings and None cannot become a tensor"
            )
        # A read-only array is copied: torch would warn of it, and write through.
        tensor = torch.as_tensor(array if array.flags.writeable else array.copy())
    if tensor.is_floating_point() and tensor.dtype is torch.float64:
        return tensor.to(to_torch(config.floatx()))
    return tensor


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
        if isinstance(target, Tensor) and target.is_floating_point():
            bad = ~torch.isfinite(target.reshape(target.shape[0], -1)).all(dim=1)
            if bad.any():
                rows = bad.nonzero().flatten().tolist()
                raise DataError(
                    f"the targets must be finite numbers. Received: NaN or infinity in {len(rows)} of {len(bad)} "
                    "samples of "
                    f"output {index}, the first at index {rows[0]}"
                )


def _checked_classes(class_weight: Mapping[int, float]) -> dict[int, float]:
    if not isinstance(class_weight, Mapping) or not class_weight:
        raise InvalidArgumentError(
            f"`class_weight` maps class numbers to factors. Received: class_weight={class_weight!r}"
        )
    for index in class_weight:
        if isinstance(index, bool) or not isinstance(index, int | np.integer) or index < 0:
            raise InvalidArgumentError(f"`class_weight` maps class numbers to factors. Received: the key {index!r}")
    return {int(index): float(weight) for index, weight in class_weight.items()}
