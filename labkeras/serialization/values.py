"""What is no component: slices, arrays, tensors, bytes and tuples, as a config writes them."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from labkeras.errors import SerializationError

__all__ = ["excerpt", "read_value", "write_value"]

_DTYPES = frozenset(
    {"bool", "bfloat16", "float16", "float32", "float64", "complex64", "complex128"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)
_REASONS = {
    "__lambda__": "it holds the bytecode of a lambda, and labkeras never runs code from a file",
    "__typespec__": "it describes a type of TensorFlow's, which labkeras has no use for",
    "__keras_tensor__": "a placeholder means something only among the calls of a functional model",
}


def write_value(value: Any, write: Callable[[Any], Any]) -> Any:
    """The config of a value that is not plain JSON, or None if it is none of these.

    Args:
        value: anything.
        write: writes what is within it.
    """
    if isinstance(value, bytes):
        return {"class_name": "__bytes__", "config": {"value": value.decode("utf-8")}}
    if isinstance(value, slice):
        parts = {name: write(getattr(value, name)) for name in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if value is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(value, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": value.dtype.name}}
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        tensor = value.detach().cpu()
        return {"class_name": "__tensor__", "config": {"value": tensor.tolist(), "dtype": str(tensor.dtype)[6:]}}
    return None


def read_value(config: dict[str, Any], read: Callable[[Any], Any]) -> Any:
    """The value of a config whose `class_name` begins with two underscores.

    Args:
        config: the config.
        read: reads what is within it.

    Raises:
        SerializationError: for a value that is malformed, unknown or could hold code.
    """
    class_name, inner = config["class_name"], config.get("config", {})
    try:
        if class_name == "__tuple__":
            return tuple(read(item) for item in config["items"])
        if class_name == "__slice__":
            return slice(*(read(inner[part]) for part in ("start", "stop", "step")))
        if class_name == "__ellipsis__":
            return Ellipsis
        if class_name == "__bytes__":
            return inner["value"].encode("utf-8")
        if class_name in ("__numpy__", "__tensor__"):
            return _array(inner["value"], inner["dtype"], class_name)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
        raise SerializationError(
            f"the config of a {class_name!r} is malformed: {type(error).__name__}: {error}. "
            f"Received: config={excerpt(config)}"
        ) from error
    raise SerializationError(
        f"a config of the type {class_name!r} is not read: {_REASONS.get(class_name, 'labkeras does not know it')}. "
        "Register what it stands for with `labkeras.saving.register_keras_serializable()`, and save the model again. "
        f"Received: config={excerpt(config)}"
    )


def excerpt(value: Any, limit: int = 300) -> str:
    """`repr` of a value, cut to a length that an error message can take."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def _array(value: Any, dtype: Any, class_name: str) -> Any:
    if dtype not in _DTYPES:
        raise ValueError(f"`dtype` must be one of {sorted(_DTYPES)}, not {dtype!r}")
    if class_name == "__numpy__":
        return np.array(value, dtype=dtype)
    torch = importlib.import_module("torch")  # by name: registry and command line read no tensors, and go without torch
    return torch.tensor(value, dtype=getattr(torch, dtype))
