"""Mean over all samples so far, and any function of a sample as a metric by its mean."""

from collections.abc import Callable
from typing import Any, Self

from torch import Tensor

from labkeras import serialization
from labkeras.errors import InvalidArgumentError
from labkeras.metrics.metric import Metric
from labkeras.ops.conversion import to_tensor
from labkeras.ops.division import divide_no_nan
from labkeras.ops.ranks import squeeze_or_expand_to_same_rank
from labkeras.ops.weighting import apply_mask, keras_mask

__all__ = ["Mean", "MeanMetricWrapper"]


class Mean(Metric):
    """The mean of all values so far: `Σ weight · value / Σ weight`.

    Args:
        name: its name.
        dtype: the data type of its state and result; `floatx` unless given.

    Example:
        >>> metric = Mean()
        >>> metric.update_state([1.0, 3.0, 5.0, 7.0])
        >>> metric.result()
        tensor(4.)
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", dtype=self.dtype, name="total")
        self.count = self.add_variable((), "zeros", dtype=self.dtype, name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Takes in values.

        Args:
            values: a value for each sample, or several, of which the sample's mean counts; a number is one sample.
            sample_weight: a weight for each sample, or for each value; 0 leaves it out.

        Shapes:
            values: (batch, …), or ()
            sample_weight: (batch, …), of any rank up to that of `values`; or a number for a number
        """
        mask = keras_mask(values)
        total, count = self.total, self.count
        values = to_tensor(values, self._torch_dtype, total.device)
        if values.requires_grad:
            values = values.detach()
        if values.device != total.device:
            values = values.to(self._move_to(values.device))
            total, count = self.total, self.count
        if sample_weight is None:
            samples = values.shape[0] if values.ndim else 1
            if values.ndim < 2:
                total.add_(values.sum())
            else:  # one sum does it: the samples' means, added up, are the sum of all values by how many a sample has
                total.add_(values.sum(), alpha=samples / max(values.numel(), 1))
            count.add_(samples)
            return
        if isinstance(sample_weight, int | float) and values.ndim == 0:
            # A batch's loss and its size, in each step of training: no tensor is made of the size.
            total.add_(values, alpha=sample_weight)
            count.add_(sample_weight)
            return
        weights = apply_mask(to_tensor(sample_weight, self._torch_dtype, total.device).detach(), mask, values.dtype)
        values, weights = _weighed(values, weights)  # type: ignore[arg-type]  # weights came in, so weights come out
        total.add_(values.sum())
        count.add_(weights.sum())

    def result(self) -> Tensor:
        return divide_no_nan(self.total, self.count).as_subclass(Tensor)


class MeanMetricWrapper(Mean):
    """The mean of a function of each sample, and the base of every metric of ours that is one.

    A metric of ours is a function, such as `binary_accuracy`, and a class on this one, whose `__init__` lists the
    arguments and passes them on: no method is needed.

    Args:
        fn: a function of `(y_true, y_pred, **kwargs)` that gives a value for each sample.
        name: its name; that of the class unless given.
        dtype: the data type of its state and result; `floatx` unless given.
        **kwargs: further arguments of `fn`.

    Example:
        >>> MeanMetricWrapper(lambda y_true, y_pred: abs(y_true - y_pred))(1.0, 3.0)
        tensor(2.)
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(name=name, dtype=dtype)
        self._fn = fn
        self._fn_kwargs = kwargs

    _fn: Callable[..., Any]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Takes in a batch.

        Args:
            y_true: the truth.
            y_pred: the predictions; a mask that rides on them leaves samples out.
            sample_weight: a weight for each sample, or for each value that the function gives; 0 leaves it out.
        """
        mask = keras_mask(y_pred)
        if isinstance(y_pred, Tensor) and y_pred.requires_grad:
            y_pred = y_pred.detach()
        values = self._fn(y_true, y_pred, **self._fn_kwargs)
        if mask is not None:
            if sample_weight is not None:
                sample_weight = to_tensor(sample_weight, self._torch_dtype, mask.device)
            sample_weight = apply_mask(sample_weight, mask, self._torch_dtype)
        super().update_state(values, sample_weight)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if type(self) is MeanMetricWrapper:  # any other class brings its function itself
            config["fn"] = serialization.serialize_keras_object(self._fn)
        return {**config, **serialization.serialize_keras_object(self._fn_kwargs)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        if "fn" not in config:
            return cls(**config)
        arguments = serialization.deserialize_keras_object({k: v for k, v in config.items() if k != "fn"})
        # A function's config names no kind; a loss that serves as a metric says what it is.
        kind = "metrics" if config["fn"].get("class_name") == "function" else None
        return cls(fn=serialization.deserialize_keras_object(config["fn"], kind=kind), **arguments)


def _weighed(values: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """A weighed value and a weight for each sample."""
    values, weights = squeeze_or_expand_to_same_rank(values, weights)
    rank = weights.ndim
    if values.ndim > rank:
        values = values.flatten(rank).mean(-1)
    try:
        weights = weights.expand_as(values)
    except RuntimeError as error:
        raise InvalidArgumentError(
            "`sample_weight` must have the shape of the values, or of their first axes. "
            f"Received: values of shape {tuple(values.shape)}, weights of shape {tuple(weights.shape)}"
        ) from error
    values = values * weights
    if rank > 1:
        weights = weights.flatten(1).mean(1)
    return (values.flatten(1).mean(1) if values.ndim > 1 else values), weights
