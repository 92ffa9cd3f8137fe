"""What the signature of a layer's constructor says: its options, its config, the error for what it does not have."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

from labkeras import activations, serialization
from labkeras.errors import InvalidArgumentError, InvalidTypeError, did_you_mean
from labkeras.graph.symbolic import Shape, standardize_shape
from labkeras.legacy import modern_arguments

__all__ = [
    "LayerOptions",
    "config_of_arguments",
    "recording_arguments",
    "restored",
    "takes",
    "unknown_arguments",
    "wanted_shape",
]


class LayerOptions(TypedDict, total=False):
    """Arguments that every layer takes, by keyword."""

    name: str | None
    trainable: bool
    dtype: Any
    autocast: bool
    activity_regularizer: Any
    input_shape: Sequence[int | None] | None
    batch_shape: Sequence[int | None] | None
    batch_size: int | None
    input_dim: int | None


# What the base's config says, or what only builds a layer: no settings of a class, even if its signature repeats them.
_OF_EVERY_LAYER = frozenset(LayerOptions.__annotations__) - {"activity_regularizer", "input_dim"}


def recording_arguments(init: Callable[..., None]) -> Callable[..., None]:
    """An `__init__` that first notes its arguments, for `get_config`, and puts today's words in place of old ones."""
    signature = inspect.signature(init)

    @functools.wraps(init)
    def recording(self: Any, *args: Any, **kwargs: Any) -> None:
        if "_init_arguments" not in self.__dict__:
            kwargs = modern_arguments(tuple(base.__name__ for base in type(self).__mro__), kwargs)
            try:
                bound = signature.bind(self, *args, **kwargs)
            except TypeError as error:
                raise _wrong_arguments(type(self), signature, kwargs, error) from None
            self.__dict__["_init_arguments"] = dict(list(bound.arguments.items())[1:])
        init(self, *args, **kwargs)

    return recording


def unknown_arguments(cls: type, unknown: dict[str, Any]) -> InvalidArgumentError:
    """The error for arguments that a class does not have, with the nearest names."""
    known = [*_own_arguments(cls), *LayerOptions.__annotations__]
    hints = "".join(did_you_mean(name, known) for name in unknown)
    given = ", ".join(f"{name}={value!r}" for name, value in unknown.items())
    return InvalidArgumentError(
        f"{cls.__name__} has no argument {', '.join(map(repr, unknown))}.{hints} Received: {given}"
    )


def wanted_shape(
    input_shape: Sequence[int | None] | None,
    batch_shape: Sequence[int | None] | None,
    batch_size: int | None,
    input_dim: int | None,
) -> Shape | None:
    """The shape of the inputs, batch axis first, that the options of a layer name; None if they name none."""
    if input_dim is not None:
        input_shape = (input_dim,)
    if input_shape is not None:
        return (batch_size, *standardize_shape(input_shape))
    return None if batch_shape is None else standardize_shape(batch_shape)


def config_of_arguments(layer: Any) -> dict[str, Any]:
    """The arguments in the class's own signature, as a config has them."""
    values = {name: _config_value(layer, name) for name in _own_arguments(type(layer))}
    return {name: value for name, value in values.items() if value is not None or name not in layer._optional_config}


def restored(name: str, value: Any) -> Any:
    """An argument from a config, made again if it was an object: of the kind that the argument's name says."""
    if not (isinstance(value, dict) and "class_name" in value and "config" in value):
        return value
    if name.endswith("activation"):
        return activations.deserialize(value)
    kind = next(
        (f"{suffix}s" for suffix in ("initializer", "regularizer", "constraint") if name.endswith(suffix)), None
    )
    return serialization.deserialize_keras_object(value, kind=kind)


def takes(cls: type, argument: str) -> bool:
    """Whether the constructor of a class takes an argument of this name."""
    parameters = inspect.signature(cls).parameters
    return argument in parameters or any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())


def _config_value(layer: Any, name: str) -> Any:
    """An argument of the constructor as the layer keeps it; as it was given, if the layer keeps nothing of that
    name."""
    if hasattr(layer, name):
        value = getattr(layer, name)
    elif name in layer._init_arguments:
        value = layer._init_arguments[name]
    else:
        value = inspect.signature(type(layer)).parameters[name].default
    if inspect.isfunction(value) or inspect.isbuiltin(value):
        return activations.serialize(value)
    return serialization.serialize_keras_object(value)


def _own_arguments(cls: type) -> tuple[str, ...]:
    """The names of a class's constructor arguments, without those that every layer takes."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = list(inspect.signature(cls).parameters.values())
    own = [parameter.name for parameter in parameters if parameter.kind in named]
    return tuple(name for name in own if name not in _OF_EVERY_LAYER)


def _wrong_arguments(cls: type, signature: inspect.Signature, kwargs: dict[str, Any], error: TypeError) -> Exception:
    known = [*signature.parameters, *LayerOptions.__annotations__]
    unknown = {name: value for name, value in kwargs.items() if name not in known}
    if unknown:
        return unknown_arguments(cls, unknown)
    return InvalidTypeError(f"{cls.__name__}: {error}. Received: {kwargs!r}")
