"""Data: arrays, tensors, loaders, datasets and iterables → batches of (x, y, sample_weight).

Arrays are checked and turned into tensors once (`arrays`); a batch is then one gather of rows. Anything else that
yields batches, a `torch.utils.data.DataLoader` above all, is used as it is (`iterables`). `epochs` says what an epoch
of either consists of.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from labkeras.distribution.replicas import dealing
from labkeras.errors import DataError, InvalidArgumentError
from labkeras.nest import map_structure
from labkeras.training.arrays import ArrayData, Batch, checked_classes
from labkeras.training.dealing import dealt_count, part
from labkeras.training.epochs import Announced, ArrayEpoch, Continued, Epoch, IterableEpoch, Limited, NotEmpty, close
from labkeras.training.iterables import PyDatasetBatches, is_dealt, is_iterable_of_batches, length_of, loader_of
from labkeras.training.places import go_to, place_of
from labkeras.training.rows import BatchRows
from labkeras.training.tensors import as_tensor
from labkeras.utils.py_dataset import PyDataset

__all__ = ["Batches", "Steps", "as_batches", "ready", "unpack"]


class Batches:
    """What one epoch consists of: an iterable of (x, y, sample_weight), and their number if it is known.

    Args:
        source: makes the iterator of one epoch.
        steps: the number of batches in an epoch, or what tells it; None if that is not known before its end.
        loader: the user's DataLoader behind it, if there is one.
        has_one_pass: whether the batches are used up once they were taken, as those of a generator are.
        may_end_early: whether there may be fewer of them than `steps` says.
    """

    def __init__(
        self,
        source: Epoch,
        steps: int | Callable[[], int] | None,
        loader: DataLoader[Any] | None = None,
        has_one_pass: bool = False,
        may_end_early: bool = False,
    ) -> None:
        self._source = source
        self._begun: Iterator[Batch] | None = None
        self._running: Iterator[Batch] | None = None
        self._steps = steps
        self.loader = loader
        self.has_one_pass = has_one_pass
        self.may_end_early = may_end_early

    @property
    def steps(self) -> int | None:
        """The number of batches in an epoch; None if that is not known before its end."""
        return self._steps() if callable(self._steps) else self._steps

    def __iter__(self) -> Iterator[Batch]:
        self._running = self._epoch()
        return self._running

    def close(self) -> None:
        """Ends what goes on to make batches: threads, processes, the epoch of a PyDataset."""
        running, self._running, self._begun = self._running, None, None
        close(running)
        close(self._source)

    def _epoch(self) -> Iterator[Batch]:
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
        return {
            **vars(self),
            "_begun": None,
            "_running": None,
        }  # where an iteration stands cannot go to another process

    def forget_first(self) -> None:
        """Lets the next epoch begin anew though its first batch was fetched, unless it can be fetched only once."""
        if self._begun is not None and not self.has_one_pass:
            self.close()

    def place(self) -> dict[str, Any]:
        """Where the data stands before an epoch: arrays and numbers, for a program that takes the training up again."""
        return place_of(self._source)

    def resume(self, place: Mapping[str, Any]) -> None:
        """Lets the next epoch be the one before which `place` was called, in another process perhaps."""
        go_to(self._source, place)

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


def as_batches(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    shuffle: bool | str = False,
    steps: int | None = None,
    class_weight: Mapping[int, float] | None = None,
    trains: bool = False,
) -> Batches:
    """The batches of whatever a user gives to `fit`, `evaluate` or `predict`.

    Args:
        x: arrays, tensors, nested lists and dicts of them, `ArrayData`; a DataLoader, PyDataset or other iterable of
            batches; or a torch Dataset of samples.
        y, sample_weight: what belongs to the samples of arrays.
        batch_size: samples in a batch of arrays or of a Dataset; unless given, what makes `steps` batches of all of
            an array, or 32.
        shuffle: whether arrays, the samples of a Dataset or the batches of a PyDataset are put in a new order each
            epoch; "batch" for arrays whose order changes only within each batch.
        steps: batches in an epoch, if not all.
        class_weight: factor of the loss for each class index.
        trains: whether an epoch of fewer steps than there are batches is followed by one that goes on from there.

    Raises:
        DataError: if the data is empty or cannot be used.
        InvalidArgumentError: for an argument that does not go with the data.
    """
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps <= 0):
        raise InvalidArgumentError(f"the number of steps must be a positive integer. Received: steps={steps!r}")
    classes = checked_classes(class_weight)
    if not isinstance(x, ArrayData) and is_iterable_of_batches(x):
        _refuse_parts(x, y, sample_weight)
        if not isinstance(x, TensorDataset):
            source = _source(x, batch_size, bool(shuffle))
            return _from_iterable(x, source, steps, classes, trains)
        # A Dataset of tensors in memory is arrays: gathering rows takes a tenth of the time of fetching samples.
        x, y, sample_weight = unpack(x.tensors)
    data = x if isinstance(x, ArrayData) else ArrayData(x, y, sample_weight)
    if classes is not None:
        data = data.weighted(classes)
    size = -(-len(data) // steps) if batch_size is None and steps is not None else _size(batch_size)
    rows = BatchRows(len(data), size, shuffle)
    return _batches(ArrayEpoch(data, rows), rows.__len__, steps, trains)


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


def _refuse_parts(x: Any, y: Any, sample_weight: Any) -> None:
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise InvalidArgumentError(
                f"`{name}` must not be given when `x` is a {type(x).__name__}: its batches, or samples, hold it. "
                f"Received: {name} of type {type(value).__name__}"
            )


def _size(batch_size: Any) -> int:
    if batch_size is None:
        return 32
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size <= 0:
        raise InvalidArgumentError(f"`batch_size` must be a positive integer. Received: batch_size={batch_size!r}")
    return int(batch_size)


def _source(x: Any, batch_size: Any, shuffle: bool) -> Iterable[Any]:
    """What yields the batches of data that is not arrays."""
    if isinstance(x, Dataset):
        return loader_of(x, _size(batch_size), shuffle)
    if batch_size is not None:
        raise InvalidArgumentError(
            "`batch_size` must not be given when `x` is an iterable of batches, which have their sizes. "
            f"Received: batch_size={batch_size!r}"
        )
    if isinstance(x, PyDataset):
        return PyDatasetBatches(x, shuffle)
    iterable: Iterable[Any] = x
    return iterable


def _from_iterable(
    x: Any, source: Iterable[Any], steps: int | None, classes: Mapping[int, float] | None, trains: bool
) -> Batches:
    epoch = IterableEpoch(source, ready, classes)
    if isinstance(source, Iterator):
        # A generator has one pass: every epoch goes on where the last one ended.
        taken = Limited(epoch, steps)
        return Batches(taken if trains else NotEmpty(taken), steps, has_one_pass=True, may_end_early=True)
    length = length_of(source)
    if length == 0:
        raise DataError("there are no batches to work on: the data is empty. Received: an iterable of length 0")
    count = None if length is None else partial(int if is_dealt(source) else dealt_count, length)
    if isinstance(x, PyDataset):
        if length is None and steps is None:
            raise DataError(
                f"{type(x).__name__} has no end: say with `steps_per_epoch`, `validation_steps` or `steps` how many "
                "batches to take. Received: num_batches=None"
            )
        return _batches(epoch, count, steps, trains, dataset=x)
    loader = source if isinstance(source, DataLoader) and classes is None and steps is None else None
    return _batches(epoch, count, steps, trains, loader)


def _batches(
    epoch: Epoch,
    count: Callable[[], int] | None,
    steps: int | None,
    trains: bool,
    loader: DataLoader[Any] | None = None,
    dataset: PyDataset | None = None,
) -> Batches:
    """Epochs of all batches, or of so many steps.

    Args:
        epoch: a pass through the data.
        count: tells the number of batches in a pass, if that is known.
        steps: batches in an epoch, if not all.
        trains: whether epochs go on where the last one ended.
        loader: the DataLoader behind the pass.
        dataset: the PyDataset behind it.
    """
    number: int | Callable[[], int] | None = count
    source = epoch
    if steps is not None and trains:
        source = Continued(epoch, steps, count)
        number = source.upcoming
    elif steps is not None:
        source = Limited(epoch, steps)
        number = steps if count is None else partial(_at_most, steps, count)
    if not trains and count is None:
        source = NotEmpty(source)
    if dataset is not None:
        source = Announced(source, dataset)
    return Batches(source, number, loader, may_end_early=steps is not None and count is None)


def _at_most(steps: int, count: Callable[[], int]) -> int:
    return min(steps, count())


def _as_tensors(structure: Any) -> Any:
    if isinstance(structure, Tensor) or structure is None:
        return structure
    return map_structure(
        lambda leaf: leaf if isinstance(leaf, Tensor) or leaf is None else as_tensor(leaf, "the batch"), structure
    )
