"""TemperedFocal: a cross-entropy that cares less for what is known well, at a temperature."""

import math
from typing import Any

import torch
from torch import Tensor

from labkeras import config
from labkeras.errors import InvalidArgumentError
from labkeras.losses import Loss
from labkeras.ranges import NonNegative, Positive
from labkeras_calibration.predictions import is_binary, truths

__all__ = ["TemperedFocal"]


class TemperedFocal(Loss):
    """Focal loss of `softmax(logits / temperature)`: `-Σ_c t_c · (1 - p_c)^gamma · log(p_c)`.

    With `gamma` 0 and a temperature of 1 it is the cross-entropy. The larger `gamma`, the less samples count that are
    known well already: trained so, networks are less sure of themselves, and often better calibrated. A temperature
    above 1 asks for larger logits, and so for more confidence, below 1 for less; the network's own probabilities, in
    metrics and predictions, are those at temperature 1.

    Args:
        gamma: how much less a sample counts the more it is known, at least 0.
        temperature: by which logits are divided, above 0.
        from_logits: whether `y_pred` holds logits; of probabilities, the logarithms serve as logits.
        reduction: what becomes of the samples' losses; see `Loss`.
        name: its name.
        dtype: the data type that is computed in; `floatx` unless given.

    Shapes:
        y_true: (batch, …) or (batch, …, 1), class numbers; or (batch, …, classes), one-hot, or smoothed
        y_pred: (batch, …, classes)

    Raises:
        InvalidArgumentError: if an argument is out of its range, or there are fewer than two classes.

    Reference:
        T.-Y. Lin et al. (2017), "Focal Loss for Dense Object Detection", https://arxiv.org/abs/1708.02002; for
        calibration J. Mukhoti et al. (2020), "Calibrating Deep Neural Networks using Focal Loss",
        https://arxiv.org/abs/2002.09437

    Example:
        >>> TemperedFocal(gamma=2.0)([0], [[0.5, 0.5]])  # a quarter of the cross-entropy
        tensor(0.1733)
    """

    def __init__(
        self,
        gamma: NonNegative = 2.0,
        temperature: Positive = 1.0,
        from_logits: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "tempered_focal",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not _is_number(gamma) or gamma < 0:
            raise InvalidArgumentError(f"`gamma` must be a number of at least 0. Received: gamma={gamma!r}")
        if not _is_number(temperature) or temperature <= 0:
            raise InvalidArgumentError(f"`temperature` must be a number above 0. Received: temperature={temperature!r}")
        self.gamma = gamma
        self.temperature = temperature
        self.from_logits = from_logits

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if is_binary(y_pred):
            raise InvalidArgumentError(
                f"this loss needs an output for each class, two or more. Received: y_pred.shape={tuple(y_pred.shape)}"
            )
        logits = y_pred if self.from_logits else y_pred.clamp(config.epsilon(), 1).log()
        log_p = torch.log_softmax(logits / self.temperature, -1)
        # `1 - p` from the logarithm keeps its digits where p is close to 1; at 0 its power would have no gradient.
        rest = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
        return -(truths(y_true, y_pred) * rest**self.gamma * log_p).sum(-1)

    def get_config(self) -> dict[str, Any]:
        own = {"gamma": self.gamma, "temperature": self.temperature, "from_logits": self.from_logits}
        return {**super().get_config(), **own}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
