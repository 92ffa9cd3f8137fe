"""Regularizer: a penalty on a tensor, added to the loss."""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, Self, TypeAlias

import torch
from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.serialization import register_base

__all__ = ["Regularizer", "RegularizerFunction", "checked_factor"]

RegularizerFunction: TypeAlias = Callable[[Tensor], Tensor]
"""A `Regularizer`, or any function of a tensor that returns a scalar."""


class Regularizer:
    """Base of all regularizers: a function of a tensor that returns a scalar, with settings.

    A subclass has `__call__`, and `get_config` to be saved. The base itself penalizes nothing.

    Example:
        >>> class Largest(Regularizer):
        ...     def __call__(self, x):
        ...         return x.abs().max()
        >>> Largest()(torch.tensor([1.0, -2.0]))
        tensor(2.)
    """

    def __call__(self, x: Tensor) -> Tensor:
        """The penalty.

        Args:
            x: a weight, or the output of a layer.
        """
        return torch.zeros(())

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal regularizer."""
        raise NotImplementedError(f"{type(self).__name__} must define `get_config` to be saved")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The regularizer that `get_config` described."""
        return cls(**config)


def checked_factor(name: str, value: Any) -> float:
    """A factor of a penalty as a float.

    Raises:
        InvalidArgumentError: if it is not a finite number from 0 up.
    """
    if not isinstance(value, Real) or not math.isfinite(value) or value < 0:
        raise InvalidArgumentError(f"`{name}` must be a finite number that is not negative. Received: {name}={value!r}")
    return float(value)


register_base("regularizers", Regularizer)
