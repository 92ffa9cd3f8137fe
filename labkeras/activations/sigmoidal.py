"""Functions with a lower and an upper bound: sigmoid, tanh and their piecewise and logarithmic kin."""

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras.graph.convert import TensorLike, as_tensor

__all__ = ["hard_sigmoid", "hard_tanh", "log_sigmoid", "sigmoid", "softsign", "sparse_sigmoid", "tanh"]


def sigmoid(x: TensorLike) -> Tensor:
    """`1 / (1 + exp(-x))`, in (0, 1).

    Args:
        x: values, of any shape.

    Example:
        >>> sigmoid(torch.tensor([-1.0, 0.0, 2.0]))
        tensor([0.2689, 0.5000, 0.8808])
    """
    return torch.sigmoid(as_tensor(x))


def hard_sigmoid(x: TensorLike) -> Tensor:
    """The sigmoid in straight pieces: `x / 6 + 0.5`, cut off at 0 and 1.

    Args:
        x: values, of any shape.

    Example:
        >>> hard_sigmoid(torch.tensor([-4.0, 0.0, 1.5]))
        tensor([0.0000, 0.5000, 0.7500])
    """
    return F.hardsigmoid(as_tensor(x))


def sparse_sigmoid(x: TensorLike) -> Tensor:
    """The sigmoid that reaches its bounds: `(x + 1) / 2`, cut off at 0 and 1.

    Args:
        x: values, of any shape.

    Reference:
        Blondel et al., 2019, Learning classifiers with Fenchel-Young losses, arXiv:1805.09717.

    Example:
        >>> sparse_sigmoid(torch.tensor([-4.0, 0.0, 0.5]))
        tensor([0.0000, 0.5000, 0.7500])
    """
    return torch.clamp(0.5 * (as_tensor(x) + 1), 0.0, 1.0)


def log_sigmoid(x: TensorLike) -> Tensor:
    """`log(sigmoid(x))`, without overflow for very negative values.

    Args:
        x: values, of any shape.

    Example:
        >>> log_sigmoid(torch.tensor([-1.0, 2.0]))
        tensor([-1.3133, -0.1269])
    """
    return F.logsigmoid(as_tensor(x))


def tanh(x: TensorLike) -> Tensor:
    """The hyperbolic tangent, in (-1, 1).

    Args:
        x: values, of any shape.

    Example:
        >>> tanh(torch.tensor([-1.0, 2.0]))
        tensor([-0.7616,  0.9640])
    """
    return torch.tanh(as_tensor(x))


def hard_tanh(x: TensorLike) -> Tensor:
    """`x`, cut off at -1 and 1.

    Args:
        x: values, of any shape.

    Example:
        >>> hard_tanh(torch.tensor([-2.0, 0.5]))
        tensor([-1.0000,  0.5000])
    """
    return F.hardtanh(as_tensor(x))


def softsign(x: TensorLike) -> Tensor:
    """`x / (1 + |x|)`, in (-1, 1).

    Args:
        x: values, of any shape.

    Example:
        >>> softsign(torch.tensor([-1.0, 3.0]))
        tensor([-0.5000,  0.7500])
    """
    return F.softsign(as_tensor(x))
