"""Errors of predicted numbers, a sample at a time: what losses and metrics of these names share."""

from typing import Any

import torch
from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.ops.conversion import to_float_tensor, to_tensor
from labkeras.ops.ranks import squeeze_or_expand_to_same_rank

__all__ = ["mean_absolute_error", "mean_squared_error"]


def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """`mean((y_true - y_pred)²)` over the last axis.

    Args:
        y_true: the true numbers.
        y_pred: the predicted numbers.

    Shapes:
        y_true, y_pred: (batch, …, features)
        result: (batch, …)

    Raises:
        InvalidArgumentError: if the shapes do not broadcast.

    Example:
        >>> mean_squared_error([[1.0, 2.0]], [[1.0, 4.0]])
        tensor([2.])
    """
    return _difference(y_true, y_pred).square().mean(-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """`mean(|y_true - y_pred|)` over the last axis.

    Args:
        y_true: the true numbers.
        y_pred: the predicted numbers.

    Shapes:
        y_true, y_pred: (batch, …, features)
        result: (batch, …)

    Raises:
        InvalidArgumentError: if the shapes do not broadcast.

    Example:
        >>> mean_absolute_error([[1.0, 2.0]], [[1.0, 4.0]])
        tensor([1.])
    """
    return _difference(y_true, y_pred).abs().mean(-1)


def _difference(y_true: Any, y_pred: Any) -> Tensor:
    y_pred = to_float_tensor(y_pred)
    y_true = to_tensor(y_true, y_pred.dtype, y_pred.device)
    y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    try:
        return torch.sub(y_true, y_pred)
    except RuntimeError as error:
        if y_true.device != y_pred.device:
            raise
        raise InvalidArgumentError(
            "the targets must have the shape of the predictions. "
            f"Received: y_true of shape {tuple(y_true.shape)}, y_pred of shape {tuple(y_pred.shape)}"
        ) from error
