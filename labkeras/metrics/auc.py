"""AUC: the area under a curve over all thresholds."""

from typing import Any, Self

import torch
from torch import Tensor

from labkeras import config
from labkeras.errors import InvalidArgumentError
from labkeras.metrics.auc_curves import area_under, curve_points, interpolated_pr_area
from labkeras.metrics.confusion import ConfusionCounts, Thresholds, confusion_counts
from labkeras.metrics.metric import Metric
from labkeras.ops.conversion import to_tensor
from labkeras.ops.division import divide_no_nan
from labkeras.variable import spend_allowance

__all__ = ["AUC"]

_CURVES = ("ROC", "PR", "PRGAIN")
_SUMMATION_METHODS = ("interpolation", "majoring", "minoring")
_COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


class AUC(Metric):
    """The area under a curve of yes-or-no predictions, approximated at fixed thresholds.

    Predictions are counted between thresholds, so that the state is small and batches may be of any size. It is most
    exact where predictions spread evenly over [0, 1].

    Args:
        num_thresholds: how many thresholds divide [0, 1]; above 1.
        curve: "ROC", "PR" (precision over recall), or "PRGAIN".
        summation_method: "interpolation", "minoring" or "majoring": between two thresholds, the mean height, the lower
            or the higher one.
        name: its name.
        dtype: the data type of its result; `floatx` unless given.
        thresholds: thresholds of your own in [0, 1], in place of `num_thresholds`; 0 and 1 are added.
        multi_label: whether each label has its own area, which are then averaged; else all predictions count as one.
        num_labels: how many labels there are; needed for `multi_label` only, and found in the first batch unless given.
        label_weights: a weight for each label; in the average of areas for `multi_label`, else of its predictions.
        from_logits: whether `y_pred` holds logits, to which the sigmoid is still to be applied.

    Shapes:
        y_true, y_pred: (batch, …); (batch, labels) with `multi_label`
        sample_weight: (batch,), or that of `y_pred`
        result: ()

    Reference:
        Davis and Goadrich, "The Relationship Between Precision-Recall and ROC Curves", ICML 2006, for "PR".

    Example:
        >>> AUC(num_thresholds=3)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9])
        tensor(0.7500)
    """

    _direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.curve = _choice("curve", curve, _CURVES)
        self.summation_method = _choice("summation_method", summation_method, _SUMMATION_METHODS)
        self._has_own_thresholds = thresholds is not None
        self._thresholds = _thresholds(thresholds, num_thresholds)
        self.num_thresholds = len(self._thresholds)
        if num_labels and not multi_label:
            raise InvalidArgumentError(
                f"`num_labels` is for `multi_label=True` only. Received: num_labels={num_labels!r}, multi_label=False"
            )
        self.multi_label = multi_label
        self.num_labels = num_labels
        weights = None if label_weights is None else to_tensor(label_weights, self._torch_dtype)
        self.register_buffer("label_weights", weights, persistent=False)
        self.from_logits = from_logits
        self._built = False
        if not multi_label:
            self._build((self.num_thresholds,))
        elif num_labels:
            self._build((self.num_thresholds, num_labels))

    label_weights: Tensor | None

    @property
    def thresholds(self) -> list[float]:
        """The thresholds, with those just outside of 0 and 1."""
        return list(self._thresholds.values)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Takes in a batch.

        Args:
            y_true: the truth; what is not 0 is positive.
            y_pred: predicted probabilities, or logits.
            sample_weight: a weight for each sample, or each prediction; 0 leaves it out.
        """
        y_pred = to_tensor(y_pred)
        if not self._built:
            self._build_for(y_pred)
        if y_pred.device != self.true_positives.device:
            y_pred = y_pred.to(self._move_to(y_pred.device))
        counts = confusion_counts(
            y_true,
            y_pred.sigmoid() if self.from_logits else y_pred,
            self._thresholds,
            self.true_positives.dtype,
            sample_weight,
            multi_label=self.multi_label,
            label_weights=None if self.multi_label else self.label_weights,
        )
        for name, count in zip(_COUNTS, counts, strict=True):
            getattr(self, name).add_(count)

    def interpolate_pr_auc(self) -> Tensor:
        """The area under the precision-recall curve, true and false positives being linear between thresholds."""
        return self._over_labels(interpolated_pr_area(self._state_counts()))

    def result(self) -> Tensor:
        if not self._built:
            return torch.zeros((), dtype=self._torch_dtype)
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self.interpolate_pr_auc()
        x, y = curve_points(self._state_counts(), self.curve)
        return self._over_labels(area_under(x, y, self.summation_method))

    def get_config(self) -> dict[str, Any]:
        config = {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            # Differs from Keras: it has a tensor here, which its own `from_config` cannot read. A list both can.
            "label_weights": None if self.label_weights is None else self.label_weights.tolist(),
            "from_logits": self.from_logits,
        }
        if self._has_own_thresholds:
            config["thresholds"] = self.thresholds[1:-1]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        weights = config.get("label_weights")
        if isinstance(weights, dict):  # a tensor, as Keras writes it
            config = {**config, "label_weights": weights["config"]["value"]}
        return cls(**config)

    def _build_for(self, y_pred: Tensor) -> None:
        if y_pred.ndim != 2:
            raise InvalidArgumentError(
                "with `multi_label=True`, predictions must have the shape (samples, labels). "
                f"Received: y_pred of shape {tuple(y_pred.shape)}"
            )
        self._build((self.num_thresholds, y_pred.shape[1]))
        self._move_to(y_pred.device)

    def _build(self, shape: tuple[int, ...]) -> None:
        self.true_positives = self.add_variable(shape, "zeros", name="true_positives")
        self.false_positives = self.add_variable(shape, "zeros", name="false_positives")
        self.true_negatives = self.add_variable(shape, "zeros", name="true_negatives")
        self.false_negatives = self.add_variable(shape, "zeros", name="false_negatives")
        self._built = True

    def _state_counts(self) -> ConfusionCounts:
        return ConfusionCounts(*(getattr(self, name).as_subclass(Tensor) for name in _COUNTS))

    def _over_labels(self, areas: Tensor) -> Tensor:
        if not self.multi_label:
            return areas
        if self.label_weights is None:
            return areas.mean()
        return divide_no_nan((areas * self.label_weights).sum(), self.label_weights.sum())


def _thresholds(thresholds: Any, num_thresholds: int) -> Thresholds:
    if thresholds is None:
        if num_thresholds <= 1:
            raise InvalidArgumentError(
                f"`num_thresholds` must be an integer above 1. Received: num_thresholds={num_thresholds!r}"
            )
        spend_allowance(num_thresholds)
        inner = [(i + 1) * 1.0 / (num_thresholds - 1) for i in range(num_thresholds - 2)]
        evenly = True
    else:
        inner = sorted(float(threshold) for threshold in thresholds)
        evenly = Thresholds([0.0, *inner, 1.0]).evenly
    # A little outside of [0, 1], so that predictions of exactly 0 and 1 are on the right side of the ends.
    return Thresholds([-config.epsilon(), *inner, 1.0 + config.epsilon()], evenly)


def _choice(argument: str, value: Any, allowed: tuple[str, ...]) -> str:
    name = getattr(value, "value", value)
    for known in allowed:
        if name in (known, known.lower(), known.capitalize()):
            return known
    raise InvalidArgumentError(f"`{argument}` must be one of {allowed}. Received: {argument}={value!r}")
