"""Masks turned into weights, for losses and metrics alike."""

import torch
from torch import Tensor

from labkeras.ops.division import divide_no_nan
from labkeras.ops.ranks import align_weights

__all__ = ["apply_mask", "keras_mask"]


def keras_mask(value: object) -> Tensor | None:
    """The mask that rides on a tensor, as layers called eagerly pass it on; None where there is none."""
    mask: Tensor | None = getattr(value, "_keras_mask", None)
    return mask


def apply_mask(
    sample_weight: Tensor | None, mask: Tensor | None, dtype: torch.dtype, over_valid: bool = False
) -> Tensor | None:
    """Weights that are 0 wherever the mask is False.

    Args:
        sample_weight: the weights so far, or None for equal ones.
        mask: True for what counts, or None if all does.
        dtype: the data type of the result.
        over_valid: whether the weights make up for what is left out, so that a mean over all entries becomes one over
            the valid ones: each of these then weighs entries / valid entries.

    Returns:
        The weights, or None if there are neither weights nor a mask.
    """
    if mask is None:
        return sample_weight
    weights = mask.to(dtype)
    if over_valid:
        entries = torch.full((), float(mask.numel()), dtype=dtype, device=mask.device)
        weights = weights * divide_no_nan(entries, weights.sum())
    if sample_weight is None:
        return weights
    longer, shorter = (weights, sample_weight) if weights.ndim >= sample_weight.ndim else (sample_weight, weights)
    longer, shorter = align_weights(longer, shorter.to(dtype))
    return longer * shorter
