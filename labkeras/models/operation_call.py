"""A call of an operation of Keras's, and the checks that every operation makes of what a config says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from labkeras.errors import SerializationError
from labkeras.graph.symbolic import keras_tensors

__all__ = ["ALIASES", "Call", "check_settings", "has_small_integers", "is_plain", "positional", "tuples"]

ALIASES = {"axis": "dim", "keepdims": "keepdim", "x1": "input", "x2": "other", "self": "input", "axes": "dims"}
"""Names that torch takes beside its own."""
_PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Call:
    """A call of an operation of Keras's: its class as "module.Class", its settings, and what it is called on."""

    operation: str
    config: dict[str, Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    cast: str | None = None
    """The data type that torch's result has, where Keras's has another."""


def check_settings(config: dict[str, Any], known: list[str]) -> None:
    """Checks that a config has no settings but the known ones, and that they are plain values."""
    for key, value in config.items():
        if key not in known:
            raise SerializationError(
                f"the operation has no setting {key!r}; its settings: {known}. Received: {key}={value!r}"
            )
        if not is_plain(value):
            raise SerializationError(
                f"a setting of an operation must be a number or a list of numbers. Received: {key}={value!r}"
            )


def positional(args: Sequence[Any], kwargs: dict[str, Any], names: tuple[str, ...]) -> tuple[Any, ...]:
    """The arguments of an operation that is called on a fixed number of tensors and numbers."""
    if len(args) != len(names) or kwargs:
        raise SerializationError(
            f"the operation is called on {len(names)} value(s). Received: {len(args)} and the keywords {sorted(kwargs)}"
        )
    for value in args:
        if isinstance(value, list | tuple | slice) or value is None or value is Ellipsis:
            raise SerializationError(
                f"the operation is called on tensors and numbers. Received: a {type(value).__name__}"
            )
    return tuple(args)


def has_small_integers(tensors: Any) -> bool:
    """Whether placeholders are of truth values, or of integers that torch adds up in int64 and Keras in int32."""
    return any("float" not in tensor.dtype and tensor.dtype != "int64" for tensor in keras_tensors(tensors))


def is_plain(value: Any) -> bool:
    """Whether a value is a number, a word, None, or a list of such."""
    return all(map(is_plain, value)) if isinstance(value, list | tuple) else isinstance(value, _PLAIN)


def tuples(config: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples; torch takes them wherever it takes lists."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
