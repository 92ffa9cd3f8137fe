"""Metrics of predicted numbers."""

from typing import Any

from labkeras.metrics.reduction import MeanMetricWrapper
from labkeras.ops.regression import mean_absolute_error, mean_squared_error

__all__ = ["MeanAbsoluteError", "MeanSquaredError"]


class MeanSquaredError(MeanMetricWrapper):
    """The mean squared difference: `mean((y_true - y_pred)²)`.

    Args:
        name: its name.
        dtype: the data type of its state and result; `floatx` unless given.

    Example:
        >>> MeanSquaredError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]])
        tensor(0.2500)
    """

    _direction = "down"

    def __init__(self, name: str | None = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(mean_squared_error, name=name, dtype=dtype)


class MeanAbsoluteError(MeanMetricWrapper):
    """The mean difference, without its sign: `mean(|y_true - y_pred|)`.

    Args:
        name: its name.
        dtype: the data type of its state and result; `floatx` unless given.

    Example:
        >>> MeanAbsoluteError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]])
        tensor(0.2500)
    """

    _direction = "down"

    def __init__(self, name: str | None = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(mean_absolute_error, name=name, dtype=dtype)
