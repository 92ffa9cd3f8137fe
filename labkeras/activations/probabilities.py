"""Scores to probabilities: softmax, its logarithm, and sparsemax."""

import warnings

import torch
from torch import Tensor

from labkeras.graph.convert import TensorLike, as_tensor

__all__ = ["log_softmax", "softmax", "sparsemax"]


def softmax(x: TensorLike, axis: int | tuple[int, ...] | None = -1) -> Tensor:
    """Probabilities that sum to one along an axis: `exp(x) / sum(exp(x))`.

    Args:
        x: scores.
        axis: the axis, or axes, along which they compete; None for all.

    Example:
        >>> softmax(torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
        tensor([[0.5000, 0.5000],
                [0.2689, 0.7311]])
    """
    x = as_tensor(x)
    if isinstance(axis, int):
        if 1 in x.shape:
            _warn_if_one_class(axis, tuple(x.shape))
        return torch.softmax(x, axis)
    return torch.exp(log_softmax(x, axis))


def log_softmax(x: TensorLike, axis: int | tuple[int, ...] | None = -1) -> Tensor:
    """`log(softmax(x))`, without overflow.

    Args:
        x: scores.
        axis: the axis, or axes, along which they compete; None for all.

    Example:
        >>> log_softmax(torch.tensor([0.0, 0.0]))
        tensor([-0.6931, -0.6931])
    """
    x = as_tensor(x)
    if isinstance(axis, int):
        return torch.log_softmax(x, axis)
    # torch's own takes one axis; its logsumexp takes several.
    axes = tuple(range(x.ndim)) if axis is None else tuple(axis)
    return x - torch.logsumexp(x, axes, keepdim=True)


def sparsemax(x: TensorLike, axis: int = -1) -> Tensor:
    """The probabilities nearest to the scores, most of them exactly zero: `max(x - τ, 0)`, τ making the sum one.

    Args:
        x: scores.
        axis: the axis along which they compete.

    Reference:
        Martins and Astudillo, 2016, From softmax to sparsemax, arXiv:1602.02068.

    Example:
        >>> sparsemax(torch.tensor([1.0, 0.8, -1.0]))
        tensor([0.6000, 0.4000, 0.0000])
    """
    x = as_tensor(x)
    ordered = torch.sort(x, dim=axis, descending=True)[0]
    rank = torch.cumsum(torch.ones_like(x), axis)
    # Differs from Keras: its τ adds up running sums in place of scores, so that its results sum to one only where a
    # single score is in the support.
    # With the k highest scores in the support τ is (their sum - 1) / k. It is largest for the right k: the scores
    # beyond it lie below τ, and would only draw it down.
    candidates = (torch.cumsum(ordered, axis) - 1) / rank
    tau = torch.amax(candidates, axis, keepdim=True)
    return torch.relu(x - tau)


def _warn_if_one_class(axis: int, shape: tuple[int, ...]) -> None:
    has_one_class = -len(shape) <= axis < len(shape) and shape[axis] == 1
    if not has_one_class or torch.compiler.is_compiling():
        return
    warnings.warn(
        f"softmax over an axis of size 1 is always 1, whatever the scores are. For a single probability use 'sigmoid'. "
        f"Received: axis={axis}, shape={shape}",
        stacklevel=3,
    )
