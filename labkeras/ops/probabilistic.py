"""Cross-entropies a sample at a time, with label smoothing and the like: what losses and metrics share."""

import warnings
from typing import Any

import torch
from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.ops import crossentropy
from labkeras.ops.conversion import to_float_tensor, to_tensor

__all__ = ["binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"]


def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    *,
    reduction: str = "none",
) -> Tensor:
    """The cross-entropy of yes-or-no predictions: `mean(-t · log(p) - (1 - t) · log(1 - p))` over an axis.

    Args:
        y_true: truth, in [0, 1].
        y_pred: predicted probabilities, or logits.
        from_logits: whether `y_pred` holds logits.
        label_smoothing: in [0, 1]; how far targets are drawn towards 0.5: 0.2 makes 0 and 1 into 0.1 and 0.9.
        axis: the axis that the mean is taken over.
        reduction: "none", or "mean" for the mean over the whole batch, in one call of torch.

    Shapes:
        y_true, y_pred: (batch, …, features), the same for both
        result: (batch, …); () for "mean"

    Raises:
        InvalidArgumentError: if the shapes differ.

    Example:
        >>> binary_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        tensor([0.6931])
    """
    y_pred = to_float_tensor(y_pred)
    y_true = to_tensor(y_true, y_pred.dtype, y_pred.device)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    losses = crossentropy.binary_crossentropy(y_true, y_pred, from_logits, reduction=reduction)
    return losses if reduction == "mean" else losses.mean(axis)


def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    *,
    reduction: str = "none",
) -> Tensor:
    """The cross-entropy of one-hot targets: `-Σ t · log(p)` over the classes.

    Args:
        y_true: the share of each class, such as one-hot rows.
        y_pred: predicted probabilities, or logits.
        from_logits: whether `y_pred` holds logits.
        label_smoothing: in [0, 1]; the part of each target that is spread evenly over all classes.
        axis: the axis of the classes.
        reduction: "none", or "mean" for the mean over the whole batch, in one call of torch.

    Shapes:
        y_true, y_pred: (batch, …, classes), the same for both
        result: (batch, …); () for "mean"

    Raises:
        InvalidArgumentError: if the shapes differ, or `axis` is a bool.

    Example:
        >>> categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        tensor([0.6931])
    """
    if isinstance(axis, bool):
        raise InvalidArgumentError(f"`axis` must be an integer. Received: axis={axis!r}")
    y_pred = to_float_tensor(y_pred)
    y_true = to_tensor(y_true, y_pred.dtype, y_pred.device)
    if y_pred.ndim and y_pred.shape[-1] == 1:
        warnings.warn(
            "categorical_crossentropy of a single class is always 0: binary_crossentropy is for yes-or-no predictions. "
            f"Received: y_pred of shape {tuple(y_pred.shape)}",
            SyntaxWarning,
            stacklevel=2,
        )
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / y_true.shape[-1]
    return crossentropy.categorical_crossentropy(y_true, y_pred, from_logits, axis, reduction=reduction)


def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
    *,
    reduction: str = "none",
) -> Tensor:
    """The cross-entropy of class numbers: `-log(p[t])`.

    Args:
        y_true: class numbers, in [0, classes).
        y_pred: predicted probabilities, or logits.
        from_logits: whether `y_pred` holds logits.
        ignore_class: a class number, often -1 or 255, that stands for "no answer": its loss is 0, and a mask on the
            result (`_keras_mask`) leaves it out of means.
        axis: the axis of the classes.
        reduction: "none", or "mean" for the mean over the whole batch, in one call of torch; not with `ignore_class`.

    Shapes:
        y_true: (batch, …), or (batch, …, 1)
        y_pred: (batch, …, classes)
        result: (batch, …); () for "mean"

    Raises:
        InvalidArgumentError: if the shapes do not fit or, on the CPU, if a class number is out of range.

    Example:
        >>> sparse_categorical_crossentropy([1], [[0.5, 0.5]])
        tensor([0.6931])
    """
    y_pred = to_float_tensor(y_pred)
    y_true = to_tensor(y_true, device=y_pred.device)
    if ignore_class is None:
        return crossentropy.sparse_categorical_crossentropy(y_true, y_pred, from_logits, axis, reduction=reduction)
    y_true = crossentropy.class_numbers(y_true, y_pred, axis)
    is_answer = y_true != ignore_class
    # Predictions where there is no answer may be anything, NaN too, and get no gradient.
    y_pred = torch.where(is_answer.unsqueeze(axis), y_pred, 1.0)
    losses = crossentropy.sparse_categorical_crossentropy(torch.where(is_answer, y_true, 0), y_pred, from_logits, axis)
    losses = torch.where(is_answer, losses, 0.0)
    losses._keras_mask = is_answer  # type: ignore[attr-defined]
    return losses
