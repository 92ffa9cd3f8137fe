"""Rows: which samples of arrays are in which batch, in each process of a run."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

__all__ = ["BatchRows"]


class BatchRows:
    """The row numbers of the batches of an epoch; slices where the order is that of the rows.

    In a distributed run each process gets its own rows. In training all get equally many, some rows twice where that
    does not come
    out even: processes wait for each other in each step. In validation each row counts once.

    Args:
        length: the number of samples.
        batch_size: samples in a batch of one process.
        shuffle: whether each epoch has an order of its own.
        trains: whether all processes must get equally many batches.
    """

    def __init__(self, length: int, batch_size: int, shuffle: bool, trains: bool) -> None:
        self.length = length
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.trains = trains

    def __len__(self) -> int:
        rank, processes = _place()
        own = (
            -(-self.length // processes)
            if self._comes_out_even(processes)
            else len(range(rank, self.length, processes))
        )
        return -(-own // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        rank, processes = _place()
        if processes > 1:
            return iter(torch.split(self._own_rows(rank, processes), self.batch_size))
        starts = range(0, self.length, self.batch_size)
        if not self.shuffle:
            return (slice(start, min(start + self.batch_size, self.length)) for start in starts)
        return iter(torch.split(torch.randperm(self.length), self.batch_size))

    def _comes_out_even(self, processes: int) -> bool:
        # A process without any batch would not know the metrics that the others wait for.
        return self.trains or self.length < processes

    def _own_rows(self, rank: int, processes: int) -> Tensor:
        rows = torch.arange(self.length)
        if self.shuffle:
            # One order for all: the first process's.
            seed = [int(torch.randint(2**62, ()))]
            torch.distributed.broadcast_object_list(seed, src=0)
            rows = torch.randperm(self.length, generator=torch.Generator().manual_seed(seed[0]))
        missing = -self.length % processes if self._comes_out_even(processes) else 0
        return torch.cat([rows, rows.repeat(-(-missing // self.length))[:missing]])[rank::processes]


def _place() -> tuple[int, int]:
    """The rank of this process, and how many there are."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()
