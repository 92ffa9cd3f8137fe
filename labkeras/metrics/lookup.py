"""Metrics by name, config, class or function: `get`, and to configs and back."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from labkeras import serialization
from labkeras.errors import InvalidArgumentError, InvalidTypeError
from labkeras.metrics.torchmetrics_adapter import TorchMetric, is_torchmetric

__all__ = ["deserialize", "get", "serialize"]


def get(identifier: Any) -> Any:
    """The metric that an identifier means.

    Args:
        identifier: a name ("auc", "AUC", "mse"), a config, a class, a metric, a function of `(y_true, y_pred)`, a
            metric of torchmetrics, or None. "accuracy" is the class `Accuracy`; `metric_for` chooses as `compile` does.

    Returns:
        A `Metric`, or the function that was given, or None for None.

    Raises:
        UnknownComponentError: if no metric has this name.
        InvalidArgumentError: if a class that is named needs arguments.
        InvalidTypeError: for anything else.

    Example:
        >>> get("mse")
        <MeanSquaredError name=mean_squared_error>
    """
    if identifier is None:
        return None
    if isinstance(identifier, Mapping):
        return deserialize(dict(identifier))
    found = serialization.resolve(identifier, "metrics") if isinstance(identifier, str) else identifier
    if inspect.isclass(found):
        found = _made(found, identifier)
    if is_torchmetric(found):
        return TorchMetric(found)
    if callable(found):
        return found
    raise InvalidTypeError(
        "a metric must be a name, a config, a `Metric` or a function of `(y_true, y_pred)`. "
        f"Received: {identifier!r} of type {type(identifier).__name__}"
    )


def serialize(metric: Any) -> Any:
    """The config of a metric or a metric function."""
    return serialization.serialize_keras_object(metric)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The metric or metric function of a config.

    Args:
        config: the config, as `serialize` makes it.
        custom_objects: name → class or function of yours.

    Raises:
        SerializationError: if the config cannot be used, or names something that is no metric.
    """
    return serialization.deserialize_keras_object(config, custom_objects, kind="metrics")


def _made(cls: Callable[[], Any], identifier: Any) -> Any:
    try:
        inspect.signature(cls).bind()
    except TypeError as error:
        raise InvalidArgumentError(
            f"this metric needs arguments, so pass an instance. Received: {identifier!r}, {error}"
        ) from error
    return cls()
