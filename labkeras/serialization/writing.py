"""Objects → configs."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from labkeras.errors import SerializationError
from labkeras.registry import CORE
from labkeras.serialization.names import core_name, entry_of, module_of
from labkeras.serialization.registration import base_of, get_registered_name
from labkeras.serialization.shared_objects import number_of, numbering, without_lone_numbers
from labkeras.serialization.values import excerpt, write_value

__all__ = ["serialize_keras_object", "serialize_whole"]


def serialize_keras_object(obj: Any) -> Any:
    """Any object that has `get_config`, or a nested structure of plain values, as a config that JSON can hold.

    Args:
        obj: a layer, loss, optimizer, …; a function that is built in or registered; numbers, strings, arrays, tensors;
            lists, tuples and dicts of them.

    Raises:
        SerializationError: for an object that cannot be found again by name, such as a lambda.

    Example:
        >>> serialize_keras_object(slice(1, 3))["class_name"]
        '__slice__'
    """
    if obj is None or isinstance(obj, str | bool | int | float):
        return obj
    if isinstance(obj, list):
        return [serialize_keras_object(item) for item in obj]
    if isinstance(obj, tuple):
        return tuple(serialize_keras_object(item) for item in obj)
    if isinstance(obj, Mapping) and not hasattr(obj, "get_config"):
        return {str(key): serialize_keras_object(value) for key, value in obj.items()}
    if isinstance(obj, np.generic) or (isinstance(obj, np.ndarray) and obj.ndim == 0):
        return obj.item()
    if inspect.isfunction(obj) or inspect.isbuiltin(obj):
        return _serialize_function(obj)
    if hasattr(obj, "__keras_serialize__"):
        return obj.__keras_serialize__()
    if hasattr(obj, "get_config") and not inspect.isclass(obj):
        return _serialize_instance(obj)
    value = write_value(obj, serialize_keras_object)
    if value is not None:
        return value
    raise SerializationError(
        f"an object of type {type(obj).__name__} cannot be written to a config: give its class `get_config` and "
        f"`from_config`. Received: {excerpt(obj)}"
    )


def serialize_whole(obj: Any) -> Any:
    """`serialize_keras_object`, with layers that stand in several places noted as one: what files of models hold.

    Args:
        obj: a model or layer.

    Raises:
        SerializationError: as `serialize_keras_object` does.
    """
    with numbering():
        return without_lone_numbers(serialize_keras_object(obj))


def _serialize_function(function: Any) -> dict[str, Any]:
    """Keras's form of a function: all but its name says no more than that it is one."""
    if function.__name__ == "<lambda>":
        raise SerializationError(
            "a lambda cannot be saved: nothing finds it again by name. Make it a named function and register it with "
            f"`labkeras.saving.register_keras_serializable()`. Received: {function!r}"
        )
    name = core_name(function) or get_registered_name(function)
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


def _serialize_instance(obj: Any) -> dict[str, Any]:
    module, class_name, registered_name = _public_name(obj)
    inner = obj.get_config()
    if not isinstance(inner, Mapping):
        raise SerializationError(
            f"`get_config` must return a dict. Received: {excerpt(inner)} from {type(obj).__name__}"
        )
    config = {
        "module": module,
        "class_name": class_name,
        "config": serialize_keras_object(inner),
        "registered_name": registered_name,
    }
    for part in ("build_config", "compile_config"):
        describe = getattr(obj, f"get_{part}", None)
        if describe is not None and (described := describe()) is not None:
            config[part] = serialize_keras_object(described)
    layer = base_of("layers")
    # Only what has weights must stay one object; a shared initializer or regularizer makes no difference.
    number = number_of(obj) if layer is not None and isinstance(obj, layer) else None
    if number is not None:
        config["shared_object_id"] = number
    return config


def _public_name(obj: Any) -> tuple[str | None, str, str | None]:
    """module, class_name and registered_name of an object as a config names them."""
    cls = type(obj)
    public = getattr(obj, "_keras_name", None)
    if public is not None:
        names: tuple[str | None, str, str | None] = public
        return names
    if "_keras_public_name" in vars(cls):
        module, class_name = cls._keras_public_name
        # Keras repeats the class name for those that its public face does not show.
        return module, class_name, class_name if module.startswith("keras.src.") else None
    entry = entry_of(cls)
    if entry is not None and entry.provider == CORE:
        return module_of(entry), cls.__name__, None
    # A script's own classes are in "__main__", whoever reads the file later: Keras writes no module for them.
    return None if cls.__module__ == "__main__" else cls.__module__, cls.__name__, get_registered_name(cls)
