"""Policies ↔ configs, as Keras writes them."""

from collections.abc import Mapping
from typing import Any

from labkeras import dtypes
from labkeras.dtypes import DTypePolicy
from labkeras.serialization import deserialize_keras_object, serialize_keras_object

__all__ = ["deserialize", "serialize"]


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """The config of a policy.

    Example:
        >>> serialize(DTypePolicy("mixed_bfloat16"))["config"]
        {'name': 'mixed_bfloat16'}
    """
    config: dict[str, Any] = serialize_keras_object(dtype_policy)
    return config


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> DTypePolicy:
    """The policy that a config describes.

    Args:
        config: what `serialize`, or Keras, wrote.
        custom_objects: name → class, for policies of your own.

    Raises:
        InvalidArgumentError: if it describes no policy.
    """
    if custom_objects and config.get("class_name") in custom_objects:
        return dtypes.get(deserialize_keras_object(dict(config), custom_objects))
    return dtypes.get(dict(config))
