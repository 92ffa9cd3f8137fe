"""From the losses of a batch to one number: weights, masks and the kinds of mean."""

import torch
from torch import Tensor

from labkeras.distribution.replicas import weighed
from labkeras.errors import InvalidArgumentError
from labkeras.ops.division import divide_no_nan
from labkeras.ops.ranks import align_weights
from labkeras.ops.weighting import apply_mask

__all__ = ["MEANS", "reduce_weighted_values", "standardize_reduction"]

MEANS = frozenset({"sum_over_batch_size", "mean", "mean_with_sample_weight"})
"""The reductions that, where nothing is weighed or masked, are the mean over all values."""

_REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


def standardize_reduction(reduction: str | None) -> str | None:
    """`reduction`, if it is one.

    Raises:
        InvalidArgumentError: if it is not.
    """
    if reduction not in _REDUCTIONS:
        raise InvalidArgumentError(f"`reduction` must be one of {_REDUCTIONS}. Received: reduction={reduction!r}")
    return reduction


def reduce_weighted_values(
    values: Tensor,
    sample_weight: Tensor | None = None,
    mask: Tensor | None = None,
    reduction: str | None = "sum_over_batch_size",
) -> Tensor:
    """The values, weighed, and summed up as `reduction` says; in a step of several replicas, that of all of them.

    Args:
        values: a loss for each sample, or for each step of each sample.
        sample_weight: a weight for each value, or for each sample.
        mask: True for the values that count.
        reduction: "sum"; "sum_over_batch_size" or "mean", the sum divided by the number of values, or of those that
            `mask` lets count; "mean_with_sample_weight", the sum divided by the sum of the weights; "none" or None for
            the weighed values as they are.

    Shapes:
        values: (batch, …)
        sample_weight, mask: (batch, …), of any rank up to that of `values`
        result: (), or that of `values` for "none"
    """
    weights = apply_mask(sample_weight, mask, values.dtype, over_valid=reduction in ("mean", "sum_over_batch_size"))
    if weights is not None:
        values, weights = align_weights(values, weights.to(values.dtype))
        values = values * weights
    if reduction is None or reduction == "none" or values.shape in ((), (0,)):
        return values
    if reduction == "sum":
        return weighed(values.sum(), reduction)
    if reduction == "mean_with_sample_weight" and weights is not None:
        count = weights.sum()
        return weighed(divide_no_nan(values.sum(), count), reduction, count)
    # No values have the sum 0; torch's mean of them would be NaN.
    mean = values.mean() if values.numel() else torch.sum(values)
    return weighed(mean, reduction, None if mask is None else mask.sum())
