"""The variables of one part of a model, in the order in which Keras 3 numbers them in a file."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.graph.input import InputLayer
from labkeras.layers.layer import Layer
from labkeras.layers.state import own_tensors
from labkeras.random import SeedGenerator

__all__ = ["array_of", "has_own_format", "own_variables"]


def own_variables(part: Any) -> list[Tensor]:
    """The variables of a part that are its own, not those of the parts within it.

    Of a layer: its weights in the order in which they were made, those that training never changes last. Of a module of
    torch's: everything in its `state_dict()`, in that order.
    """
    if isinstance(part, InputLayer):
        return []
    if isinstance(part, Layer | SeedGenerator):
        return own_tensors(part)
    if isinstance(part, torch.nn.Module):
        return [value for value in part.state_dict(keep_vars=True).values() if isinstance(value, Tensor)]
    variables: list[Tensor] = part.variables
    return variables


def has_own_format(part: Any) -> bool:
    """Whether a layer says itself what of it is saved, with `save_own_variables` and `load_own_variables`."""
    return isinstance(part, Layer) and (
        type(part).save_own_variables is not Layer.save_own_variables
        or type(part).load_own_variables is not Layer.load_own_variables
    )


def array_of(variable: Any) -> tuple[np.ndarray[Any, Any], str | None]:
    """The values of a variable as an array, and the name of its data type if NumPy has no such."""
    if not isinstance(variable, Tensor):
        return np.asarray(variable), None
    values = variable.detach().cpu()
    if values.dtype is torch.bfloat16:
        return values.contiguous().view(torch.int16).numpy().view("V2"), "bfloat16"  # two bytes each, as Keras does
    return values.as_subclass(Tensor).numpy(), None
