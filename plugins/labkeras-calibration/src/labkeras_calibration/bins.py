"""Bins: what confidences were said in, and what came true of it."""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Bins", "error_of", "grouped"]


class Bins(NamedTuple):
    """Sums over the samples whose confidences are in the same bin.

    Args:
        weight: of the samples.
        confidence: weight times confidence.
        came_true: weight of those that came true.

    Shapes:
        each: (bins,)
    """

    weight: Tensor
    confidence: Tensor
    came_true: Tensor

    @property
    def mean_confidence(self) -> Tensor:
        """NaN where a bin is empty."""
        return self.confidence / self.weight

    @property
    def accuracy(self) -> Tensor:
        """NaN where a bin is empty."""
        return self.came_true / self.weight


def error_of(bins: Bins, norm: str) -> Tensor:
    """The calibration error: how far accuracy and confidence are apart, over all bins.

    Args:
        bins: the bins.
        norm: "l1" for the mean, "l2" for the root of the mean square, "max" for the largest.
    """
    total = bins.weight.sum()
    # Empty bins have no gap: neither do they count.
    gaps = torch.where(bins.weight > 0, (bins.accuracy - bins.mean_confidence).abs(), 0.0)
    shares = bins.weight / total.clamp(min=torch.finfo(total.dtype).tiny)
    if norm == "l1":
        return (gaps * shares).sum()
    return (gaps**2 * shares).sum().sqrt() if norm == "l2" else gaps.max()


def grouped(cells: Bins, count: int) -> Bins:
    """Narrow bins put together to fewer, of about equal weight; a cell is never split.

    Args:
        cells: the narrow ones, in order.
        count: how many to make.

    Shapes:
        result: (count,); where single cells weigh much, some are empty
    """
    before = cells.weight.cumsum(0) - cells.weight
    middle = (before + cells.weight / 2) / cells.weight.sum().clamp(min=torch.finfo(before.dtype).tiny)
    places = (middle * count).long().clamp(0, count - 1)
    return Bins(
        *(torch.zeros(count, dtype=sums.dtype, device=sums.device).index_add_(0, places, sums) for sums in cells)
    )
