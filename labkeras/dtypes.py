"""Data types by name, and the dtype policy of a layer: what its weights are kept in and what it computes in."""

import copy
import re
from collections.abc import Iterator, MutableMapping
from typing import Any

import numpy as np
import torch

from labkeras import config
from labkeras.errors import InvalidArgumentError, InvalidTypeError, did_you_mean

__all__ = [
    "DTypePolicy",
    "DTypePolicyMap",
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
            computation in the 16-bit type. The global policy's unless given.

    Raises:
        InvalidArgumentError: if it names neither a data type nor a policy.

    Example:
        >>> DTypePolicy("mixed_bfloat16").compute_dtype
        'bfloat16'
    """

    _keras_public_name = ("keras", "DTypePolicy")
    quantization_mode: str | None = None
    """How weights are quantized; here they are not."""

    name: str
    variable_dtype: str
    """What weights are kept in."""
    compute_dtype: str
    """What layers compute in."""

    def __init__(self, name: str | None = None) -> None:
        name = dtype_policy().name if name is None else name
        if name in _MIXED_POLICIES:
            self.name, self.variable_dtype, self.compute_dtype = name, "float32", _MIXED_POLICIES[name]
        else:
            self.name = self.variable_dtype = self.compute_dtype = _type_of_policy(name)
        self.is_mixed = self.variable_dtype != self.compute_dtype
        """Whether weights must be cast before one computes with them."""

    @property
    def torch_compute_dtype(self) -> torch.dtype:
        """`compute_dtype` as torch's object."""
        return _TORCH_BY_NAME[self.compute_dtype]

    def convert_input(self, x: Any, autocast: bool, dtype: Any) -> Any:
        """An input of a layer as the layer takes it.

        Args:
            x: a tensor, a placeholder, an array, or anything else, which is returned as it is.
            autocast: whether to cast floats; other tensors keep their type.
            dtype: the type to cast to.
        """
        if isinstance(x, np.ndarray | np.generic):
            x = torch.as_tensor(x)
        name = standardize_dtype(dtype)
        own = getattr(x, "dtype", None)
        if own is None or not autocast or standardize_dtype(own) == name or "float" not in standardize_dtype(own):
            return x
        return x.to(_TORCH_BY_NAME[name])

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal policy."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "DTypePolicy":
        """The policy that `get_config` described."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return type(other) is DTypePolicy and other.name == self.name

    def __hash__(self) -> int:
        return hash(("DTypePolicy", self.name))

    def __repr__(self) -> str:
        return f"DTypePolicy({self.name!r})"


class DTypePolicyMap(DTypePolicy, MutableMapping[str, DTypePolicy]):
    """Policies of the layers within a layer, by their paths.

    A layer that is given a map as its `dtype` hands it on to the layers within it, each of which has the policy of its
    own path: that under the path itself, else that under the one regular expression that the whole path matches, else
    the default. A map equals only itself.

    Args:
        default_policy: the policy of paths that nothing matches; the global one unless given.
        policy_map: path, or regular expression → policy, or its name.

    Raises:
        InvalidArgumentError: if the default is a map itself.
        InvalidTypeError: if `policy_map` is no dict.

    Example:
        >>> policies = DTypePolicyMap("float32", {"encoder/.*": DTypePolicy("mixed_bfloat16")})
        >>> policies["encoder/dense"], policies["decoder/dense"]
        (DTypePolicy('mixed_bfloat16'), DTypePolicy('float32'))
    """

    _keras_public_name = ("keras.dtype_policies", "DTypePolicyMap")

    def __init__(self, default_policy: Any = None, policy_map: dict[str, Any] | None = None) -> None:
        if isinstance(default_policy, DTypePolicyMap):
            raise InvalidArgumentError(
                f"`default_policy` must be one policy, not a map. Received: default_policy={default_policy!r}"
            )
        if policy_map is not None and not isinstance(policy_map, dict):
            raise InvalidTypeError(f"`policy_map` must be a dict. Received: policy_map={policy_map!r}")
        self._given_default = default_policy
        self._policies = {path: get(policy) for path, policy in (policy_map or {}).items()}
        self.default_policy = get(default_policy)
        """The policy of paths that nothing matches."""
        self._stand_for(self.default_policy)

    def bound_to(self, path: str) -> "DTypePolicyMap":
        """The same map, with the types of one path as its own `variable_dtype` and `compute_dtype`.

        Args:
            path: the path of a layer.
        """
        bound = copy.copy(self)
        bound._stand_for(self[path])
        return bound

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal map."""
        return {
            "default_policy": self._given_default,
            "policy_map": {path: _written(policy) for path, policy in self._policies.items()},
        }

    def __getitem__(self, path: str) -> DTypePolicy:
        if path in self._policies:
            return self._policies[path]
        matching = [pattern for pattern in self._policies if re.fullmatch(pattern, path)]
        if len(matching) > 1:
            raise InvalidArgumentError(
                "a path must match one pattern of a DTypePolicyMap at most. "
                f"Received: {path!r}, which matches {matching}"
            )
        return self._policies[matching[0]] if matching else self.default_policy

    def __setitem__(self, path: str, policy: Any) -> None:
        if path in self._policies:
            raise InvalidArgumentError(
                "a DTypePolicyMap has one policy for each path: delete the old one first. "
                f"Received: {path!r}, which has {self._policies[path]!r}"
            )
        self._policies[path] = get(policy)

    def __delitem__(self, path: str) -> None:
        del self._policies[path]

    def __contains__(self, path: object) -> bool:
        return path in self._policies

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __len__(self) -> int:
        return len(self._policies)

    def __bool__(self) -> bool:
        return True  # it is a policy, also while it is empty

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicyMap) and other._policies is self._policies

    def __hash__(self) -> int:
        return id(self._policies)

    def __repr__(self) -> str:
        return f"DTypePolicyMap({self._given_default!r}, {self._policies!r})"

    def _stand_for(self, policy: DTypePolicy) -> None:
        self.name = f"map_{self.default_policy.name}"
        self.variable_dtype, self.compute_dtype = policy.variable_dtype, policy.compute_dtype
        self.is_mixed = policy.is_mixed


_global_policy: DTypePolicy | None = None


def dtype_policy() -> DTypePolicy:
    """The policy of layers that name none: `floatx` unless `set_dtype_policy` changed it."""
    return _global_policy if _global_policy is not None else DTypePolicy(config.floatx())


def set_dtype_policy(policy: "str | DTypePolicy | None") -> None:
    """Sets the policy of layers made from now on; `None` returns to `floatx`."""
    global _global_policy
    _global_policy = None if policy is None else get(policy)


def get(identifier: Any) -> DTypePolicy:
    """The policy of a name, a config `{"class_name": "DTypePolicy", …}`, a data type, or None (the global one).

    Raises:
        InvalidArgumentError: if it is nothing of these.
    """
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return _read(identifier)
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    return DTypePolicy(standardize_dtype(identifier))


def _read(written: dict[str, Any]) -> DTypePolicy:
    """The policy that a config describes, at any depth but that of a map in a map."""
    name, config = written.get("class_name"), written.get("config")
    if name in ("DTypePolicy", "FloatDTypePolicy") and isinstance(config, dict):
        return DTypePolicy.from_config(config)
    if name == "DTypePolicyMap" and isinstance(config, dict):
        return DTypePolicyMap.from_config(config)
    raise InvalidArgumentError(f"`dtype` must be the config of a DTypePolicy. Received: dtype={written!r}")


def _written(policy: DTypePolicy) -> dict[str, Any]:
    module, name = policy._keras_public_name
    return {"module": module, "class_name": name, "config": policy.get_config(), "registered_name": None}


def _type_of_policy(name: Any) -> str:
    try:
        return standardize_dtype(name)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            "a policy must be a data type, such as 'float32', or 'mixed_bfloat16' or 'mixed_float16'."
            f"{did_you_mean(str(name), [*_TORCH_BY_NAME, *_MIXED_POLICIES])} Received: name={name!r}"
        ) from error
