"""Activations by name and by config."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras.activations.basic import linear
from labkeras.errors import InvalidArgumentError, SerializationError
from labkeras.serialization import core_name, deserialize_keras_object, resolve, serialize_keras_object

__all__ = ["Activation", "deserialize", "get", "serialize"]

Activation: TypeAlias = Callable[[Tensor], Tensor]
"""A function of a tensor; a layer and a torch module are such functions too."""

# torch's functions that do exactly what an activation of ours does with its default arguments: saved under that name.
_NAMES_OF_TORCH: dict[Any, str] = {
    F.elu: "elu",
    F.gelu: "gelu",
    F.hardsigmoid: "hard_sigmoid",
    F.hardswish: "hard_silu",
    F.hardtanh: "hard_tanh",
    F.logsigmoid: "log_sigmoid",
    F.mish: "mish",
    F.relu: "relu",
    F.relu6: "relu6",
    F.selu: "selu",
    F.sigmoid: "sigmoid",
    F.silu: "silu",
    F.softplus: "softplus",
    F.softsign: "softsign",
    F.tanh: "tanh",
    F.tanhshrink: "tanh_shrink",
    torch.exp: "exponential",
    torch.relu: "relu",
    torch.selu: "selu",
    torch.sigmoid: "sigmoid",
    torch.tanh: "tanh",
}


def get(identifier: Any) -> Activation:
    """The activation that an identifier means.

    Args:
        identifier: a name ("relu"), a config, a function or other callable, or None for `linear`. Of a class, an
            instance is made.

    Raises:
        UnknownComponentError: if no activation has the name.
        InvalidArgumentError: if it is nothing of these.

    Example:
        >>> get("relu").__name__
        'relu'
    """
    if identifier is None:
        return linear
    found = deserialize(identifier) if isinstance(identifier, str | Mapping) else identifier
    if inspect.isclass(found):
        found = found()
    if not callable(found):
        raise InvalidArgumentError(
            "an activation must be a name, a config or a function of a tensor. "
            f"Received: {type(identifier).__name__} {identifier!r}"
        )
    activation: Activation = found
    return activation


def serialize(activation: Activation) -> Any:
    """What a config says of an activation: its name if labkeras has it, otherwise a dict.

    Args:
        activation: a function that is built in or has a name of its own, or an object with `get_config`.

    Raises:
        SerializationError: for a lambda, or an object without `get_config`.

    Example:
        >>> serialize(get("relu"))
        'relu'
    """
    if activation in _NAMES_OF_TORCH:
        return _NAMES_OF_TORCH[activation]
    name = core_name(activation, "activations") if inspect.isfunction(activation) else None
    return name if name is not None else serialize_keras_object(activation)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The activation of a name, or of a config that `serialize` or Keras wrote.

    Args:
        config: a name, or a dict; a layer's config gives the layer, which is an activation too.
        custom_objects: name → function or class, for names that are not registered.

    Raises:
        UnknownComponentError: if no activation has the name.
        SerializationError: if the config names something unknown, or no activation.
    """
    if isinstance(config, str):
        return resolve(config, "activations", custom_objects)
    kind = "layers" if isinstance(config, Mapping) and config.get("module") == "keras.layers" else "activations"
    found = deserialize_keras_object(config, custom_objects, kind=kind)
    if found is not None and not callable(found):
        raise SerializationError(f"the config of an activation makes something else. Received: {config!r}")
    return found
