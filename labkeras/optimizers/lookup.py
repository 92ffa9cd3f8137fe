"""Optimizers by name, by config, and from torch."""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from labkeras.errors import InvalidArgumentError
from labkeras.optimizers.optimizer import Optimizer
from labkeras.optimizers.torch_optimizer import TorchOptimizer
from labkeras.serialization import deserialize_keras_object, resolve, serialize_keras_object

__all__ = ["deserialize", "get", "serialize"]


def get(identifier: Any) -> Optimizer | None:
    """The optimizer that an identifier means.

    Args:
        identifier: a name ("adam"), a config, an optimizer or a class of ours; or an optimizer of torch, made already,
            or its class or a `functools.partial` of that, made when the parameters are known. None stays None.

    Raises:
        UnknownComponentError: if no optimizer has the name.
        InvalidArgumentError: if it is nothing of these.

    Example:
        >>> get("sgd").momentum
        0.0
        >>> get(partial(torch.optim.SGD, lr=0.1)).built
        False
    """
    if identifier is None or isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str):
        return get(resolve(identifier, "optimizers"))
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    maker = identifier.func if isinstance(identifier, partial) else identifier
    if inspect.isclass(maker) and issubclass(maker, Optimizer):
        ours: Optimizer = identifier()
        return ours
    if isinstance(identifier, torch.optim.Optimizer) or (
        inspect.isclass(maker) and issubclass(maker, torch.optim.Optimizer)
    ):
        return TorchOptimizer(identifier)
    raise InvalidArgumentError(
        "an optimizer must be a name, a config, an Optimizer, or an optimizer of torch: made, its class, or a "
        f"functools.partial of its class. Received: {type(identifier).__name__} {identifier!r}"
    )


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """The config of an optimizer, as Keras writes it.

    Example:
        >>> serialize(get("sgd"))["class_name"]
        'SGD'
    """
    config: dict[str, Any] = serialize_keras_object(optimizer)
    return config


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Optimizer:
    """The optimizer that a config describes.

    Args:
        config: what `serialize`, or Keras, wrote.
        custom_objects: name → class, for optimizers and schedules that are not registered.

    Raises:
        SerializationError: if the config is malformed, names something unknown, or is of something else.
    """
    if "class_name" not in config:
        raise InvalidArgumentError(f"the config of an optimizer must have a `class_name`. Received: config={config!r}")
    optimizer: Optimizer = deserialize_keras_object(dict(config), custom_objects, kind="optimizers")
    return optimizer
