"""Regularizers by name and by config."""

import inspect
from collections.abc import Mapping
from typing import Any

from labkeras.errors import InvalidArgumentError
from labkeras.regularizers.regularizer import RegularizerFunction
from labkeras.serialization import deserialize_keras_object, resolve, serialize_keras_object

__all__ = ["deserialize", "get", "serialize"]


def get(identifier: Any) -> RegularizerFunction | None:
    """The regularizer that an identifier means.

    Args:
        identifier: a name ("l2"), a config, a regularizer or its class, a function of a tensor that returns a scalar,
            or None. Of a name or class, a new instance is made.

    Raises:
        UnknownComponentError: if no regularizer has the name.
        InvalidArgumentError: if it is nothing of these.

    Example:
        >>> get("l2")
        L2(l2=0.01)
    """
    if identifier is None:
        return None
    found = deserialize(identifier) if isinstance(identifier, str | Mapping) else identifier
    if inspect.isclass(found):
        found = found()
    if not callable(found):
        raise InvalidArgumentError(
            "a regularizer must be a name, a config, a Regularizer or a function of a tensor. "
            f"Received: {type(identifier).__name__} {identifier!r}"
        )
    regularizer: RegularizerFunction = found
    return regularizer


def serialize(regularizer: Any) -> Any:
    """The config of a regularizer: a dict that `deserialize`, and Keras, make it from again.

    Example:
        >>> serialize(get("l2"))["config"]
        {'l2': 0.01}
    """
    return serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The regularizer of a config that `serialize` or Keras wrote, or of a name.

    Args:
        config: a dict, or a name.
        custom_objects: name → class or function, for names that are not registered.

    Raises:
        UnknownComponentError: if no regularizer has the name.
        SerializationError: if the config names something unknown, or no regularizer.
    """
    if isinstance(config, str):
        found = resolve(config, "regularizers", custom_objects)
        return found() if inspect.isclass(found) else found
    return deserialize_keras_object(config, custom_objects, kind="regularizers")
