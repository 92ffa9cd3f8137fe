"""Precision and recall."""

from typing import Any

import torch
from torch import Tensor

from labkeras.metrics.confusion import BELOW_ALL, ConfusionCounts, Thresholds, confusion_counts
from labkeras.metrics.metric import Metric
from labkeras.ops.division import divide_no_nan
from labkeras.variable import Variable

__all__ = ["Precision", "Recall"]


class _HitRate(Metric):
    """True positives as a share of them and one kind of error: what precision and recall have in common."""

    _direction = "up"

    def __init__(self, thresholds: Any, top_k: int | None, class_id: int | None, name: str | None, dtype: Any) -> None:
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        self._thresholds = Thresholds.parse(thresholds, default=0.5 if top_k is None else BELOW_ALL)
        self.true_positives = self.add_variable((len(self._thresholds),), "zeros", name="true_positives")

    @property
    def thresholds(self) -> list[float]:
        """The thresholds above which predictions are positive."""
        return self._thresholds.values

    def _counts(self, y_true: Any, y_pred: Any, sample_weight: Any) -> ConfusionCounts:
        if isinstance(y_pred, Tensor) and y_pred.device != self.true_positives.device:
            y_pred = y_pred.to(self._move_to(y_pred.device))
        return confusion_counts(
            y_true,
            y_pred,
            self._thresholds,
            self.true_positives.dtype,
            sample_weight,
            top_k=self.top_k,
            class_id=self.class_id,
        )

    def _share(self, errors: Variable) -> Tensor:
        share = divide_no_nan(self.true_positives, torch.add(self.true_positives, errors)).as_subclass(Tensor)
        return share[0] if len(self._thresholds) == 1 else share

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "thresholds": self.init_thresholds, "top_k": self.top_k, "class_id": self.class_id}


class Precision(_HitRate):
    """How many of the predicted positives are true: `TP / (TP + FP)`.

    Args:
        thresholds: predictions above it are positive; a number in [0, 1], or several for as many results. 0.5 unless
            given, and no threshold with `top_k`. For logits use 0.
        top_k: how many predictions of a sample, the highest, can be positive; None for all.
        class_id: the one class that is looked at, in [0, classes); None for all.
        name: its name.
        dtype: the data type of its result; `floatx` unless given.

    Shapes:
        y_true, y_pred: (batch, …); (batch, classes) with `top_k` or `class_id`
        sample_weight: (batch,), or that of `y_pred`
        result: (), or (thresholds,) for several

    Example:
        >>> Precision()([0, 1, 1, 1], [1, 0, 1, 1])
        tensor(0.6667)
    """

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name, dtype)
        self.false_positives = self.add_variable((len(self._thresholds),), "zeros", name="false_positives")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        counts = self._counts(y_true, y_pred, sample_weight)
        self.true_positives.add_(counts.true_positives)
        self.false_positives.add_(counts.false_positives)

    def result(self) -> Tensor:
        return self._share(self.false_positives)


class Recall(_HitRate):
    """How many of the true positives are predicted: `TP / (TP + FN)`.

    Args:
        thresholds: predictions above it are positive; a number in [0, 1], or several for as many results. 0.5 unless
            given, and no threshold with `top_k`. For logits use 0.
        top_k: how many predictions of a sample, the highest, can be positive; None for all.
        class_id: the one class that is looked at, in [0, classes); None for all.
        name: its name.
        dtype: the data type of its result; `floatx` unless given.

    Shapes:
        y_true, y_pred: (batch, …); (batch, classes) with `top_k` or `class_id`
        sample_weight: (batch,), or that of `y_pred`
        result: (), or (thresholds,) for several

    Example:
        >>> Recall()([0, 1, 1, 1], [1, 0, 1, 1])
        tensor(0.6667)
    """

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name, dtype)
        self.false_negatives = self.add_variable((len(self._thresholds),), "zeros", name="false_negatives")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        counts = self._counts(y_true, y_pred, sample_weight)
        self.true_positives.add_(counts.true_positives)
        self.false_negatives.add_(counts.false_negatives)

    def result(self) -> Tensor:
        return self._share(self.false_negatives)
