"""Schedules as configs, and from configs."""

from collections.abc import Mapping
from typing import Any

from labkeras.optimizers.schedules.schedule import LearningRateSchedule
from labkeras.serialization import deserialize_keras_object, serialize_keras_object

__all__ = ["deserialize", "serialize"]


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any]:
    """The config of a schedule, as Keras writes it.

    Example:
        >>> from labkeras.optimizers.schedules import ExponentialDecay
        >>> serialize(ExponentialDecay(0.1, 10, 0.9))["class_name"]
        'ExponentialDecay'
    """
    config: dict[str, Any] = serialize_keras_object(learning_rate_schedule)
    return config


def deserialize(config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> LearningRateSchedule:
    """The schedule that a config describes.

    Args:
        config: what `serialize`, or Keras, wrote.
        custom_objects: name → class, for schedules that are not registered.

    Raises:
        SerializationError: if the config is malformed, names something unknown, or is of something else.
    """
    schedule: LearningRateSchedule = deserialize_keras_object(config, custom_objects, kind="schedules")
    return schedule
