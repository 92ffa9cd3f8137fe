"""Models from JSON, as `model.to_json()` writes it."""

from collections.abc import Mapping
from typing import Any

from labkeras import serialization
from labkeras.errors import SerializationError
from labkeras.saving.strict_json import read_json

__all__ = ["model_from_json"]


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model that `model.to_json()`, or Keras's, described; its weights are new.

    Args:
        json_string: the JSON.
        custom_objects: name → class or function, for layers that are not registered.

    Raises:
        FileFormatError: if it is no valid JSON.
        SerializationError: if something cannot be made again.
    """
    config = read_json(json_string.encode("utf-8"), "the JSON of a model")
    if "class_name" not in config:
        raise SerializationError(f"the JSON describes no model. Received: the keys {sorted(config)[:10]}")
    with serialization.sharing():
        return serialization.deserialize_keras_object(config, custom_objects, kind="layers")
