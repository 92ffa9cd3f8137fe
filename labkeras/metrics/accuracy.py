"""How often predictions are right."""

from typing import Any

import torch
from torch import Tensor

from labkeras import dtypes
from labkeras.errors import InvalidArgumentError
from labkeras.metrics.reduction import MeanMetricWrapper
from labkeras.ops.conversion import to_tensor
from labkeras.ops.ranks import squeeze_or_expand_to_same_rank

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
]


def accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where a prediction equals its target, else 0.

    Args:
        y_true: the truth.
        y_pred: the predictions, of the same kind: class numbers, say.

    Shapes:
        y_true, y_pred, result: (batch, …)

    Example:
        >>> accuracy([1, 2, 3], [1, 2, 4])
        tensor([1., 1., 0.])
    """
    y_pred = to_tensor(y_pred)
    y_true = to_tensor(y_true, y_pred.dtype, y_pred.device)
    return _matches(*squeeze_or_expand_to_same_rank(y_true, y_pred))


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """1 where a prediction is on its target's side of a threshold, else 0.

    Args:
        y_true: the truth: 0 or 1.
        y_pred: predicted probabilities.
        threshold: predictions above it mean 1; in [0, 1].

    Shapes:
        y_true, y_pred, result: (batch, …)

    Example:
        >>> binary_accuracy([0.0, 1.0, 1.0], [0.2, 0.7, 0.4])
        tensor([1., 1., 0.])
    """
    y_pred = to_tensor(y_pred)
    y_true, y_pred = squeeze_or_expand_to_same_rank(to_tensor(y_true, device=y_pred.device), y_pred)
    return _matches(y_true, y_pred > threshold)


def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the highest prediction is of the right class, else 0.

    Args:
        y_true: the share of each class, such as one-hot rows.
        y_pred: predicted probabilities or logits.

    Shapes:
        y_true, y_pred: (batch, …, classes)
        result: (batch, …)

    Example:
        >>> categorical_accuracy([[0.0, 1.0], [1.0, 0.0]], [[0.3, 0.7], [0.3, 0.7]])
        tensor([1., 0.])
    """
    y_pred = to_tensor(y_pred)
    return _matches(to_tensor(y_true, device=y_pred.device).argmax(-1), y_pred.argmax(-1))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the highest prediction is of the class that the target numbers, else 0.

    Args:
        y_true: class numbers.
        y_pred: predicted probabilities or logits.

    Shapes:
        y_true: (batch, …), or (batch, …, 1)
        y_pred: (batch, …, classes)
        result: (batch, …)

    Example:
        >>> sparse_categorical_accuracy([1, 0], [[0.3, 0.7], [0.3, 0.7]])
        tensor([1., 0.])
    """
    y_pred = to_tensor(y_pred)
    # Differs from Keras: it casts class numbers to the type of the predictions, and float16 has none above 2048.
    y_true = to_tensor(y_true, device=y_pred.device)
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = y_true.squeeze(-1)
    matches = _matches(y_true, y_pred.argmax(-1))
    return matches.squeeze(-1) if matches.ndim > 1 and matches.shape[-1] == 1 else matches


class Accuracy(MeanMetricWrapper):
    """How often predictions equal their targets.

    For the choice that `compile(metrics=["accuracy"])` makes by the shapes see `resolve_accuracy`.

    Args:
        name: its name.
        dtype: the data type of its state and result; `floatx` unless given.

    Example:
        >>> Accuracy()([1, 2, 3, 4], [0, 2, 3, 4])
        tensor(0.7500)
    """

    _direction = "up"

    def __init__(self, name: str | None = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name=name, dtype=dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """How often predicted probabilities are on the right side of a threshold.

    Args:
        name: its name.
        dtype: the data type of its state and result; `floatx` unless given.
        threshold: predictions above it mean 1; in [0, 1].

    Example:
        >>> BinaryAccuracy()([1.0, 1.0, 0.0, 0.0], [0.98, 1.0, 0.0, 0.6])
        tensor(0.7500)
    """

    _direction = "up"

    def __init__(self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        super().__init__(binary_accuracy, name=name, dtype=dtype, threshold=threshold)
        self.threshold = threshold


class CategoricalAccuracy(MeanMetricWrapper):
    """How often the highest prediction is of the right class; targets are one-hot.

    Args:
        name: its name.
        dtype: the data type of its state and result; `floatx` unless given.

    Example:
        >>> CategoricalAccuracy()([[0.0, 1.0], [1.0, 0.0]], [[0.3, 0.7], [0.3, 0.7]])
        tensor(0.5000)
    """

    _direction = "up"

    def __init__(self, name: str | None = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name=name, dtype=dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the highest prediction is of the right class; targets are class numbers.

    Args:
        name: its name.
        dtype: the data type of its state and result; `floatx` unless given.

    Example:
        >>> SparseCategoricalAccuracy()([1, 0], [[0.3, 0.7], [0.3, 0.7]])
        tensor(0.5000)
    """

    _direction = "up"

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name=name, dtype=dtype)


def _matches(y_true: Tensor, y_pred: Tensor) -> Tensor:
    try:
        return torch.eq(y_true, y_pred).to(dtypes.to_torch(None))
    except RuntimeError as error:
        if y_true.device != y_pred.device:
            raise
        raise InvalidArgumentError(
            "targets and predictions do not fit together. "
            f"Received: targets of shape {tuple(y_true.shape)}, predictions of shape {tuple(y_pred.shape)}, after "
            "taking the highest class where there are classes"
        ) from error
