"""Sums of lists of tensors, one side times a number of the step: a learning rate, of Python's or as a tensor."""

from typing import Any

import torch
from torch import Tensor

from labkeras.optimizers.numbers import Number

__all__ = ["add_quotients", "scaled", "shrink", "subtract_scaled"]


def add_quotients(tensors: list[Tensor], numerators: list[Tensor], denominators: list[Tensor], factor: Number) -> None:
    """Adds quotients times a factor."""
    if isinstance(factor, Tensor):
        torch._foreach_add_(tensors, scaled(list(torch._foreach_div(numerators, denominators)), factor))
    else:
        torch._foreach_addcdiv_(tensors, numerators, denominators, value=factor)


def subtract_scaled(params: list[Tensor], steps: list[Tensor], learning_rate: Number) -> None:
    """Takes `steps` times the learning rate off the parameters."""
    if isinstance(learning_rate, Tensor):
        torch._foreach_sub_(params, scaled(steps, learning_rate))
    else:
        torch._foreach_add_(params, steps, alpha=-learning_rate)


def scaled(tensors: list[Tensor], factor: Number) -> list[Tensor]:
    """`tensors` times a factor."""
    return list(torch._foreach_mul(tensors, _beside(tensors, factor)))


def shrink(params: list[Tensor], decay: float, learning_rate: Number) -> None:
    """Takes the fraction `decay` times the learning rate off the parameters."""
    torch._foreach_mul_(params, _beside(params, 1 - decay * learning_rate))


def _beside(tensors: list[Tensor], factor: Number) -> Any:
    """A factor on the device of what it is a factor of."""
    return factor.to(tensors[0].device) if isinstance(factor, Tensor) else factor
