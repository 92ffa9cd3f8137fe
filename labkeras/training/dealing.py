"""Dealing: which of the batches of a loader or generator each process of a run gets, so that each sample counts once.

Arrays are dealt by `rows`. Here batches go round: the first to the first process, the second to the second; or, where
the run splits batches, each process gets its part of every batch. All processes get equally many: where batches do not
come out even, the last one of some has no samples.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from labkeras.distribution import replicas
from labkeras.distribution.replicas import Place
from labkeras.nest import map_structure

__all__ = ["deal", "dealt_count", "part"]

# What a DataLoader of this process's own batches takes over from the user's.
_KEPT = (
    "num_workers",
    "collate_fn",
    "pin_memory",
    "timeout",
    "worker_init_fn",
    "multiprocessing_context",
    "generator",
    "prefetch_factor",
    "persistent_workers",
)


def deal(source: Iterable[Any], read: Callable[[Any], Any]) -> Iterator[Any]:
    """This process's batches.

    Of a DataLoader with indices only these are loaded; anything else makes all, and those of others are passed over.

    Args:
        source: what yields batches.
        read: makes tensors of a batch.
    """
    place = replicas.dealing()
    if place.count > 1 and isinstance(source, DataLoader) and _has_indices(source):
        return _own_of_loader(source, read, place)
    return _going_round(iter(source), read)


def dealt_count(batches: int) -> int:
    """How many batches each process gets of so many."""
    place = replicas.dealing()
    return batches if place.splits_batches else -(-batches // place.count)


def part(batch: Any, rows: slice) -> Any:
    """Some samples of a batch of tensors."""
    return map_structure(lambda leaf: leaf[rows] if isinstance(leaf, Tensor) and leaf.ndim else leaf, batch)


def _going_round(batches: Iterator[Any], read: Callable[[Any], Any]) -> Iterator[Any]:
    while True:
        # Looked up for each group: a generator may be begun before the processes are there.
        place = replicas.dealing()
        group = list(itertools.islice(batches, 1 if place.splits_batches else place.count))
        if not group:
            return
        if place.count == 1:
            yield read(group[0])
        elif place.splits_batches:
            yield _share(read(group[0]), place)
        else:
            yield read(group[place.rank]) if place.rank < len(group) else part(read(group[0]), slice(0, 0))


def _share(batch: Any, place: Place) -> Any:
    sizes: list[int] = []
    map_structure(lambda leaf: sizes.append(len(leaf)) if isinstance(leaf, Tensor) and leaf.ndim else None, batch)
    return part(batch, place.share(sizes[0])) if sizes else batch


def _has_indices(loader: DataLoader[Any]) -> bool:
    return loader.batch_sampler is not None and not isinstance(loader.dataset, IterableDataset)


def _own_of_loader(loader: DataLoader[Any], read: Callable[[Any], Any], place: Place) -> Iterator[Any]:
    own = _OwnIndices(loader.batch_sampler or (), place)
    options = {name: getattr(loader, name) for name in _KEPT}
    batches = map(read, DataLoader(loader.dataset, batch_sampler=own, **options))
    # Workers fetch indices ahead of the batches: which of them count is noted in their order.
    return (batch if own.counts[index] else part(batch, slice(0, 0)) for index, batch in enumerate(batches))


class _OwnIndices:
    """The batches of indices that are this process's; `counts` says which of them are only there to be emptied."""

    def __init__(self, batches: Iterable[list[int]], place: Place) -> None:
        self._batches = batches
        self._place = place
        self.counts: list[bool] = []

    def __iter__(self) -> Iterator[list[int]]:
        place = self._place
        self.counts = []
        batches = _drawn_alike(self._batches)
        if place.splits_batches:
            groups = [(batch[place.share(len(batch))], batch[:1]) for batch in batches]
        else:
            starts = range(0, len(batches), place.count)
            own_ones = [batches[start + place.rank] if start + place.rank < len(batches) else [] for start in starts]
            groups = [(own, batches[start]) for own, start in zip(own_ones, starts, strict=True)]
        for own, other in groups:
            self.counts.append(bool(own))
            yield own or other


def _drawn_alike(batches: Iterable[list[int]]) -> list[list[int]]:
    """All batches of indices, in the order that the first process would have drawn by itself."""
    own = torch.get_rng_state()
    said = [own]
    dist.broadcast_object_list(said, src=0)
    torch.set_rng_state(said[0])
    drawn = [list(batch) for batch in batches]
    if dist.get_rank() != 0:
        torch.set_rng_state(own)
    return drawn
