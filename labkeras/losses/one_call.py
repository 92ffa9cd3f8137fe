"""What torch can do in one call for a loss function: its mean over the whole batch.

A loss needs no entry here. With one, training takes a call or two less a step. The function gets the same arguments as
the loss function, and returns None where its one call does not fit, for which the loss function itself is then called.
"""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from labkeras.ops import probabilistic, regression

__all__ = ["KEEPS_TARGETS", "MEAN_IN_ONE_CALL"]


def _mean_squared_error(y_true: Tensor, y_pred: Tensor) -> Tensor | None:
    return F.mse_loss(y_pred, y_true) if y_true.shape == y_pred.shape and y_pred.numel() else None


def _mean_absolute_error(y_true: Tensor, y_pred: Tensor) -> Tensor | None:
    return F.l1_loss(y_pred, y_true) if y_true.shape == y_pred.shape and y_pred.numel() else None


def _binary_crossentropy(y_true: Tensor, y_pred: Tensor, axis: int = -1, **options: Any) -> Tensor | None:
    # The mean of means over an axis is the mean of all, whichever axis it is.
    if not y_pred.numel():
        return None
    return probabilistic.binary_crossentropy(y_true, y_pred, axis=axis, **options, reduction="mean")


def _categorical_crossentropy(y_true: Tensor, y_pred: Tensor, **options: Any) -> Tensor | None:
    if not y_pred.numel():
        return None
    return probabilistic.categorical_crossentropy(y_true, y_pred, **options, reduction="mean")


def _sparse_categorical_crossentropy(
    y_true: Tensor, y_pred: Tensor, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Tensor | None:
    if ignore_class is not None or not y_pred.numel():
        return None
    return probabilistic.sparse_categorical_crossentropy(y_true, y_pred, from_logits, axis=axis, reduction="mean")


MEAN_IN_ONE_CALL: dict[Callable[..., Any], Callable[..., Tensor | None]] = {
    probabilistic.binary_crossentropy: _binary_crossentropy,
    probabilistic.categorical_crossentropy: _categorical_crossentropy,
    probabilistic.sparse_categorical_crossentropy: _sparse_categorical_crossentropy,
    regression.mean_absolute_error: _mean_absolute_error,
    regression.mean_squared_error: _mean_squared_error,
}
"""Loss function → its mean over the batch."""

KEEPS_TARGETS: frozenset[Callable[..., Any]] = frozenset({probabilistic.sparse_categorical_crossentropy})
"""The loss functions that take targets of any data type, so that class numbers need not become floats on their way."""
