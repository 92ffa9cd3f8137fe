"""Targets, predictions and weights whose ranks differ: which axis is missing, and where."""

from collections.abc import Sequence

from torch import Tensor

from labkeras.errors import InvalidArgumentError

__all__ = ["align_weights", "is_binary_or_sparse_categorical", "squeeze_or_expand_to_same_rank"]


def squeeze_or_expand_to_same_rank(x1: Tensor, x2: Tensor, expand_rank_1: bool = True) -> tuple[Tensor, Tensor]:
    """Both tensors with one rank, if one has just a last axis of length 1 more than the other.

    (batch,) beside (batch, 1) gains an axis; at higher ranks the axis of length 1 is taken away. Tensors whose ranks
    differ otherwise come back as they are.

    Args:
        x1: any tensor.
        x2: any tensor.
        expand_rank_1: whether a tensor of rank 1 gains an axis, instead of the other losing one.

    Shapes:
        (batch,) and (batch, 1) give (batch, 1) twice.
        (batch, time, 1) and (batch, time) give (batch, time) twice.
    """
    difference = x1.ndim - x2.ndim
    if difference == 1 and x1.shape[-1] == 1:
        return (x1, x2.unsqueeze(-1)) if expand_rank_1 and x2.ndim == 1 else (x1.squeeze(-1), x2)
    if difference == -1 and x2.shape[-1] == 1:
        return (x1.unsqueeze(-1), x2) if expand_rank_1 and x1.ndim == 1 else (x1, x2.squeeze(-1))
    return x1, x2


def align_weights(values: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """`values` and `weights`, shaped so that their product gives each value its weight.

    Weights that have only the first axes of the values count for all that is behind them: one weight a sample.

    Shapes:
        values: (batch, …)
        weights: (), or (batch, …) of any rank up to that of `values`

    Raises:
        InvalidArgumentError: if the shapes do not fit together.
    """
    values, weights = squeeze_or_expand_to_same_rank(values, weights)
    missing = values.ndim - weights.ndim
    # Differs from Keras: its losses multiply (batch, time) values by (batch,) weights along the time axis, which fails,
    # or weighs the wrong axis where both are of one length. Its metrics weigh the first axes, and so do we.
    if missing > 0 and weights.ndim > 0 and values.shape[: weights.ndim] == weights.shape:
        weights = weights.reshape(*weights.shape, *[1] * missing)
    if 0 < values.ndim < weights.ndim or not _broadcastable(values.shape, weights.shape):
        raise InvalidArgumentError(
            "`sample_weight`, or a mask, must have the shape of the values that it weighs, or that of their first "
            "axes, as with one weight a sample. "
            f"Received: values of shape {tuple(values.shape)}, weights of shape {tuple(weights.shape)}"
        )
    return values, weights


def is_binary_or_sparse_categorical(
    y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None]
) -> tuple[bool, bool]:
    """Whether one score a sample is predicted, and whether the targets are class numbers: what "accuracy" means.

    Args:
        y_true_shape: the shape of the targets, batch axis included.
        y_pred_shape: the shape of the predictions, batch axis included.
    """
    true_last = y_true_shape[-1] if y_true_shape else None
    pred_last = y_pred_shape[-1] if y_pred_shape else None
    is_binary = pred_last == 1
    fewer_axes = len(y_true_shape) < len(y_pred_shape)
    return is_binary, fewer_axes or (true_last == 1 and pred_last is not None and pred_last > 1)


def _broadcastable(a: Sequence[int], b: Sequence[int]) -> bool:
    return all(m == n or m == 1 or n == 1 for m, n in zip(reversed(a), reversed(b), strict=False))
