"""Initializers by name and by config."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.initializers.constants import GivenValues
from labkeras.initializers.initializer import InitializerFunction
from labkeras.serialization import deserialize_keras_object, resolve, serialize_keras_object

__all__ = ["deserialize", "get", "serialize"]


def get(identifier: Any) -> InitializerFunction | None:
    """The initializer that an identifier means.

    Args:
        identifier: a name ("glorot_uniform"), a config, an initializer or its class, a function of (shape, dtype), the
            values themselves as an array or tensor, or None. Of a name or class, a new instance is made.

    Raises:
        UnknownComponentError: if no initializer has the name.
        InvalidArgumentError: if it is nothing of these.

    Example:
        >>> get("he_normal")
        HeNormal(seed=None, input_axes=None, output_axes=None)
    """
    if identifier is None:
        return None
    if isinstance(identifier, Tensor | np.ndarray | np.generic):
        return GivenValues(identifier)
    found = deserialize(identifier) if isinstance(identifier, str | Mapping) else identifier
    if inspect.isclass(found):
        found = found()
    if not callable(found):
        raise InvalidArgumentError(
            "an initializer must be a name, a config, an Initializer, a function of (shape, dtype) or an array. "
            f"Received: {type(identifier).__name__} {identifier!r}"
        )
    initializer: InitializerFunction = found
    return initializer


def serialize(initializer: Any) -> Any:
    """The config of an initializer: a dict that `deserialize`, and Keras, make it from again.

    Example:
        >>> serialize(get("zeros"))["class_name"]
        'Zeros'
    """
    return serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The initializer of a config that `serialize` or Keras wrote, or of a name.

    Args:
        config: a dict, or a name.
        custom_objects: name → class or function, for names that are not registered.

    Raises:
        UnknownComponentError: if no initializer has the name.
        SerializationError: if the config names something unknown, or no initializer.
    """
    if isinstance(config, str):
        found = resolve(config, "initializers", custom_objects)
        return found() if inspect.isclass(found) else found
    return deserialize_keras_object(config, custom_objects, kind="initializers")
