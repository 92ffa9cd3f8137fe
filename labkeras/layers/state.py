"""The tensors that a layer keeps: which are its own, in what order they are listed, which of them training changes."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.layers.tracking import Holder
from labkeras.random import SeedGenerator

__all__ = ["as_array", "free_name", "own_tensors", "set_trainable", "state_of", "unique", "weights_of"]


def weights_of(module: torch.nn.Module) -> list[Any]:
    """A module's weights and those of the modules within it, in Keras's order; seeds are not weights."""
    weights = [] if isinstance(module, SeedGenerator) else own_tensors(module)
    for child in module.children():
        weights.extend(weights_of(child))
    return weights


def state_of(module: torch.nn.Module) -> list[Any]:
    """All that a module keeps, seeds included, in Keras's order."""
    state = own_tensors(module)
    # Keras's order: a layer's own seeds come before the layers within it.
    children = sorted(module.children(), key=lambda child: not isinstance(child, SeedGenerator))
    for child in children:
        state.extend(state_of(child))
    return state


def own_tensors(module: torch.nn.Module) -> list[Any]:
    """A module's own parameters and lasting buffers, without those of the modules within it."""
    buffers = (buffer for name, buffer in module._buffers.items() if name not in module._non_persistent_buffers_set)
    return [tensor for tensor in (*module._parameters.values(), *buffers) if tensor is not None]


def set_trainable(module: torch.nn.Module, value: bool) -> None:
    """Says of a layer, a module of torch's or a container of them whether training changes it."""
    if hasattr(type(module), "trainable"):
        setattr(module, "trainable", value)  # noqa: B010  # a layer's property, which torch's class does not declare
    elif isinstance(module, Holder):
        for child in module.children():
            set_trainable(child, value)
    else:
        module.requires_grad_(value)


def free_name(layer: torch.nn.Module, name: str) -> str:
    """`name`, or `name_1`, …: the first that no weight or method of the layer has."""
    candidate, number = name.replace(".", "_"), 0
    while candidate in layer._parameters or candidate in layer._buffers or hasattr(type(layer), candidate):
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def as_array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """A tensor's values as an array, a copy."""
    values = tensor.detach().cpu()
    # NumPy has no bfloat16.
    return (values.float() if values.dtype is torch.bfloat16 else values).numpy().copy()


def unique(tensors: list[Any]) -> list[Any]:
    """Each tensor once, where it comes first: layers can share weights."""
    return list({id(tensor): tensor for tensor in tensors}.values())
