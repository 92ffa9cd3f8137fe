"""Losses of predicted numbers."""

from typing import Any

from labkeras.losses.wrapper import LossFunctionWrapper
from labkeras.ops.regression import mean_absolute_error, mean_squared_error

__all__ = ["MeanAbsoluteError", "MeanSquaredError"]


class MeanSquaredError(LossFunctionWrapper):
    """The mean squared difference: `mean((y_true - y_pred)²)`.

    Args:
        reduction: what becomes of the values of the samples; see `Loss`.
        name: its name.
        dtype: the data type that is computed in; `floatx` unless given.

    Shapes:
        y_true, y_pred: (batch, …, features)
        result: (); (batch, …) with reduction "none"

    Example:
        >>> MeanSquaredError()([[1.0], [2.0]], [[1.0], [4.0]])
        tensor(2.)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_error, reduction=reduction, name=name, dtype=dtype)


class MeanAbsoluteError(LossFunctionWrapper):
    """The mean difference, without its sign: `mean(|y_true - y_pred|)`.

    Args:
        reduction: what becomes of the values of the samples; see `Loss`.
        name: its name.
        dtype: the data type that is computed in; `floatx` unless given.

    Shapes:
        y_true, y_pred: (batch, …, features)
        result: (); (batch, …) with reduction "none"

    Example:
        >>> MeanAbsoluteError()([[1.0], [2.0]], [[1.0], [4.0]])
        tensor(1.)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_error, reduction=reduction, name=name, dtype=dtype)
