"""Penalties on magnitude: the sum of absolute values (L1), of squares (L2), or both."""

from typing import Any

import torch
from torch import Tensor

from labkeras.graph.convert import TensorLike, as_tensor
from labkeras.ranges import NonNegative
from labkeras.regularizers.regularizer import Regularizer, checked_factor

__all__ = ["L1", "L1L2", "L2", "l1", "l1_l2", "l2"]


class L1(Regularizer):
    """`l1 * sum(|x|)`: draws values to exactly zero.

    Args:
        l1: the factor, not negative; None is the default.

    Example:
        >>> L1(0.5)(torch.tensor([1.0, -3.0]))
        tensor(2.)
    """

    def __init__(self, l1: NonNegative | None = 0.01) -> None:
        self.l1 = checked_factor("l1", 0.01 if l1 is None else l1)

    def __call__(self, x: TensorLike) -> Tensor:
        return self.l1 * torch.sum(torch.abs(as_tensor(x)))

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}

    def __repr__(self) -> str:
        return f"L1(l1={self.l1})"


class L2(Regularizer):
    """`l2 * sum(x²)`: draws values towards zero, large ones most.

    Args:
        l2: the factor, not negative; None is the default.

    Example:
        >>> L2(0.5)(torch.tensor([1.0, -3.0]))
        tensor(5.)
    """

    def __init__(self, l2: NonNegative | None = 0.01) -> None:
        self.l2 = checked_factor("l2", 0.01 if l2 is None else l2)

    def __call__(self, x: TensorLike) -> Tensor:
        return self.l2 * torch.sum(torch.square(as_tensor(x)))

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}

    def __repr__(self) -> str:
        return f"L2(l2={self.l2})"


class L1L2(Regularizer):
    """`l1 * sum(|x|) + l2 * sum(x²)`.

    Args:
        l1: factor of the absolute values, not negative; None is 0.
        l2: factor of the squares, not negative; None is 0.

    Example:
        >>> L1L2(l1=0.5, l2=0.1)(torch.tensor([1.0, -3.0]))
        tensor(3.)
    """

    def __init__(self, l1: NonNegative | None = 0.0, l2: NonNegative | None = 0.0) -> None:
        self.l1 = checked_factor("l1", 0.0 if l1 is None else l1)
        self.l2 = checked_factor("l2", 0.0 if l2 is None else l2)

    def __call__(self, x: TensorLike) -> Tensor:
        x = as_tensor(x)
        if not self.l2:
            return self.l1 * torch.sum(torch.abs(x))
        squares = self.l2 * torch.sum(torch.square(x))
        return squares + self.l1 * torch.sum(torch.abs(x)) if self.l1 else squares

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}

    def __repr__(self) -> str:
        return f"L1L2(l1={self.l1}, l2={self.l2})"


# Keras's second names.
l1 = L1
l1_l2 = L1L2
l2 = L2
