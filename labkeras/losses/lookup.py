"""Losses by name, config, class or function: `get`, and to configs and back."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from labkeras import serialization
from labkeras.errors import InvalidArgumentError, InvalidTypeError
from labkeras.losses.torch_loss import TorchLoss
from labkeras.losses.wrapper import LossFunctionWrapper

__all__ = ["deserialize", "get", "serialize"]


def get(identifier: Any) -> Any:
    """The loss that an identifier means.

    As in Keras, the name of a function or a short name ("mean_squared_error", "mse") gives the function, which
    returns a value for each sample; the name of a class ("MeanSquaredError") gives an instance, which returns the
    mean. Both can be called as `loss(y_true, y_pred)`, and `compile` takes both.

    Args:
        identifier: a name, a config, a class, a loss, a function of `(y_true, y_pred)`, a loss of torch such as
            `torch.nn.CrossEntropyLoss()` (see `TorchLoss` for how that is called), or None.

    Returns:
        A `Loss` or a function, or None for None.

    Raises:
        UnknownComponentError: if no loss has this name.
        InvalidArgumentError: if a class that is named needs arguments.
        InvalidTypeError: for anything else.

    Example:
        >>> get("MeanSquaredError")
        MeanSquaredError(name='mean_squared_error', reduction='sum_over_batch_size')
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        return _named(identifier)
    if isinstance(identifier, Mapping):
        return deserialize(dict(identifier))
    if inspect.isclass(identifier):
        identifier = _made(identifier, identifier.__name__)
    if isinstance(identifier, torch.nn.Module) or _is_of_torch(identifier):
        return TorchLoss(identifier)
    if callable(identifier):
        return identifier
    raise InvalidTypeError(
        "a loss must be a name, a config, a `Loss` or a function of `(y_true, y_pred)`. "
        f"Received: {identifier!r} of type {type(identifier).__name__}"
    )


def serialize(loss: Any) -> Any:
    """The config of a loss or a loss function."""
    return serialization.serialize_keras_object(loss)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss or loss function of a config.

    Args:
        name: the config, as `serialize` makes it.
        custom_objects: name → class or function of yours.

    Raises:
        SerializationError: if the config cannot be used, or names something that is no loss.
    """
    return serialization.deserialize_keras_object(name, custom_objects, kind="losses")


def _named(name: str) -> Any:
    found = serialization.resolve(name, "losses")
    if not inspect.isclass(found):
        return found
    loss = _made(found, name)
    is_ours = found.__module__.startswith("labkeras.losses.")
    return loss.fn if is_ours and isinstance(loss, LossFunctionWrapper) and name != found.__name__ else loss


def _made(cls: Callable[[], Any], name: str) -> Any:
    try:
        inspect.signature(cls).bind()
    except TypeError as error:
        raise InvalidArgumentError(
            f"the loss {name!r} needs arguments, so pass an instance. Received: {name!r}, {error}"
        ) from error
    return cls()


def _is_of_torch(function: Any) -> bool:
    return getattr(function, "__module__", None) in ("torch.nn.functional", "torch._C._nn")
