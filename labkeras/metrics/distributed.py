"""The state of metrics over all processes of a distributed run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

from labkeras.distribution.replicas import Place, everybody
from labkeras.variable import Variable

__all__ = ["AGGREGATIONS", "over_ranks"]

AGGREGATIONS = ("sum", "mean", "only_first_replica", "none", None)
"""How a variable's values on several ranks become one: None and "none" leave each rank its own."""


@contextmanager
def over_ranks(variables: Sequence[Variable]) -> Iterator[None]:
    """Within it, the variables hold what all ranks have together; afterwards, each rank's own values again.

    Every rank must enter it. All variables travel in one all-reduce. Where nothing is distributed, nothing happens. In
    a run, ranks are those that have different data; otherwise, all processes that have joined.

    Args:
        variables: state of metrics; `aggregation` of each says how ranks are combined.
    """
    shared = [variable for variable in variables if variable.aggregation not in (None, "none")]
    place = everybody()
    if not shared or place.count == 1:
        yield
        return
    own_values = [variable.detach().clone() for variable in shared]
    _reduce(shared, place)
    try:
        yield
    finally:
        for variable, value in zip(shared, own_values, strict=True):
            variable.assign(value)


def _reduce(variables: Sequence[Variable], place: Place) -> None:
    buffer = torch.cat([_contribution(variable, place.rank) for variable in variables])
    dist.all_reduce(buffer, group=place.group)
    parts = torch.split(buffer, [variable.numel() for variable in variables])
    for variable, part in zip(variables, parts, strict=True):
        total = part / place.count if variable.aggregation == "mean" else part
        variable.assign(total.reshape(variable.shape))


def _contribution(variable: Variable, rank: int) -> Tensor:
    # Double holds the counts of every smaller type exactly, so that one message can carry them all; MPS has none.
    values = variable.detach().flatten()
    values = values.float() if values.device.type == "mps" else values.double()
    if variable.aggregation == "only_first_replica" and rank != 0:
        return torch.zeros_like(values)
    return values
