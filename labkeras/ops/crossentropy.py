"""Cross-entropy between targets and predictions, an entry at a time.

`reduction` is torch's word and the one argument that Keras's functions of these names lack: "mean" gives the mean over
all entries in the same call of torch.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras import config
from labkeras.errors import InvalidArgumentError
from labkeras.ops.conversion import to_tensor

__all__ = ["binary_crossentropy", "categorical_crossentropy", "class_numbers", "sparse_categorical_crossentropy"]

# No label is ever this number, so torch leaves none out. Its own default, -100, would silently pass for a valid label.
_NO_CLASS = -(2**63)
# What torch's binary_cross_entropy takes for log(0), so that 0 · log(0) is 0.
_LOG_OF_ZERO = -100.0


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False, *, reduction: str = "none") -> Tensor:
    """`-target · log(output) - (1 - target) · log(1 - output)`, for each entry.

    Args:
        target: truth, in [0, 1].
        output: predicted probabilities, clipped to [epsilon, 1 - epsilon], or logits.
        from_logits: whether `output` holds logits, to which the sigmoid is still to be applied.
        reduction: "none", or "mean" for the mean over all entries.

    Shapes:
        target, output: any shape, the same for both
        result: that shape; () for "mean"

    Raises:
        InvalidArgumentError: if the shapes differ.

    Example:
        >>> binary_crossentropy([0.0, 1.0], [0.5, 0.5])
        tensor([0.6931, 0.6931])
    """
    target, output = to_tensor(target), to_tensor(output)
    _check_same_shape(target, output)
    if from_logits:
        return F.binary_cross_entropy_with_logits(output, target, reduction=reduction)
    output = _clip(output)
    if output.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
        try:
            return F.binary_cross_entropy(output, target, reduction=reduction)
        except RuntimeError:
            # torch refuses NaN; below it becomes a NaN loss, which training reports. What else is wrong fails again.
            pass
    # Elsewhere the one call is no choice: autocast forbids it, and on a GPU a NaN in it ends the process.
    log_yes = output.log().clamp_min(_LOG_OF_ZERO)
    log_no = (-output).log1p().clamp_min(_LOG_OF_ZERO)
    return _reduced(-torch.lerp(log_no, log_yes, target.to(log_no.dtype)), reduction)


def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1, *, reduction: str = "none"
) -> Tensor:
    """`-Σ target · log(output)` over the classes.

    Args:
        target: the share of each class, such as one-hot rows.
        output: predicted probabilities, scaled to a sum of 1 and clipped to [epsilon, 1 - epsilon], or logits.
        from_logits: whether `output` holds logits, to which the softmax is still to be applied.
        axis: the axis of the classes.
        reduction: "none", or "mean" for the mean over all samples.

    Shapes:
        target, output: (…, classes, …), the same for both
        result: that shape without the axis of the classes; () for "mean"

    Raises:
        InvalidArgumentError: if the shapes differ, or there is no axis.

    Example:
        >>> categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        tensor([0.6931])
    """
    target, output = to_tensor(target), to_tensor(output)
    _check_same_shape(target, output)
    _check_has_axis(output)
    if not from_logits:
        return _reduced(-(target * _log_probabilities(output, axis)).sum(axis), reduction)
    return F.cross_entropy(_classes_second(output, axis), _classes_second(target, axis), reduction=reduction)


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1, *, reduction: str = "none"
) -> Tensor:
    """`-log(output[target])`: the negative log-probability of the right class.

    Args:
        target: class numbers, in [0, classes).
        output: predicted probabilities, scaled to a sum of 1 and clipped to [epsilon, 1 - epsilon], or logits.
        from_logits: whether `output` holds logits, to which the softmax is still to be applied.
        axis: the axis of the classes in `output`.
        reduction: "none", or "mean" for the mean over all samples.

    Shapes:
        target: (…), or (…, 1)
        output: (…, classes)
        result: (…); () for "mean"

    Raises:
        InvalidArgumentError: if the shapes do not fit, or, on the CPU, if a class number is out of range. On other
            devices the loss of that sample is NaN: to look would mean to wait for the device in each step.

    Example:
        >>> sparse_categorical_crossentropy([1], [[0.5, 0.5]])
        tensor([0.6931])
    """
    output = to_tensor(output)
    labels = class_numbers(to_tensor(target), output, axis)
    shape = labels.shape
    scores = output if from_logits else _log_probabilities(output, axis)
    if output.ndim != 2 or axis not in (-1, 1):
        # One row a label: torch's loss of images, which more axes would call, cannot go back through a moved axis.
        scores, labels = scores.movedim(axis, -1).reshape(-1, output.shape[axis]), labels.reshape(-1)
    losses = _label_loss(F.cross_entropy if from_logits else F.nll_loss, scores, labels, reduction)
    return losses.reshape(shape) if reduction == "none" else losses


def class_numbers(target: Tensor, output: Tensor, axis: int) -> Tensor:
    """Class numbers as int64, without the axis of length 1 that they may have where `output` has its classes.

    Raises:
        InvalidArgumentError: if the shapes do not fit.
    """
    _check_has_axis(output)
    if target.ndim == output.ndim and target.shape[axis] == 1:
        target = target.squeeze(axis)
    expected = list(output.shape)
    del expected[axis]
    if list(target.shape) != expected:
        raise InvalidArgumentError(
            "class numbers must have the shape of the predictions without the axis of the classes, here "
            f"{tuple(expected)}. Received: target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}. "
            "One-hot targets belong to categorical crossentropy."
        )
    return target if target.dtype is torch.int64 else target.long()


def _label_loss(loss_of: Callable[..., Tensor], scores: Tensor, labels: Tensor, reduction: str) -> Tensor:
    """torch's loss of class numbers, which on a GPU would end the process at a number that is out of range."""
    if scores.device.type == "cpu":
        try:
            return loss_of(scores, labels, ignore_index=_NO_CLASS, reduction=reduction)
        except IndexError as error:
            raise InvalidArgumentError(_out_of_range(scores, labels)) from error
    in_range = labels.clamp(0, scores.shape[1] - 1)
    losses = loss_of(scores, in_range, ignore_index=_NO_CLASS, reduction="none")
    return _reduced(torch.where(in_range == labels, losses, torch.nan), reduction)


def _clip(probabilities: Tensor) -> Tensor:
    epsilon = config.epsilon()
    return probabilities.clamp(epsilon, 1.0 - epsilon)


def _log_probabilities(output: Tensor, axis: int) -> Tensor:
    return _clip(output / output.sum(axis, keepdim=True)).log()


def _classes_second(tensor: Tensor, axis: int) -> Tensor:
    """The axis of the classes moved to where torch has it."""
    if axis in (-1, 1) and tensor.ndim <= 2:
        return tensor
    return tensor if tensor.ndim == 1 else tensor.movedim(axis, 1)


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    return losses.mean() if reduction == "mean" else losses


def _check_same_shape(target: Tensor, output: Tensor) -> None:
    if target.shape != output.shape:
        raise InvalidArgumentError(
            "the targets and the predictions must have the same shape. "
            f"Received: target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )


def _check_has_axis(output: Tensor) -> None:
    if output.ndim < 1:
        raise InvalidArgumentError(
            "the predictions must have at least one axis, that of the classes. "
            f"Received: output.shape={tuple(output.shape)}"
        )


def _out_of_range(scores: Tensor, labels: Tensor) -> str:
    classes = scores.shape[1]
    wrong = sorted(set(labels[(labels < 0) | (labels >= classes)].tolist()))
    return (
        f"class numbers must be in [0, {classes}), as there are predictions for {classes} classes. "
        f"Received: {wrong[:10]}"
    )
