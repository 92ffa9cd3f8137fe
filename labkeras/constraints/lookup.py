"""Constraints by name and by config."""

import inspect
from collections.abc import Mapping
from typing import Any

from labkeras.constraints.constraint import ConstraintFunction
from labkeras.errors import InvalidArgumentError
from labkeras.serialization import deserialize_keras_object, resolve, serialize_keras_object

__all__ = ["deserialize", "get", "serialize"]


def get(identifier: Any) -> ConstraintFunction | None:
    """The constraint that an identifier means.

    Args:
        identifier: a name ("max_norm"), a config, a constraint or its class, a function of a weight, or None.
            Of a name or class, a new instance is made.

    Raises:
        UnknownComponentError: if no constraint has the name.
        InvalidArgumentError: if it is nothing of these.

    Example:
        >>> get("max_norm")
        MaxNorm(max_value=2, axis=0)
    """
    if identifier is None:
        return None
    found = deserialize(identifier) if isinstance(identifier, str | Mapping) else identifier
    if inspect.isclass(found):
        found = found()
    if not callable(found):
        raise InvalidArgumentError(
            "a constraint must be a name, a config, a Constraint or a function of a weight. "
            f"Received: {type(identifier).__name__} {identifier!r}"
        )
    constraint: ConstraintFunction = found
    return constraint


def serialize(constraint: Any) -> Any:
    """The config of a constraint: a dict that `deserialize`, and Keras, make it from again.

    Example:
        >>> serialize(get("max_norm"))["config"]
        {'max_value': 2, 'axis': 0}
    """
    return serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The constraint of a config that `serialize` or Keras wrote, or of a name.

    Args:
        config: a dict, or a name.
        custom_objects: name → class or function, for names that are not registered.

    Raises:
        UnknownComponentError: if no constraint has the name.
        SerializationError: if the config names something unknown, or no constraint.
    """
    if isinstance(config, str):
        found = resolve(config, "constraints", custom_objects)
        return found() if inspect.isclass(found) else found
    return deserialize_keras_object(config, custom_objects, kind="constraints")
