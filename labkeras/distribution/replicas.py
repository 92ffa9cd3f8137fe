"""Replicas: the processes that work on one batch together, each on its part of it.

Gradients are averaged over the replicas afterwards, so the loss of a replica must be what makes that average right:
its sum over the mean count of all replicas, rather than over its own count. While nothing is distributed, all of this
costs a look at one attribute.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = [
    "Place",
    "Step",
    "alone",
    "averaged",
    "busy",
    "counted",
    "current",
    "dealing",
    "everybody",
    "in_step",
    "is_stand_in",
    "order_of",
    "sum_over_replicas",
    "take",
    "together",
    "weighed",
    "working",
]


@dataclass(frozen=True)
class Place:
    """Where a process stands among the replicas.

    Args:
        rank: its number, from 0.
        count: how many there are.
        splits_batches: whether they share each batch; otherwise each has batches of its own.
        deals: whether each takes its part of the data; otherwise it gets nothing else anyway.
        group: the process group of the replicas; None for that of all processes.
    """

    rank: int = 0
    count: int = 1
    splits_batches: bool = False
    deals: bool = True
    group: Any = None

    def share(self, rows: int) -> slice:
        """The part of `rows` rows that is this replica's; the parts are in the order of the ranks."""
        return slice(-(-rows * self.rank // self.count), -(-rows * (self.rank + 1) // self.count))


class Step:
    """A step that the replicas do together: how many samples each has, and whether it has to end, travels meanwhile."""

    def __init__(self, place: Place, rows: int, device: torch.device, has_to_end: bool = False) -> None:
        self.place = place
        self.rows = rows
        self._sums = torch.tensor([float(rows), float(has_to_end)], device=device)
        self._work = None if place.count == 1 else dist.all_reduce(self._sums, group=place.group, async_op=True)

    def mean_rows(self) -> Tensor:
        """The mean number of samples of the replicas."""
        return self._arrived()[0] / self.place.count

    def ending(self) -> Tensor:
        """How many replicas have to end."""
        return self._arrived()[1]

    def _arrived(self) -> Tensor:
        if self._work is not None:
            self._work.wait()
            self._work = None
        return self._sums


class _State:
    """What this process is doing."""

    place: Place | None = None
    step: Step | None = None


_state = _State()
_ALONE = Place()


def current() -> Place:
    """The place in the run that is on; that of a process alone if there is none."""
    return _state.place or _ALONE


def dealing() -> Place:
    """The place by which data is dealt in the run that is on."""
    place = current()
    return place if place.deals else _ALONE


def busy() -> bool:
    """Whether a run is on."""
    return _state.place is not None


def together() -> bool:
    """Whether the run that is on is one of several processes."""
    return _state.place is not None and _state.place is not _ALONE


def everybody() -> Place:
    """The place in the run that is on; outside of one, that among all processes that have joined."""
    if _state.place is not None:
        return _state.place
    if dist.is_available() and dist.is_initialized():
        return Place(dist.get_rank(), dist.get_world_size())
    return _ALONE


@contextmanager
def working(place: Place) -> Iterator[None]:
    """Within it, a run works on data together with other replicas."""
    before = _state.place, _state.step
    _state.place, _state.step = place, None
    try:
        yield
    finally:
        _state.place, _state.step = before


def take(place: Place) -> None:
    """Says, within `working`, that the run has got to know its place."""
    _state.place = place


def alone() -> Any:
    """Within it, this process works for itself, as in a prediction that a callback asks for."""
    return working(_ALONE)


@contextmanager
def in_step(rows: int, device: torch.device, has_to_end: bool = False) -> Iterator[Step]:
    """Within it, the replicas compute the loss of one batch together. Each must enter it.

    Args:
        rows: how many samples this replica has; 0 if it has none, and computes with a stand-in.
        device: where the losses are.
        has_to_end: whether this replica has to end, which the step tells the others.
    """
    step = Step(current(), rows, device, has_to_end)
    _state.step = step if step.place.count > 1 else None
    try:
        yield step
        step.ending()  # a model without losses may not have waited for the message
    finally:
        _state.step = None


def counted(rows: int) -> int | Tensor:
    """What the mean of losses is to count a batch of `rows` samples as: in a step together, the replicas' mean."""
    step = _state.step
    return rows if step is None else step.mean_rows()


def is_stand_in() -> bool:
    """Whether this replica has no sample in this step, and computes with a stand-in, which does not count."""
    return _state.step is not None and _state.step.rows == 0


def weighed(loss: Tensor, reduction: str | None, count: Tensor | None = None) -> Tensor:
    """A replica's loss, such that the mean over the replicas is the loss of the whole batch.

    Args:
        loss: this replica's: its sum, or mean.
        reduction: "sum" if it is a sum; any other is a mean.
        count: what the mean is over, where that is not the samples: the sum of a mask or of weights.
    """
    step = _state.step
    if step is None or loss.ndim:
        return loss
    if reduction == "sum":
        return loss * (step.place.count if step.rows else 0)
    if count is None:
        return loss * (step.rows / step.mean_rows()).to(loss.dtype)
    own = count.detach().to(torch.float32) if step.rows else torch.zeros_like(step.mean_rows())
    total = own.clone()
    dist.all_reduce(total, group=step.place.group)
    # A batch in which nothing counts has the loss 0 on each replica, whatever it is divided by.
    share = own * step.place.count / total.clamp(min=torch.finfo(torch.float32).tiny)
    return loss * share.to(loss.dtype)


def averaged(gradients: list[Tensor]) -> list[Tensor]:
    """The mean of gradients over the replicas, in one message for each data type. Each replica must call it."""
    place = current()
    if place.count == 1:
        return gradients
    means: dict[int, Tensor] = {}
    for kind in dict.fromkeys((grad.dtype, grad.device) for grad in gradients):
        places = [index for index, grad in enumerate(gradients) if (grad.dtype, grad.device) == kind]
        alike = [gradients[index] for index in places]
        buffer = torch.cat([grad.reshape(-1) for grad in alike]) / place.count
        dist.all_reduce(buffer, group=place.group)
        parts = torch.split(buffer, [grad.numel() for grad in alike])
        means |= {index: _laid_out(part, gradients[index]) for index, part in zip(places, parts, strict=True)}
    return [means[index] for index in range(len(gradients))]


def _laid_out(values: Tensor, like: Tensor) -> Tensor:
    """Numbers in a row, in the shape and the memory layout of a gradient, which kernels of optimizers rely on."""
    shaped = values.view(like.shape)
    return shaped if like.is_contiguous() else torch.empty_like(like).copy_(shaped)


def order_of(length: int) -> Tensor:
    """A new order of so many rows, the same in all processes: the one that the first would have drawn by itself."""
    # Processes that share the samples of one replica must draw alike, too.
    if not together() or not current().deals or dist.get_world_size() == 1:
        return torch.randperm(length)
    generator = torch.Generator()
    said = [torch.get_rng_state()]
    dist.broadcast_object_list(said, src=0)
    generator.set_state(said[0])
    order = torch.randperm(length, generator=generator)
    if dist.get_rank() == 0:
        torch.set_rng_state(generator.get_state())
    return order


def sum_over_replicas(values: Tensor) -> Tensor:
    """The sum of all replicas' values; gradients flow back to each of them.

    Each replica must call it. Outside a run it is the sum over all processes that have joined, if any have.
    """
    place = everybody()
    if place.count == 1:
        return values
    total: Tensor = _Sum.apply(values, place.group)  # type: ignore[no-untyped-call]  # torch has no types there
    return total


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, group: Any) -> Tensor:
        ctx.group = group
        total = values.contiguous().clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.contiguous().clone()
        dist.all_reduce(total, group=ctx.group)
        return total, None
