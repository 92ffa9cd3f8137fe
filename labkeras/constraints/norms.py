"""Bounds on the length of each unit's weight vector."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from labkeras import config
from labkeras.constraints.constraint import Constraint
from labkeras.graph.convert import TensorLike, as_tensor

__all__ = ["MaxNorm", "MinMaxNorm", "UnitNorm", "max_norm", "min_max_norm", "unit_norm"]

Axis: TypeAlias = int | Sequence[int] | None


class MaxNorm(Constraint):
    """Shortens weight vectors that are longer than `max_value`.

    Args:
        max_value: the largest length, not negative.
        axis: the axis, or axes, along which a vector lies; None for all. 0 for a `Dense` kernel (inputs, units),
            [0, 1, 2] for a `Conv2D` kernel (height, width, inputs, filters).

    Reference:
        Srivastava et al., 2014, Dropout: a simple way to prevent neural networks from overfitting.

    Example:
        >>> MaxNorm(1.0)(torch.tensor([[3.0, 0.6], [4.0, 0.0]]))
        tensor([[0.6000, 0.6000],
                [0.8000, 0.0000]])
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: TensorLike) -> Tensor:
        w = as_tensor(w)
        norms = _norms(w, self.axis)
        return w * (torch.clamp(norms, 0, self.max_value) / (config.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class UnitNorm(Constraint):
    """Brings weight vectors to length 1.

    Args:
        axis: the axis, or axes, along which a vector lies: see `MaxNorm`.

    Example:
        >>> UnitNorm()(torch.tensor([[3.0, 0.5], [4.0, 0.0]]))
        tensor([[0.6000, 1.0000],
                [0.8000, 0.0000]])
    """

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = axis

    def __call__(self, w: TensorLike) -> Tensor:
        w = as_tensor(w)
        return w / (config.epsilon() + _norms(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Brings the lengths of weight vectors between two bounds, at once or step by step.

    Args:
        min_value: the smallest length, not negative.
        max_value: the largest length.
        rate: how far a length moves to the nearest allowed one each time, in [0, 1]; 1 is all the way.
        axis: the axis, or axes, along which a vector lies: see `MaxNorm`.

    Example:
        >>> MinMaxNorm(1.0, 2.0, rate=0.5)(torch.tensor([[3.0], [4.0]]))
        tensor([[2.1000],
                [2.8000]])
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0) -> None:
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: TensorLike) -> Tensor:
        w = as_tensor(w)
        norms = _norms(w, self.axis)
        desired = self.rate * torch.clamp(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (desired / (config.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


def _norms(w: Tensor, axis: Axis) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(w, dim=axis, keepdim=True)
    return norms


# Keras's second names.
max_norm = MaxNorm
min_max_norm = MinMaxNorm
unit_norm = UnitNorm
