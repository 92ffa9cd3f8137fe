"""Exponential linear units: linear above zero, an exponential that levels off below."""

import torch.nn.functional as F
from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.graph.convert import TensorLike, as_tensor

__all__ = ["celu", "elu", "selu"]


def elu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """The exponential linear unit: `x` above zero, `alpha * (exp(x) - 1)` below.

    Args:
        x: values, of any shape.
        alpha: the result tends to `-alpha` for very negative values.

    Reference:
        Clevert et al., 2016, Fast and accurate deep network learning by exponential linear units, arXiv:1511.07289.

    Example:
        >>> elu(torch.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """
    return F.elu(as_tensor(x), alpha)


def celu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """The ELU with a continuous derivative: `x` above zero, `alpha * (exp(x / alpha) - 1)` below.

    Args:
        x: values, of any shape.
        alpha: the result tends to `-alpha` for very negative values; not zero.

    Raises:
        InvalidArgumentError: if `alpha` is zero.

    Reference:
        Barron, 2017, Continuously differentiable exponential linear units, arXiv:1704.07483.

    Example:
        >>> celu(torch.tensor([-1.0, 2.0]), alpha=0.5)
        tensor([-0.4323,  2.0000])
    """
    if alpha == 0:
        raise InvalidArgumentError(f"`alpha` of celu divides, so it must not be zero. Received: alpha={alpha!r}")
    return F.celu(as_tensor(x), alpha)


def selu(x: TensorLike) -> Tensor:
    """The scaled ELU, which keeps mean and variance from layer to layer: `1.0507 * elu(x, 1.67326)`.

    It does so behind weights from the `LecunNormal` initializer, and together with `AlphaDropout`.

    Args:
        x: values, of any shape.

    Reference:
        Klambauer et al., 2017, Self-normalizing neural networks, arXiv:1706.02515.

    Example:
        >>> selu(torch.tensor([-1.0, 2.0]))
        tensor([-1.1113,  2.1014])
    """
    return F.selu(as_tensor(x))
