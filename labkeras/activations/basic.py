"""The identity and the exponential."""

import torch
from torch import Tensor

from labkeras.graph.convert import TensorLike, as_tensor

__all__ = ["exponential", "linear"]


def linear(x: Tensor) -> Tensor:
    """The identity: `x`, which is returned as it is; what no activation means.

    Example:
        >>> linear(torch.tensor([-1.0, 2.0]))
        tensor([-1.,  2.])
    """
    return x


def exponential(x: TensorLike) -> Tensor:
    """The exponential of each element: `exp(x)`.

    Args:
        x: values, of any shape.

    Example:
        >>> exponential(torch.tensor([0.0, 1.0]))
        tensor([1.0000, 2.7183])
    """
    return torch.exp(as_tensor(x))
