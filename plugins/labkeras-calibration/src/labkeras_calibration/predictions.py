"""Predictions of classes as confidences, and whether they came true.

Letters in names of tensors: S samples, C classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.ops.crossentropy import class_numbers

__all__ = ["Judged", "is_binary", "judged", "probabilities", "truths"]


class Judged(NamedTuple):
    """What was predicted with which confidence, and whether it came true.

    Shapes:
        confidence, came_true: (batch, …)
    """

    confidence: Tensor
    came_true: Tensor


def judged(y_true: Tensor, y_pred: Tensor, from_logits: bool) -> Judged:
    """Of several classes: the probability of the likeliest, and whether it is the right one. Of yes or no: the
    probability of yes, and whether it was yes.

    Args:
        y_true: class numbers or one-hot rows; for yes or no, 0 and 1.
        y_pred: probabilities or logits.
        from_logits: whether they are logits.

    Shapes:
        y_true: (batch, …), (batch, …, 1), or (batch, …, classes)
        y_pred: (batch, …, classes); for yes or no (batch, …, 1) or (batch,)
    """
    probability = probabilities(y_pred, from_logits)
    if is_binary(y_pred):
        probability, y_true = _without_last(probability), _without_last(y_true)
        if y_true.shape != probability.shape:
            raise _misfit(y_true, y_pred)
        return Judged(probability, y_true.to(probability.dtype))
    confidence, predicted = probability.max(-1)
    return Judged(confidence, (predicted == _numbers(y_true, y_pred)).to(probability.dtype))


def probabilities(y_pred: Tensor, from_logits: bool) -> Tensor:
    """Predictions as probabilities."""
    if not from_logits:
        return y_pred
    return y_pred.sigmoid() if is_binary(y_pred) else y_pred.softmax(-1)


def truths(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """The truth in the shape of the predictions: one-hot rows; for yes or no, 0 and 1."""
    if is_binary(y_pred):
        shaped = y_true.reshape(y_pred.shape) if y_true.numel() == y_pred.numel() else y_true
        if shaped.shape != y_pred.shape:
            raise _misfit(y_true, y_pred)
        return shaped.to(y_pred.dtype)
    if y_true.shape == y_pred.shape:
        return y_true.to(y_pred.dtype)
    labels = class_numbers(y_true, y_pred, -1)
    return torch.zeros_like(y_pred).scatter_(-1, labels.unsqueeze(-1), 1)


def is_binary(y_pred: Tensor) -> bool:
    """Whether there is one number for each sample: the probability of yes."""
    return y_pred.ndim < 2 or y_pred.shape[-1] == 1


def _numbers(y_true: Tensor, y_pred: Tensor) -> Tensor:
    return y_true.argmax(-1) if y_true.shape == y_pred.shape else class_numbers(y_true, y_pred, -1)


def _without_last(tensor: Tensor) -> Tensor:
    return tensor.squeeze(-1) if tensor.ndim > 1 and tensor.shape[-1] == 1 else tensor


def _misfit(y_true: Tensor, y_pred: Tensor) -> InvalidArgumentError:
    return InvalidArgumentError(
        "for yes or no, the truth must have a 0 or a 1 for each prediction. "
        f"Received: y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}"
    )
