"""Data types by name, and the dtype policy of a layer: what its weights are kept in and what it computes in."""

from typing import Any

import numpy as np
import torch

from labkeras import config
from labkeras.errors import InvalidArgumentError

__all__ = [
    "DTypePolicy",
    "dtype_policy",
    "get",
    "is_under_autocast",
    "set_dtype_policy",
    "standardize_dtype",
    "to_torch",
]

_TORCH_BY_NAME: dict[str, torch.dtype] = {
    "bool": torch.bool,
    "uint8": torch.uint8,
    "uint16": torch.uint16,
    "uint32": torch.uint32,
    "uint64": torch.uint64,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float32": torch.float32,
    "float64": torch.float64,
    "complex64": torch.complex64,
    "complex128": torch.complex128,
}
_NAME_BY_TORCH = {dtype: name for name, dtype in _TORCH_BY_NAME.items()}
_ALIASES = {"float": "float32", "double": "float64", "half": "float16", "int": "int32", "long": "int64"}
_MIXED_POLICIES = {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}


def standardize_dtype(dtype: Any) -> str:
    """The name of a data type: "float32" for "float32", `torch.float32`, `numpy.float32`, `float` or None (`floatx`).

    Raises:
        InvalidArgumentError: if it names no data type.
    """
    if dtype is None:
        return config.floatx()
    if isinstance(dtype, torch.dtype):
        return _NAME_BY_TORCH[dtype]
    if isinstance(dtype, str):
        name = _ALIASES.get(dtype, dtype)
    elif dtype is float:
        name = config.floatx()
    elif dtype is int:
        name = "int32"  # as Keras on torch
    else:
        try:
            name = np.dtype(dtype).name
        except TypeError:
            name = ""
    if name not in _TORCH_BY_NAME:
        raise InvalidArgumentError(f"`dtype` must name a data type, such as 'float32'. Received: dtype={dtype!r}")
    return name


def to_torch(dtype: Any) -> torch.dtype:
    """The torch data type of anything that `standardize_dtype` understands."""
    return _TORCH_BY_NAME[standardize_dtype(dtype)]


def is_under_autocast(tensor: torch.Tensor) -> bool:
    """Whether `torch.autocast` is on where a tensor is: the mixture of floating types is then torch's business."""
    # torch knows no autocast for "meta", and raises.
    return tensor.device.type != "meta" and torch.is_autocast_enabled(tensor.device.type)


class DTypePolicy:
    """What a layer keeps its weights in, and what it computes in.

    Args:
        name: a data type ("float32"), for both, or "mixed_bfloat16" / "mixed_float16": weights in float32,
            computation in the 16-bit type.

    Example:
        >>> DTypePolicy("mixed_bfloat16").compute_dtype
        'bfloat16'
    """

    _keras_public_name = ("keras", "DTypePolicy")

    def __init__(self, name: str | None = None) -> None:
        name = config.floatx() if name is None else name
        if name in _MIXED_POLICIES:
            self.name, self.variable_dtype, self.compute_dtype = name, "float32", _MIXED_POLICIES[name]
        else:
            self.name = self.variable_dtype = self.compute_dtype = standardize_dtype(name)
        self.is_mixed = self.variable_dtype != self.compute_dtype
        """Whether weights must be cast before one computes with them."""

    @property
    def torch_compute_dtype(self) -> torch.dtype:
        """`compute_dtype` as torch's object."""
        return _TORCH_BY_NAME[self.compute_dtype]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal policy."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "DTypePolicy":
        """The policy that `get_config` described."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(("DTypePolicy", self.name))

    def __repr__(self) -> str:
        return f"DTypePolicy({self.name!r})"


_global_policy: DTypePolicy | None = None


def dtype_policy() -> DTypePolicy:
    """The policy of layers that name none: `floatx` unless `set_dtype_policy` changed it."""
    return _global_policy if _global_policy is not None else DTypePolicy()


def set_dtype_policy(policy: "str | DTypePolicy | None") -> None:
    """Sets the policy of layers made from now on; `None` returns to `floatx`."""
    global _global_policy
    _global_policy = None if policy is None else get(policy)


def get(identifier: Any) -> DTypePolicy:
    """The policy of a name, a config `{"class_name": "DTypePolicy", …}`, a data type, or None (the global one)."""
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        if identifier.get("class_name") != "DTypePolicy" or not isinstance(identifier.get("config"), dict):
            raise InvalidArgumentError(f"`dtype` must be the config of a DTypePolicy. Received: dtype={identifier!r}")
        return DTypePolicy.from_config(identifier["config"])
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    return DTypePolicy(standardize_dtype(identifier))
