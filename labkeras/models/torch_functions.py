"""Functions of torch's that Keras has no operation for ↔ their names in a config.

The names that are read are a closed list: of the functions that torch lets one override, those that are public, change
nothing in place and touch nothing outside. What changes its arguments, torch's own operator schemas say.
"""

import functools
import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from labkeras.errors import SerializationError, did_you_mean
from labkeras.graph.symbolic import keras_tensors, record

__all__ = ["apply_function", "function_path", "torch_functions"]

# Module of a function → what the names of its operators begin with.
_PREFIXES = {
    "torch": "",
    "torch.Tensor": "",
    "torch.functional": "",
    "torch.fft": "fft_",
    "torch.linalg": "linalg_",
    "torch.special": "special_",
}
_OPERATORS = ("and_", "invert", "lshift", "or_", "pos", "rshift", "xor")
_ATTRIBUTES = ("H", "T", "imag", "mH", "mT", "real")
# Not in place by their schemas, and yet not what a model computes with.
_LEFT_OUT = frozenset({"torch.Tensor.backward", "torch.Tensor.record_stream", "torch.Tensor.retain_grad"})


@functools.cache
def torch_functions() -> Mapping[str, Callable[..., Any]]:
    """Path → function, for all functions and methods of torch's that a config may name.

    Example:
        >>> torch_functions()["torch.Tensor.cummax"].__name__
        'cummax'
    """
    found: dict[str, Callable[..., Any]] = {f"operator.{name}": getattr(operator, name) for name in _OPERATORS}
    overridable = (function for listed in torch.overrides.get_overridable_functions().values() for function in listed)
    for function in overridable:
        path = torch.overrides.resolve_name(function)
        if path is not None and _is_pure(path):
            found[path] = function
    return found


def function_path(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    """The path by which `apply_function` finds a function again; None for one that it would not find.

    Args:
        function: what was called on placeholders.
        args, kwargs: what it was called with.
    """
    if function is getattr and len(args) == 2 and args[1] in _ATTRIBUTES:
        return f"torch.Tensor.{args[1]}"
    return None if "out" in kwargs else _paths().get(function)


def apply_function(path: Any, args: Sequence[Any], kwargs: dict[str, Any], name: str) -> Any:
    """Calls a function of torch's on placeholders, by its path.

    Raises:
        SerializationError: if the path is none of the closed list.
    """
    attribute = str(path).removeprefix("torch.Tensor.")
    if str(path).startswith("torch.Tensor.") and attribute in _ATTRIBUTES and len(args) == 1 and not kwargs:
        return record(getattr, (args[0], attribute), {}, name=name)
    known = torch_functions()
    if not isinstance(path, str) or path not in known or "out" in kwargs:
        raise SerializationError(
            f"a model may call functions of torch's that compute and change nothing in place; {path!r} is none of them."
            f"{did_you_mean(str(path), known)} Put the call into a layer of your own, registered with "
            "`labkeras.saving.register_keras_serializable()`."
        )
    if path.startswith("operator.") and any(tensor.trials is not None for tensor in keras_tensors(args)):
        raise SerializationError(f"{path!r} is not applied to sizes of tensors. Received: a size as an argument")
    return record(known[path], tuple(args), dict(kwargs), name=name)


@functools.cache
def _paths() -> Mapping[Callable[..., Any], str]:
    paths: dict[Callable[..., Any], str] = {}
    for path, function in torch_functions().items():
        paths.setdefault(function, path)
    return paths


def _is_pure(path: str) -> bool:
    module, _, name = path.rpartition(".")
    if name.startswith("_") or name.endswith("_") or path in _LEFT_OUT:
        return False
    if module == "torch.nn.functional":
        return inspect.isroutine(getattr(torch.nn.functional, name, None))
    if module not in _PREFIXES or (module == "torch.Tensor" and not callable(getattr(Tensor, name, None))):
        return False
    packet = getattr(torch.ops.aten, _PREFIXES[module] + name, None)
    if not isinstance(packet, torch._ops.OpOverloadPacket):
        return False
    overloads = packet.overloads()  # type: ignore[no-untyped-call]  # torch's is untyped
    return not any(_writes_into(getattr(packet, overload)._schema) for overload in overloads)


def _writes_into(schema: Any) -> bool:
    """Whether a call writes into one of its arguments, other than `out` and the like, which are keywords."""
    return any(
        argument.alias_info is not None
        and argument.alias_info.is_write
        and not argument.kwarg_only
        and isinstance(argument.type, torch.TensorType)
        for argument in schema.arguments
    )
