"""A model's layers and weights, by names that no two share."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

__all__ = ["named_layers", "named_weights"]


def named_layers(model: Any) -> dict[str, torch.nn.Module]:
    """The layers of a model, those of models within it one by one: "inner/dense". Inputs are none."""
    return _unique(_layers(model))


def named_weights(model: Any) -> dict[str, Tensor]:
    """The weights of a model's layers by their paths, such as "dense/kernel", in the order of the layers."""
    found: dict[int, tuple[str, Tensor]] = {}
    for layer in getattr(model, "layers", ()):
        if isinstance(layer, torch.nn.Module):
            for name, weight in _weights(layer):
                found.setdefault(id(weight), (name, weight))
    return _unique(found.values())


def _layers(model: Any, prefix: str = "") -> Iterator[tuple[str, torch.nn.Module]]:
    for layer in getattr(model, "layers", ()):
        name = prefix + _name(layer)
        if getattr(layer, "layers", None):
            yield from _layers(layer, f"{name}/")
        elif isinstance(layer, torch.nn.Module):
            yield name, layer


def _weights(layer: Any) -> Iterator[tuple[str, Tensor]]:
    if hasattr(layer, "weights"):
        for weight in layer.weights:
            yield str(getattr(weight, "path", "weight")).replace(":", "_"), weight
    else:  # a module of torch's
        for name, weight in layer.named_parameters():
            yield f"{_name(layer)}/{name.replace('.', '/')}", weight


def _name(layer: Any) -> str:
    return str(getattr(layer, "name", None) or type(layer).__name__.lower())


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        number, free = 0, name
        while free in found:
            number += 1
            free = f"{name}_{number}"
        found[free] = value
    return found
