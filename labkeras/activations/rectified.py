"""Rectified units: what passes is above a threshold."""

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras.graph.convert import TensorLike, as_tensor

__all__ = ["leaky_relu", "relu", "relu6", "threshold"]


def relu(x: TensorLike, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """The rectified linear unit: `max(x, 0)` unless the other arguments change it.

    `x` where it is above `threshold`, at most `max_value`; `negative_slope * (x - threshold)` below.

    Args:
        x: values, of any shape.
        negative_slope: factor of what lies below the threshold; 0 cuts it off.
        max_value: upper bound of the result, or None.
        threshold: the value above which `x` passes unchanged.

    Example:
        >>> relu(torch.tensor([-2.0, 3.0]))
        tensor([0., 3.])
        >>> relu(torch.tensor([-2.0, 3.0]), negative_slope=0.5, max_value=1.0)
        tensor([-1.,  1.])
    """
    if not isinstance(x, Tensor):  # asked here, not in as_tensor, as no function is called more often than this one
        x = as_tensor(x)
    if max_value is None and not threshold:
        return F.leaky_relu(x, negative_slope) if negative_slope else torch.relu(x)
    positive = torch.where(x > threshold, x, 0) if threshold else torch.relu(x)
    if max_value is not None:
        positive = torch.clamp(positive, 0, max_value)
    return positive - negative_slope * torch.relu(threshold - x) if negative_slope else positive


def relu6(x: TensorLike) -> Tensor:
    """The rectified linear unit with an upper bound of 6: `min(max(x, 0), 6)`.

    Args:
        x: values, of any shape.

    Example:
        >>> relu6(torch.tensor([-2.0, 3.0, 8.0]))
        tensor([0., 3., 6.])
    """
    return F.relu6(as_tensor(x))


def leaky_relu(x: TensorLike, negative_slope: float = 0.2) -> Tensor:
    """`x` where it is positive, `negative_slope * x` elsewhere.

    Args:
        x: values, of any shape.
        negative_slope: factor of the negative values.

    Example:
        >>> leaky_relu(torch.tensor([-2.0, 3.0]))
        tensor([-0.4000,  3.0000])
    """
    return F.leaky_relu(as_tensor(x), negative_slope)


def threshold(x: TensorLike, threshold: float, default_value: float) -> Tensor:
    """`x` where it is above `threshold`, `default_value` elsewhere.

    Args:
        x: values, of any shape.
        threshold: the value above which `x` passes.
        default_value: what takes the place of the others.

    Example:
        >>> threshold(torch.tensor([-2.0, 3.0]), 1.0, -1.0)
        tensor([-1.,  3.])
    """
    return F.threshold(as_tensor(x), threshold, default_value)
