"""Which positions of a sequence may see which, as boolean masks: True where a query may see a value."""

from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["causal_mask", "joined_mask", "sliding_mask"]


def causal_mask(query: Tensor, value: Tensor) -> Tensor:
    """Each position sees itself and those before it.

    Shapes:
        query: (batch, length, …)
        value: (batch, other length, …)
        output: (1, length, other length)
    """
    return torch.ones((1, query.shape[1], value.shape[1]), dtype=torch.bool, device=query.device).tril()


def sliding_mask(query: Tensor, value: Tensor, window: int) -> Tensor:
    """Each position sees those that are less than `window` away; shapes as for `causal_mask`."""
    rows = torch.arange(query.shape[1], device=query.device)[:, None]
    columns = torch.arange(value.shape[1], device=query.device)[None]
    return ((rows - columns).abs() < window)[None]


def joined_mask(masks: Iterable[Tensor | None]) -> Tensor | None:
    """What all of them allow; None if there is none."""
    given = [mask for mask in masks if mask is not None]
    if not given:
        return None
    joined = given[0]
    for mask in given[1:]:
        joined = joined & mask
    return joined
