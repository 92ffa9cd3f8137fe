"""From arrays, numbers and lists to tensors."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras import dtypes

__all__ = ["to_float_tensor", "to_tensor"]


def to_tensor(value: Any, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
    """`value` as a tensor; a tensor that is right already comes back itself.

    Args:
        value: a tensor, an array, a number, or nested lists of these.
        dtype: the data type to cast to; unless given, floats written in Python become `floatx`, all else keeps its own.
        device: where arrays, numbers and lists go; a tensor stays where it is.
    """
    if isinstance(value, Tensor):
        return value if dtype is None or value.dtype is dtype else value.to(dtype)
    if isinstance(value, list | tuple) and _holds_tensors(value):
        return torch.stack([to_tensor(item, dtype, device) for item in value])
    array = np.asarray(value)
    if dtype is None and array.dtype == np.float64 and not isinstance(value, np.ndarray | np.generic):
        dtype = dtypes.to_torch(None)
    return torch.as_tensor(array, dtype=dtype, device=device)


def to_float_tensor(value: Any) -> Tensor:
    """`value` as a tensor of a float type: whole numbers and booleans become `floatx`."""
    tensor = value if isinstance(value, Tensor) else to_tensor(value)
    return tensor if tensor.is_floating_point() else tensor.to(dtypes.to_torch(None))


def _holds_tensors(items: Any) -> bool:
    """Whether a nested list has a tensor in it; the first item of each level tells."""
    while isinstance(items, list | tuple) and items:
        items = items[0]
    return isinstance(items, Tensor)
