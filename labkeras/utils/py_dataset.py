"""PyDataset: batches by their number, made by code of one's own, also in several threads or processes."""

import itertools
from collections.abc import Iterator
from typing import Any

from labkeras.errors import InvalidArgumentError

__all__ = ["PyDataset", "Sequence"]


class PyDataset:
    """Batches by their number: a subclass has `__getitem__`, and `__len__` or `num_batches`.

    `fit`, `evaluate` and `predict` take it as their data. `fit` draws the batches in a new order each epoch unless told
    `shuffle=False`, and calls `on_epoch_begin` and `on_epoch_end` around each pass.

    Args:
        workers: how many batches are made at the same time; 0 and 1 make them in the process and thread that trains.
        use_multiprocessing: whether to make them in processes rather than threads, in one as well. What
            `__getitem__` changes stays in that process then.
        max_queue_size: how many batches to make ahead.

    Raises:
        InvalidArgumentError: if a number is out of range.

    Example:
        >>> class Squares(PyDataset):
        ...     def __len__(self):
        ...         return 2
        ...
        ...     def __getitem__(self, index):
        ...         x = np.arange(3.0)[:, None] + 3 * index
        ...         return x, x**2
        >>> [x.tolist() for x, _ in Squares()]
        [[[0.0], [1.0], [2.0]], [[3.0], [4.0], [5.0]]]
    """

    # Here too, for subclasses whose `__init__` does not call this one.
    _workers = 1
    _use_multiprocessing = False
    _max_queue_size = 10

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    @property
    def workers(self) -> int:
        """How many batches are made at the same time."""
        return self._workers

    @workers.setter
    def workers(self, value: int) -> None:
        self._workers = _checked("workers", value, 0)

    @property
    def use_multiprocessing(self) -> bool:
        """Whether batches are made in processes rather than threads."""
        return self._use_multiprocessing

    @use_multiprocessing.setter
    def use_multiprocessing(self, value: bool) -> None:
        self._use_multiprocessing = bool(value)

    @property
    def max_queue_size(self) -> int:
        """How many batches are made ahead."""
        return self._max_queue_size

    @max_queue_size.setter
    def max_queue_size(self, value: int) -> None:
        self._max_queue_size = _checked("max_queue_size", value, 1)

    def __getitem__(self, index: int) -> Any:
        """The batch of a number: x, (x, y) or (x, y, sample_weight).

        Args:
            index: its number, from 0.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method `__getitem__(self, index)`.")

    @property
    def num_batches(self) -> int | None:
        """The number of batches; None if they have no end."""
        if hasattr(self, "__len__"):
            return len(self)
        raise NotImplementedError(f"{type(self).__name__} needs a method `__len__`, or a property `num_batches`.")

    def __iter__(self) -> Iterator[Any]:
        count = self.num_batches
        return (self[index] for index in (itertools.count() if count is None else range(count)))

    def on_epoch_begin(self) -> None:
        """Called before the first batch of each epoch."""

    def on_epoch_end(self) -> None:
        """Called after the last batch of each epoch."""


Sequence = PyDataset
"""Its name in Keras 2."""


def _checked(name: str, value: int, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidArgumentError(f"`{name}` must be an integer of at least {least}. Received: {name}={value!r}")
    return value
