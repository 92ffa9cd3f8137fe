"""BrierScore: the squared distance of probabilities from what came true."""

from typing import Any

from torch import Tensor

from labkeras import config, dtypes
from labkeras.metrics.reduction import MeanMetricWrapper
from labkeras.ops.conversion import to_tensor
from labkeras_calibration.predictions import probabilities, truths

__all__ = ["BrierScore", "brier_score"]


class BrierScore(MeanMetricWrapper):
    """The mean squared distance of predicted probabilities from the truth: `Σ_c (p_c - t_c)²`.

    Unlike the calibration error it also counts how sharp predictions are: a forecaster who always gives the frequencies
    of the classes is calibrated, and has a bad score. The best is 0. Of several classes, and of yes and no written as
    two classes, it is Brier's own, in [0, 2]; with one output it is `(p - t)²`, in [0, 1], half of that.

    Args:
        from_logits: whether `y_pred` holds logits rather than probabilities.
        name: its name.
        dtype: the data type of its state and result; `floatx` unless given.

    Shapes:
        y_true: (batch, …) or (batch, …, 1), class numbers; or (batch, …, classes), one-hot; for yes or no 0 and 1
        y_pred: (batch, …, classes); for yes or no (batch, …, 1), or (batch,)

    Reference:
        G. W. Brier (1950), "Verification of Forecasts Expressed in Terms of Probability", Monthly Weather Review 78

    Example:
        >>> BrierScore()([0], [[0.5, 0.25, 0.25]])
        tensor(0.3750)
    """

    _direction = "down"

    def __init__(self, from_logits: bool = False, name: str | None = "brier_score", dtype: Any = None) -> None:
        super().__init__(brier_score, name=name, dtype=dtype, from_logits=from_logits)
        self.from_logits = from_logits


def brier_score(y_true: Any, y_pred: Any, from_logits: bool = False) -> Tensor:
    """The squared distance of each prediction from the truth; see `BrierScore`.

    Args:
        y_true: the truth.
        y_pred: probabilities or logits.
        from_logits: whether they are logits.

    Shapes:
        result: (batch, …)
    """
    predicted = to_tensor(y_pred)
    if not predicted.is_floating_point():
        predicted = predicted.to(dtypes.to_torch(config.floatx()))
    truth = truths(to_tensor(y_true, device=predicted.device), predicted)
    squares = (probabilities(predicted, from_logits) - truth).square()
    return squares.sum(-1) if squares.ndim > 1 else squares
