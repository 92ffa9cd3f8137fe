"""Epochs: what makes the iterator over the batches of one epoch, each time it is called."""

import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from labkeras.callbacks.random_state import random_state, set_random_state
from labkeras.errors import DataError
from labkeras.training.arrays import ArrayData, Batch, class_weights
from labkeras.training.dealing import deal
from labkeras.training.iterables import is_dealt
from labkeras.training.rows import BatchRows
from labkeras.utils.py_dataset import PyDataset

__all__ = ["Announced", "ArrayEpoch", "Continued", "Epoch", "IterableEpoch", "Limited", "NotEmpty", "close"]

Epoch = Callable[[], Iterator[Batch]]


@dataclass(frozen=True)
class ArrayEpoch:
    """The batches of arrays. Without a DataLoader, which has nothing to load here, and costs 20 µs a batch."""

    data: ArrayData
    rows: BatchRows

    def __call__(self) -> Iterator[Batch]:
        return map(self.data.__getitem__, self.rows)


@dataclass(frozen=True)
class IterableEpoch:
    """The batches of a loader, generator or other iterable, made tensors by `ready`, and weighted by class."""

    source: Any
    ready: Callable[[Any], Batch]
    classes: Mapping[int, float] | None
    passes: list[int] = field(default_factory=lambda: [0])
    """The number of passes so far, alone in a list."""

    def __call__(self) -> Iterator[Batch]:
        read = self.ready if self.classes is None else self._weighted
        if not is_dealt(self.source):
            return deal(self.source, read)
        self.source.sampler.set_epoch(self.passes[0])
        self.passes[0] += 1
        return map(read, self.source)

    def _weighted(self, batch: Any) -> Batch:
        x, y, weight = self.ready(batch)
        return x, y, class_weights(y, self.classes or {}, weight)


@dataclass(frozen=True)
class Limited:
    """Not more than so many batches of an epoch; all if `steps` is None."""

    epoch: Epoch
    steps: int | None

    def __call__(self) -> Iterator[Batch]:
        if self.steps is None:
            return self.epoch()
        return _warning_if_short(itertools.islice(self.epoch(), self.steps), self.steps)


class Continued:
    """Epochs of so many batches, each of which goes on where the last one ended.

    At the end of the data an epoch ends early, with a warning, and the next one begins the data anew, as in Keras.

    Args:
        epoch: a pass through the data.
        steps: the batches of an epoch.
        count: tells the number of batches in a pass; None if that is not known.
    """

    def __init__(self, epoch: Epoch, steps: int, count: Callable[[], int] | None) -> None:
        self.epoch = epoch
        self.steps = steps
        self.count = count
        self._pass: Iterator[Batch] | None = None
        self._taken = 0
        self._fetched = 0
        self._pass_random: dict[str, Any] | None = None
        self._target: tuple[Mapping[str, Any], int] | None = None

    def upcoming(self) -> int:
        """The number of batches in the epoch that is next or on, as far as one can know."""
        return self.steps if self.count is None else min(self.steps, self.count() - self._taken)

    def __call__(self) -> Iterator[Batch]:
        if self._target is not None:
            self._go_to(*self._target)
        if self._pass is None:
            self._pass = self._begin()
        first = next(self._pass, None)
        if first is None:
            # Differs from Keras: a pass that ended just with the last epoch does not make this one empty.
            self._pass = self._begin()
            first = next(self._pass, None)
        before = self._taken
        rest = itertools.islice(self._pass, self.steps - 1)
        batches = iter(()) if first is None else itertools.chain([first], rest)
        counted = 0
        for batch in _warning_if_short(batches, self.steps):
            counted += 1
            self._fetched += 1
            yield batch
        self._taken = before + counted
        if counted < self.steps or (self.count is not None and self._taken >= self.count()):
            self._pass, self._taken = None, 0

    def place(self) -> dict[str, Any] | None:
        """The pass that the next epoch goes on in: how its order was drawn, how many batches are gone; None if none."""
        if self._target is not None:
            return {"random": self._target[0], "taken": self._target[1]}
        is_over = self.count is not None and self._fetched >= self.count()
        return None if self._pass is None or is_over else {"random": self._pass_random, "taken": self._fetched}

    def go_to(self, random: Mapping[str, Any], taken: int) -> None:
        """Lets the next epoch go on in a pass whose order was drawn so, and of which so many batches are gone."""
        self.close()
        self._target = random, taken
        self._taken = taken

    def _go_to(self, random: Mapping[str, Any], taken: int) -> None:
        now, self._target = random_state(), None
        set_random_state(random)
        self._pass = self._begin()
        for _ in itertools.islice(self._pass, taken):
            self._fetched += 1
        set_random_state(now)

    def _begin(self) -> Iterator[Batch]:
        self._fetched, self._pass_random = 0, random_state()
        return self.epoch()

    def close(self) -> None:
        """Ends the pass that is on."""
        running, self._pass, self._taken = self._pass, None, 0
        close(running)

    def __getstate__(self) -> dict[str, Any]:
        return {
            **vars(self),
            "_pass": None,
            "_taken": 0,
            "_fetched": 0,
            "_target": None,
        }  # where an iteration stands cannot go to another process


@dataclass(frozen=True)
class NotEmpty:
    """Epochs that must have batches: the loss over none would be 0, which looks better than any."""

    epoch: Epoch

    def __call__(self) -> Iterator[Batch]:
        is_empty = True
        for batch in self.epoch():
            is_empty = False
            yield batch
        if is_empty:
            raise DataError(
                "there are no batches to work on: the data is empty, or is a generator that is used up. Received: an "
                "iterable that yields nothing"
            )


class Announced:
    """Epochs that a PyDataset is told the beginnings and ends of."""

    def __init__(self, epoch: Epoch, dataset: PyDataset) -> None:
        self.epoch = epoch
        self.dataset = dataset
        self._is_on = False

    def __call__(self) -> Iterator[Batch]:
        self._finish()
        self._is_on = True
        self.dataset.on_epoch_begin()
        yield from self.epoch()
        self._finish()

    def close(self) -> None:
        """Ends the pass and the epoch that are on."""
        close(self.epoch)
        self._finish()

    def _finish(self) -> None:
        # Whoever took the batches of the epoch before may not have asked for one more, to learn that there is none.
        if self._is_on:
            self._is_on = False
            self.dataset.on_epoch_end()


def close(source: Any) -> None:
    """Closes an iterator or an epoch, if that is something to close."""
    if hasattr(source, "close"):
        source.close()


def _warning_if_short(batches: Iterator[Batch], steps: int) -> Iterator[Batch]:
    count = 0
    for batch in batches:
        count += 1
        yield batch
    if count < steps:
        warnings.warn(
            f"the data ended after {count} of {steps} steps. Received: fewer batches than `steps_per_epoch`, "
            "`validation_steps` or `steps` asks for",
            stacklevel=2,
        )
