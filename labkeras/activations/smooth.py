"""Smooth rectifiers: near zero far below, near `x` far above, no corner between."""

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras.graph.convert import TensorLike, as_tensor

__all__ = ["softplus", "sparse_plus", "squareplus"]


def softplus(x: TensorLike) -> Tensor:
    """`log(1 + exp(x))`.

    Args:
        x: values, of any shape.

    Example:
        >>> softplus(torch.tensor([-1.0, 2.0]))
        tensor([0.3133, 2.1269])
    """
    return F.softplus(as_tensor(x))


def squareplus(x: TensorLike, b: float = 4) -> Tensor:
    """`(x + sqrt(x² + b)) / 2`: softplus's shape without an exponential.

    Args:
        x: values, of any shape.
        b: how round the bend is; 0 gives `relu`.

    Reference:
        Barron, 2021, Squareplus: a softplus-like algebraic rectifier, arXiv:2112.11687.

    Example:
        >>> squareplus(torch.tensor([-1.0, 2.0]))
        tensor([0.6180, 2.4142])
    """
    x = as_tensor(x)
    return (x + torch.sqrt(x * x + b)) / 2


def sparse_plus(x: TensorLike) -> Tensor:
    """0 up to -1, `(x + 1)² / 4` between -1 and 1, `x` from there on: the integral of `sparse_sigmoid`.

    Args:
        x: values, of any shape.

    Example:
        >>> sparse_plus(torch.tensor([-2.0, 0.0, 2.0]))
        tensor([0.0000, 0.2500, 2.0000])
    """
    x = as_tensor(x)
    inner = torch.clamp(x, min=-1.0) + 1
    return torch.where(x < 1, inner * inner / 4, x)
