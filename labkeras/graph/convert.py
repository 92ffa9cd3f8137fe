"""as_tensor: what a function of tensors makes of an array, a list or a number."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from labkeras.dtypes import to_torch
from labkeras.errors import InvalidTypeError
from labkeras.graph.symbolic import KerasTensor

__all__ = ["TensorLike", "as_tensor"]

TensorLike: TypeAlias = Tensor | np.ndarray[Any, Any] | np.generic | Sequence[Any] | float
"""What `as_tensor` takes; placeholders pass as tensors."""

# A tuple, not a union: isinstance is twice as fast with it, and activations ask on every call.
_TENSORS = (Tensor, KerasTensor)


def as_tensor(x: TensorLike) -> Tensor:
    """`x` as a tensor; a tensor or placeholder is returned as it is.

    Args:
        x: a tensor, array, number or nested list of numbers or tensors. An array keeps its data type; Python's floats
            become `floatx`, its integers int32, as in Keras (int64 if one does not fit).

    Raises:
        InvalidTypeError: if it holds something other than numbers.

    Example:
        >>> as_tensor([1.0, 2.0]).dtype
        torch.float32
    """
    if isinstance(x, _TENSORS):
        return x
    if isinstance(x, list | tuple) and any(isinstance(item, _TENSORS) for item in x):
        return torch.stack([as_tensor(item) for item in x])
    array = np.array(x)  # a copy: torch warns of read-only memory and refuses negative strides
    if array.dtype.kind not in "biufc":
        raise InvalidTypeError(f"expected a tensor, an array or numbers. Received: {type(x).__name__} {x!r}")
    tensor = torch.from_numpy(array)
    # NumPy's float64 is a Python float as well, and taken for one, as in Keras.
    keeps_dtype = isinstance(x, np.ndarray | np.generic) and not isinstance(x, float)
    return tensor if keeps_dtype else tensor.to(_dtype_of_numbers(array))


def _dtype_of_numbers(array: np.ndarray[Any, Any]) -> torch.dtype:
    if array.dtype.kind == "f":
        return to_torch(None)
    if array.dtype.kind == "i" and (array.size == 0 or np.abs(array).max() < 2**31):
        return torch.int32
    return to_torch(array.dtype)
