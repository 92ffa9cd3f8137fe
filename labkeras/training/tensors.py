"""Arrays of every kind as tensors: NumPy, pandas, lists, and whatever has `__array__` or `__dlpack__`.

Memory is shared wherever a type allows that, also with arrays that must not be written to: an array on disk
(`numpy.memmap`) is read batch by batch.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.utils.dlpack
from torch import Tensor

from labkeras import config
from labkeras.dtypes import to_torch
from labkeras.errors import DataError
from labkeras.nest import flatten, map_structure

__all__ = ["Converted", "as_tensor", "convert", "convert_all", "convert_at_once", "is_array", "narrowed"]

# Copies of this many bytes are not worth avoiding; above it, floats of another precision are converted batch by batch.
_CONVERT_AT_ONCE = 2**26
# Kinds of NumPy's data types that a tensor can hold: bool, signed and unsigned integers, floats, complex numbers.
_NUMBERS = "biufc"
# TensorFlow's and JAX's types of what is not a dense array.
_SPARSE = ("RaggedTensor", "SparseTensor", "BCOO", "BCSR")


@dataclass(frozen=True, slots=True)
class Converted:
    """A tensor, and whether its memory belongs to somebody who does not expect it to change."""

    tensor: Tensor
    is_read_only: bool


def is_array(value: Any) -> bool:
    """Whether a value is one array, or something that can become one; a sparse one, which is refused later, too."""
    return (
        _is_sparse(value)
        or isinstance(value, Tensor)
        or any(hasattr(value, name) for name in ("__array__", "to_numpy", "numpy", "__dlpack__"))
    )


def convert_all(structure: Any, role: str) -> Any:
    """`structure` with a `Converted` for each array in it; lists of numbers are arrays.

    Args:
        structure: arrays, nested; None stays.
        role: what they are for, in error messages.

    Raises:
        DataError: if something does not hold numbers.
    """
    if structure is None:
        return None
    if isinstance(structure, list | tuple) and all(np.isscalar(leaf) for leaf in flatten(structure)):
        return convert(structure, role)
    return map_structure(lambda leaf: None if leaf is None else convert(leaf, role), structure)


def convert(value: Any, role: str) -> Converted:
    """One array as a tensor, without a copy where its type allows that.

    Args:
        value: the array.
        role: what it is for, in error messages.

    Raises:
        DataError: if it does not hold numbers, or not in rows.
    """
    _refuse_sparse(value, role)
    if isinstance(value, Tensor):
        return Converted(value.detach() if value.requires_grad else value, False)
    if hasattr(value, "to_numpy"):
        return _from_numpy(_numbers_of_table(value), role)
    if not hasattr(value, "__array__"):
        if hasattr(value, "__dlpack__"):
            return Converted(torch.utils.dlpack.from_dlpack(value), False)
        value = value.numpy() if hasattr(value, "numpy") else value
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise DataError(
            f"`{role}` must hold a number in each place: fill the masked ones, as with `filled(0)`. Received: a masked "
            f"array of shape={value.shape}"
        )
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of unequal length
        raise DataError(f"`{role}` must hold rows of equal length: {error} Received: {value!r:.200}") from error
    return _from_numpy(array, role)


def as_tensor(value: Any, role: str) -> Tensor:
    """One array of a batch as a tensor that may be written to: floats of NumPy's in `floatx`, the rest as it is."""
    converted = convert(value, role)
    if isinstance(value, Tensor):
        return converted.tensor
    ready = narrowed(converted.tensor)
    return ready.clone() if converted.is_read_only and ready is converted.tensor else ready


def narrowed(tensor: Tensor) -> Tensor:
    """Floats in `floatx`; a tensor of anything else as it is."""
    return tensor.to(to_torch(None)) if tensor.is_floating_point() else tensor


def convert_at_once(tensor: Tensor) -> Tensor:
    """Floats in `floatx`, unless there are so many that this is better done batch by batch."""
    return narrowed(tensor) if tensor.numel() * to_torch(None).itemsize <= _CONVERT_AT_ONCE else tensor


def _is_sparse(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.layout is not torch.strided or value.is_nested
    kind = type(value)
    return kind.__module__.startswith("scipy.sparse") or kind.__name__ in _SPARSE


def _refuse_sparse(value: Any, role: str) -> None:
    if _is_sparse(value):
        shape = None if isinstance(value, Tensor) and value.is_nested else getattr(value, "shape", None)
        raise DataError(
            f"`{role}` must be dense, with rows of equal length: `toarray()`, `to_dense()`, `to_tensor()` or whatever "
            f"its library has makes it so. Received: {type(value).__module__}.{type(value).__name__} of shape={shape}"
        )


def _from_numpy(array: np.ndarray, role: str) -> Converted:
    if array.dtype.name == "bfloat16":  # of `ml_dtypes`, as JAX and TensorFlow have it; torch does not know that type
        bits = _from_numpy(array.view(np.int16), role)
        return Converted(bits.tensor.view(torch.bfloat16), bits.is_read_only)
    if array.dtype.kind not in _NUMBERS:
        raise DataError(
            f"`{role}` must hold numbers. Received: an array of dtype={array.dtype}, shape={array.shape}; rows of "
            "unequal length, strings, dates, categories and None cannot become a tensor"
        )
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.itemsize > 8 and array.dtype.kind == "f":  # longer than torch has them
        array = array.astype(np.float64)
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    if array.flags.writeable:
        return Converted(torch.from_numpy(array) if array.ndim else torch.as_tensor(array), False)
    with warnings.catch_warnings():
        # That nothing is written to it is seen to: batches of it are copies.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return Converted(torch.as_tensor(array), True)


def _numbers_of_table(table: Any) -> np.ndarray:
    """A DataFrame of pandas or polars as an array; a Series as one column, as in Keras."""
    array = np.asarray(table.to_numpy())
    if array.dtype == object and _has_numbers(table):
        # Nullable columns, or some of numbers and some of truth values. What is missing becomes NaN.
        array = np.asarray(table.to_numpy(dtype=config.floatx(), na_value=np.nan))
    return array[:, None] if array.ndim == 1 else array


def _has_numbers(table: Any) -> bool:
    kinds = [table.dtype] if hasattr(table, "dtype") else list(getattr(table, "dtypes", ()))
    return bool(kinds) and all(getattr(kind, "kind", "O") in _NUMBERS for kind in kinds)
