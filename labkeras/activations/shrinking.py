"""Shrinking functions: what is near zero becomes, or comes nearer to, zero."""

import torch.nn.functional as F
from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.graph.convert import TensorLike, as_tensor

__all__ = ["hard_shrink", "soft_shrink", "tanh_shrink"]


def soft_shrink(x: TensorLike, threshold: float = 0.5) -> Tensor:
    """Moves each value towards zero by `threshold`; those that get there stay zero.

    Args:
        x: values, of any shape.
        threshold: how far, not negative.

    Raises:
        InvalidArgumentError: if `threshold` is negative.

    Example:
        >>> soft_shrink(torch.tensor([-2.0, 0.3, 1.0]))
        tensor([-1.5000,  0.0000,  0.5000])
    """
    if threshold < 0:
        raise InvalidArgumentError(
            f"`threshold` of soft_shrink must not be negative. Received: threshold={threshold!r}"
        )
    return F.softshrink(as_tensor(x), threshold)


def hard_shrink(x: TensorLike, threshold: float = 0.5) -> Tensor:
    """`x` where `|x|` is above `threshold`, 0 elsewhere.

    Args:
        x: values, of any shape.
        threshold: the magnitude above which values pass.

    Example:
        >>> hard_shrink(torch.tensor([-2.0, 0.3, 1.0]))
        tensor([-2.,  0.,  1.])
    """
    return F.hardshrink(as_tensor(x), threshold)


def tanh_shrink(x: TensorLike) -> Tensor:
    """`x - tanh(x)`.

    Args:
        x: values, of any shape.

    Example:
        >>> tanh_shrink(torch.tensor([-2.0, 0.0, 1.0]))
        tensor([-1.0360,  0.0000,  0.2384])
    """
    return F.tanhshrink(as_tensor(x))
