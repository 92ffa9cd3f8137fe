"""True and false positives and negatives at one or many thresholds, of a batch at a time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from labkeras import config
from labkeras.errors import InvalidArgumentError
from labkeras.ops.conversion import to_tensor
from labkeras.ops.ranks import align_weights, squeeze_or_expand_to_same_rank

__all__ = ["BELOW_ALL", "ConfusionCounts", "Thresholds", "confusion_counts", "top_k_only"]

BELOW_ALL = -1e10
"""Stands in for predictions outside the top k, and, as a threshold, is below all others."""


class ConfusionCounts(NamedTuple):
    """Sums of weights, by what was predicted and what was true.

    Shapes:
        each: (thresholds,), or (thresholds, labels)
    """

    true_positives: Tensor
    false_positives: Tensor
    true_negatives: Tensor
    false_negatives: Tensor


class Thresholds:
    """Where predictions turn from negative to positive: those above a threshold are positive.

    Args:
        values: the thresholds, in any order.
        evenly: whether they divide [0, 1] evenly, from 0 to 1; found out unless given.

    Raises:
        InvalidArgumentError: from `parse`, if one is not in [0, 1].
    """

    def __init__(self, values: Sequence[float], evenly: bool | None = None) -> None:
        self.values = [float(value) for value in values]
        self.evenly = _divides_evenly(self.values) if evenly is None else evenly
        # Ends set a little outside of [0, 1] make a prediction of exactly 0 positive at the first threshold.
        self.begins_below_0 = self.values[0] < 0.0
        self._sorted: Tensor | None = None

    @classmethod
    def parse(cls, thresholds: Any, default: float) -> "Thresholds":
        """The thresholds of an argument: a number, several, or None for `default`."""
        if thresholds is None:
            return cls([default])
        values = list(thresholds) if isinstance(thresholds, list | tuple | np.ndarray) else [thresholds]
        wrong = [value for value in values if value is None or not 0 <= value <= 1]
        if wrong or not values:
            raise InvalidArgumentError(f"`thresholds` must be numbers in [0, 1]. Received: thresholds={thresholds!r}")
        return cls(values)

    def __len__(self) -> int:
        return len(self.values)

    def count_below(self, predictions: Tensor) -> Tensor:
        """How many thresholds, lowest first, each prediction is above.

        Shapes:
            predictions, result: any, the same for both
        """
        if self.evenly:
            # Keras's rounding, not a comparison: close to a threshold the two may differ.
            scaled = predictions.clamp(0.0, 1.0).nan_to_num(0.0) * (len(self) - 1)
            return scaled.ceil().clamp_min(1 if self.begins_below_0 else 0).long()
        # NaN is above nothing.
        return torch.searchsorted(self._sorted_on(predictions), predictions.nan_to_num(nan=-torch.inf).contiguous())

    def in_given_order(self, counts: Tensor) -> Tensor:
        """Counts of the thresholds from the lowest up, put in the order in which the thresholds were given."""
        if self.evenly or self.values == sorted(self.values):
            return counts
        ranks = torch.tensor(self.values).argsort().argsort()
        return counts[ranks.to(counts.device)]

    def _sorted_on(self, like: Tensor) -> Tensor:
        held = self._sorted
        if held is None or held.device != like.device or held.dtype != like.dtype:
            held = self._sorted = torch.tensor(sorted(self.values), dtype=like.dtype, device=like.device)
        return held


def confusion_counts(
    y_true: Any,
    y_pred: Any,
    thresholds: Thresholds,
    dtype: torch.dtype,
    sample_weight: Any = None,
    *,
    top_k: int | None = None,
    class_id: int | None = None,
    multi_label: bool = False,
    label_weights: Tensor | None = None,
) -> ConfusionCounts:
    """What a batch adds to the counts.

    Args:
        y_true: the truth; what is not 0 is positive.
        y_pred: predicted probabilities, in [0, 1].
        thresholds: above which predictions are positive.
        dtype: the data type of the counts.
        sample_weight: a weight for each sample, or each prediction; None for equal ones.
        top_k: how many predictions of a sample, the highest, can be positive; None for all.
        class_id: the one class that is looked at; None for all.
        multi_label: whether each label is counted by itself.
        label_weights: a weight for each label.

    Shapes:
        y_true, y_pred: (batch, …), and (batch, labels) with `multi_label`
        label_weights: (labels,)

    Raises:
        InvalidArgumentError: if the shapes do not fit, or `class_id` is no class.
    """
    y_pred = to_tensor(y_pred, dtype).detach()
    y_true = to_tensor(y_true, dtype, y_pred.device).detach()
    y_pred, y_true = squeeze_or_expand_to_same_rank(y_pred, y_true)
    if y_true.shape != y_pred.shape:
        raise InvalidArgumentError(
            "the targets must have the shape of the predictions. "
            f"Received: y_true of shape {tuple(y_true.shape)}, y_pred of shape {tuple(y_pred.shape)}"
        )
    if top_k is not None:
        y_pred = top_k_only(y_pred, top_k)
    if class_id is not None:
        y_true, y_pred = _of_class(y_true, class_id), _of_class(y_pred, class_id)
    weights = _weights(y_pred, sample_weight, label_weights)
    is_true = y_true != 0
    if len(thresholds) == 1 and not multi_label:
        return _at_one_threshold(is_true, y_pred > thresholds.values[0], weights, dtype)
    labels = y_pred.shape[-1] if multi_label else 1
    counts = _at_thresholds(is_true.reshape(-1, labels), y_pred.reshape(-1, labels), weights, thresholds, dtype)
    return counts if multi_label else ConfusionCounts(*(count.squeeze(-1) for count in counts))


def top_k_only(predictions: Tensor, k: int) -> Tensor:
    """The predictions with all but the k highest of the last axis replaced by `BELOW_ALL`."""
    if not 0 < k <= predictions.shape[-1]:
        raise InvalidArgumentError(
            f"`top_k` must be in [1, {predictions.shape[-1]}], as there are that many predictions a sample. "
            f"Received: top_k={k!r}"
        )
    highest = predictions.topk(k, dim=-1)
    return torch.full_like(predictions, BELOW_ALL).scatter(-1, highest.indices, highest.values)


def _divides_evenly(values: list[float]) -> bool:
    if len(values) < 3:
        return False
    even = np.arange(len(values), dtype=np.float32) / (len(values) - 1)
    return bool(np.allclose(values, even, atol=config.epsilon()))


def _of_class(values: Tensor, class_id: int) -> Tensor:
    if values.ndim < 2 or not 0 <= class_id < values.shape[-1]:
        raise InvalidArgumentError(
            "with `class_id`, predictions must have the shape (samples, classes), and it must be one of the classes. "
            f"Received: class_id={class_id!r}, predictions of shape {tuple(values.shape)}"
        )
    return values[..., class_id, None]


def _weights(y_pred: Tensor, sample_weight: Any, label_weights: Tensor | None) -> Tensor | None:
    """A weight for each prediction, or None if all are 1."""
    if label_weights is not None:
        label_weights = label_weights.to(y_pred.device, y_pred.dtype).expand_as(y_pred)
    if sample_weight is None:
        return label_weights
    weights = to_tensor(sample_weight, y_pred.dtype, y_pred.device).detach()
    if weights.ndim == y_pred.ndim + 1 and weights.shape[-1] == 1:
        weights = weights.squeeze(-1)
    weights = align_weights(y_pred, weights)[1].expand_as(y_pred)
    return weights if label_weights is None else weights * label_weights


def _at_one_threshold(
    is_true: Tensor, is_positive: Tensor, weights: Tensor | None, dtype: torch.dtype
) -> ConfusionCounts:
    hits = is_true & is_positive
    if weights is None:
        sums = [hits.sum(), is_positive.sum(), is_true.sum()]
        total: Tensor | int = is_true.numel()
    else:
        sums = [(weights * chosen).sum() for chosen in (hits, is_positive, is_true)]
        total = weights.sum()
    hit, positive, true = (part.to(dtype).reshape(1) for part in sums)
    return ConfusionCounts(hit, positive - hit, total - positive - true + hit, true - hit)


def _at_thresholds(
    is_true: Tensor, y_pred: Tensor, weights: Tensor | None, thresholds: Thresholds, dtype: torch.dtype
) -> ConfusionCounts:
    """Counts of shape (thresholds, labels): predictions go into buckets between thresholds, then summed up."""
    true = is_true.to(dtype)
    false = 1.0 - true
    if weights is not None:
        weights = weights.reshape(true.shape)
        true, false = true * weights, false * weights
    samples, labels = y_pred.shape
    bucket = thresholds.count_below(y_pred)
    slot = bucket * labels + torch.arange(labels, device=y_pred.device)
    sums = torch.zeros((len(thresholds) + 1) * labels, 2, dtype=dtype, device=y_pred.device)
    sums.index_add_(0, slot.flatten(), torch.stack([true, false], -1).reshape(samples * labels, 2))
    # Positive at a threshold is whatever lies in a bucket above it.
    above = sums.view(-1, labels, 2).flip(0).cumsum(0).flip(0)
    above = thresholds.in_given_order(above[1:])
    hit, false_positive = above.unbind(-1)
    return ConfusionCounts(hit, false_positive, false.sum(0) - false_positive, true.sum(0) - hit)
