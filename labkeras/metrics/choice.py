"""What `compile(metrics=[…])` means: a `Metric` for whatever was given, with the choice behind "accuracy"."""

from collections.abc import Sequence
from typing import Any

from labkeras.errors import InvalidArgumentError
from labkeras.metrics.accuracy import BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy
from labkeras.metrics.lookup import get
from labkeras.metrics.metric import Metric
from labkeras.metrics.reduction import MeanMetricWrapper
from labkeras.naming import to_snake_case
from labkeras.ops.ranks import is_binary_or_sparse_categorical

__all__ = ["metric_for", "resolve_accuracy"]

_ACCURACY = ("accuracy", "acc")


def metric_for(identifier: Any, y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None]) -> Metric:
    """The metric that an identifier means for one output of a model.

    Args:
        identifier: whatever `get` takes, or "accuracy" ("acc"), which chooses by the shapes.
        y_true_shape: the shape of the targets, batch axis included.
        y_pred_shape: the shape of the predictions, batch axis included.

    Returns:
        A `Metric`. One that was named bears that name; a function's is wrapped, and bears the function's.

    Raises:
        InvalidArgumentError: for None.

    Example:
        >>> metric_for("mse", (None, 1), (None, 1))
        <MeanSquaredError name=mse>
    """
    if identifier is None:
        raise InvalidArgumentError("a metric must be a name, a config, a `Metric` or a function. Received: None")
    if str(identifier).lower() in _ACCURACY:
        return resolve_accuracy(str(identifier), y_true_shape, y_pred_shape)
    metric = get(identifier)
    name = identifier if isinstance(identifier, str) else _name_of(metric)
    if not isinstance(metric, Metric):
        return MeanMetricWrapper(metric, name=name)
    metric.name = name
    return metric


def resolve_accuracy(
    name: str, y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None]
) -> BinaryAccuracy | CategoricalAccuracy | SparseCategoricalAccuracy:
    """The accuracy that fits: binary for one score a sample, sparse for class numbers, else categorical.

    Args:
        name: the name that the metric gets.
        y_true_shape: the shape of the targets, batch axis included.
        y_pred_shape: the shape of the predictions, batch axis included.

    Example:
        >>> resolve_accuracy("acc", (None,), (None, 10))
        <SparseCategoricalAccuracy name=acc>
    """
    is_binary, is_sparse = is_binary_or_sparse_categorical(y_true_shape, y_pred_shape)
    if is_binary:
        return BinaryAccuracy(name=name)
    return SparseCategoricalAccuracy(name=name) if is_sparse else CategoricalAccuracy(name=name)


def _name_of(metric: Any) -> str:
    if hasattr(metric, "name"):
        return str(metric.name)
    return to_snake_case(getattr(metric, "__name__", type(metric).__name__))
