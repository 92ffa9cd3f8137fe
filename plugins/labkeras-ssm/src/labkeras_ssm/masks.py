"""Sequences with masked steps: the other steps put side by side, and what comes out put back.

Letters in names of tensors: B batch, T steps.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["Aligned", "align", "spread"]


class Aligned(NamedTuple):
    """Sequences whose steps that count are side by side.

    Args:
        values: the sequences, zero in the other steps.
        counts: how many steps count, of each sample: (batch,).
        is_kept: which steps of `values` count: (batch, steps).
        starts: the first of them: (batch,).
    """

    values: Tensor
    counts: Tensor
    is_kept: Tensor
    starts: Tensor


def align(values: Tensor, mask_BT: Tensor, at_end: bool) -> Aligned:
    """Puts the steps that count at the end of the sequences, or at their beginning, in their order.

    Args:
        values: the sequences.
        mask_BT: False for steps that do not count.
        at_end: where they go.

    Shapes:
        values: (batch, steps, features)
        mask_BT: (batch, steps)
    """
    steps = mask_BT.shape[1]
    order = torch.argsort((mask_BT if at_end else ~mask_BT).to(torch.uint8), dim=1, stable=True)
    counts = mask_BT.sum(1)
    places = torch.arange(steps, device=mask_BT.device)
    starts = steps - counts if at_end else torch.zeros_like(counts)
    is_kept = (places >= starts.unsqueeze(1)) & (places < (starts + counts).unsqueeze(1))
    gathered = values.gather(1, order.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
    return Aligned(gathered * is_kept.unsqueeze(-1), counts, is_kept, starts)


def spread(outputs: Tensor, mask_BT: Tensor, starts: Tensor, zero_masked: bool) -> Tensor:
    """Puts the outputs of aligned steps back where the steps were; a masked step has the output of the one before.

    Args:
        outputs: of the aligned sequences.
        mask_BT: as for `align`.
        starts: the first step of each that counts.
        zero_masked: whether masked steps have the output zero.

    Shapes:
        outputs: (batch, steps, features)
    """
    passed = mask_BT.cumsum(1)
    places = (starts.unsqueeze(1) + passed - 1).clamp(min=0)
    picked = outputs.gather(1, places.unsqueeze(-1).expand(-1, -1, outputs.shape[-1]))
    silent: Any = ~mask_BT if zero_masked else passed == 0
    return picked.masked_fill(silent.unsqueeze(-1), 0)
