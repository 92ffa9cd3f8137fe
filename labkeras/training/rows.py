"""Rows: which samples of arrays are in which batch, in each process of a run."""

from collections.abc import Iterator
from typing import Any

import torch

from labkeras.distribution import replicas

__all__ = ["BatchRows"]


class BatchRows:
    """The row numbers of the batches of an epoch; slices where the order is that of the rows.

    In a run of several processes each has its part of every batch, and every row is in one part: what one process would
    do with such batches, all of them do together. Where the last batch has fewer rows than there are processes, some
    parts are empty.

    Args:
        length: the number of samples.
        batch_size: samples in a batch of one process; of all, if the run splits batches.
        shuffle: whether each epoch has an order of its own; "batch" for one that stays within each batch, so that
            neighbours on disk are read together.
    """

    def __init__(self, length: int, batch_size: int, shuffle: bool | str) -> None:
        self.length = length
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __len__(self) -> int:
        return -(-self.length // self._size(replicas.dealing()))

    def __iter__(self) -> Iterator[Any]:
        place = replicas.dealing()
        size = self._size(place)
        if self.shuffle == "batch":
            return self._within_batches(size, place)
        if self.shuffle:
            batches = iter(torch.split(replicas.order_of(self.length), size))
            return batches if place.count == 1 else (rows[place.share(len(rows))] for rows in batches)
        starts = range(0, self.length, size)
        slices = (slice(start, min(start + size, self.length)) for start in starts)
        return slices if place.count == 1 else (_within(rows, place) for rows in slices)

    def _within_batches(self, size: int, place: replicas.Place) -> Iterator[Any]:
        for start in range(0, self.length, size):
            rows = start + replicas.order_of(min(size, self.length - start))
            yield rows if place.count == 1 else rows[place.share(len(rows))]

    def _size(self, place: replicas.Place) -> int:
        """The size of a batch of all processes."""
        return self.batch_size if place.splits_batches else self.batch_size * place.count


def _within(rows: slice, place: replicas.Place) -> slice:
    share = place.share(rows.stop - rows.start)
    return slice(rows.start + share.start, rows.start + share.stop)
