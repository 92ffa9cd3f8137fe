"""Iterables: what makes batches by itself, and how batches of a PyDataset or samples of a torch Dataset are fetched."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sized
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from torch.utils.data import DataLoader, Dataset, DistributedSampler, IterableDataset

from labkeras.distribution import replicas
from labkeras.errors import DataError
from labkeras.training.tensors import is_array
from labkeras.utils.py_dataset import PyDataset

__all__ = ["PyDatasetBatches", "is_data_module", "is_dealt", "is_iterable_of_batches", "length_of", "loader_of"]


def is_data_module(x: Any) -> bool:
    """Whether data is a LightningDataModule, of whichever of Lightning's two packages."""
    return any(base.__name__ == "LightningDataModule" for base in type(x).__mro__)


def is_iterable_of_batches(x: Any) -> bool:
    """Whether data makes batches by itself, and is not arrays.

    Raises:
        DataError: if it is neither.
    """
    if isinstance(x, DataLoader | Dataset | PyDataset):
        return True
    if isinstance(x, Mapping | list | tuple) or is_array(x):
        return False
    if isinstance(x, Iterable):
        return True
    raise DataError(
        "data must be arrays, tensors, lists or dicts of them, a DataLoader, Dataset, LightningDataModule or "
        f"PyDataset, or an iterable of batches. Received: {type(x).__name__}"
    )


def is_dealt(source: Any) -> bool:
    """Whether data is a DataLoader whose sampler gives each process its own part, and an order to each epoch."""
    return isinstance(source, DataLoader) and isinstance(source.sampler, DistributedSampler)


def length_of(source: Iterable[Any]) -> int | None:
    """The number of batches, if the source knows it."""
    try:
        return len(source) if isinstance(source, Sized) else None
    except (
        TypeError
    ):  # what may have no end, such as a DataLoader of an IterableDataset, has `__len__`, and nothing to say
        return None


def loader_of(dataset: Dataset[Any], batch_size: int, shuffle: bool) -> DataLoader[Any]:
    """A DataLoader of a Dataset of single samples.

    Args:
        dataset: the samples.
        batch_size: samples in a batch.
        shuffle: whether each epoch has an order of its own; an IterableDataset has its own order anyway.
    """
    return DataLoader(dataset, batch_size, shuffle=shuffle and not isinstance(dataset, IterableDataset))


class PyDatasetBatches:
    """The batches of a PyDataset, one pass after another.

    Args:
        dataset: what makes them.
        shuffle: whether each pass has an order of its own.
    """

    def __init__(self, dataset: PyDataset, shuffle: bool) -> None:
        self.dataset = dataset
        self.shuffle = shuffle

    def __len__(self) -> int:
        count = self.dataset.num_batches
        if count is None:
            raise TypeError(f"{type(self.dataset).__name__} has no end")
        return count

    def __iter__(self) -> Iterator[Any]:
        dataset, workers = self.dataset, self.dataset.workers
        if workers and dataset.use_multiprocessing:
            return self._from_processes()
        if workers > 1:
            return self._from_threads()
        return (dataset[index] for index in self._order())

    def _order(self) -> Iterable[int]:
        count = self.dataset.num_batches
        if count is None:
            return itertools.count()
        order: list[int] = replicas.order_of(count).tolist() if self.shuffle else list(range(count))
        return order

    def _from_threads(self) -> Iterator[Any]:
        dataset, order = self.dataset, iter(self._order())
        pool = ThreadPoolExecutor(dataset.workers, thread_name_prefix=type(dataset).__name__)
        try:
            waiting = deque(
                pool.submit(dataset.__getitem__, i) for i in itertools.islice(order, dataset.max_queue_size)
            )
            while waiting:
                batch = waiting.popleft().result()
                waiting.extend(pool.submit(dataset.__getitem__, i) for i in itertools.islice(order, 1))
                yield batch
        finally:
            pool.shutdown(cancel_futures=True)

    def _from_processes(self) -> Iterator[Any]:
        # The processes are torch's: they end with their parent, and hand on errors with their traceback.
        dataset = self.dataset
        ahead = max(1, dataset.max_queue_size // dataset.workers)
        loader: DataLoader[Any] = DataLoader(
            _Indexed(dataset),
            batch_size=None,
            sampler=self._order(),
            num_workers=dataset.workers,
            prefetch_factor=ahead,
            collate_fn=_as_it_is,
        )
        batches = iter(loader)
        try:
            yield from batches
        finally:
            # Now, rather than when the iterator is collected: the traceback of an error holds it.
            batches._shutdown_workers()  # type: ignore[attr-defined]  # of the iterator that fetches from processes


class _Indexed(Dataset[Any]):
    """A PyDataset as what a DataLoader takes, which may ask its length only if it has one."""

    def __init__(self, dataset: PyDataset) -> None:
        self._dataset = dataset

    def __getitem__(self, index: int) -> Any:
        return self._dataset[index]


def _as_it_is(batch: Any) -> Any:
    return batch
