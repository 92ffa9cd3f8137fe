"""Calls of torch's functions ↔ Keras's operations: `x.mean(1)` is saved as `Mean`, and `Mean` is read as `torch.mean`.

The tables are closed: what is read is one of the functions named there, and never looked up by what a file says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from labkeras.errors import SerializationError, did_you_mean
from labkeras.graph.symbolic import KerasTensor, Node, keras_tensors
from labkeras.models.operation_call import Call
from labkeras.models.operation_readers import READERS, Reader
from labkeras.models.operation_twins import TWINS, Twin
from labkeras.models.operation_writers import WRITERS

__all__ = ["OPERATIONS", "apply_operation", "keras_call"]

OPERATIONS: Mapping[str, Twin | Reader] = {**TWINS, **READERS}
"""The operations that are read: "numpy.Mean", …"""

_NAMES_FOR_SIZES = ("Add", "Subtract", "Multiply", "TrueDivide", "FloorDivide", "Mod", "Negative", "GetItem", "Reshape")
_FOR_SIZES = tuple(f"numpy.{name}" for name in _NAMES_FOR_SIZES)
_VALUES = (KerasTensor, Tensor, np.ndarray, bool, int, float)
_GREATEST_SIZE = 2**48  # beyond what any tensor has

_BY_FUNCTION: dict[Any, list[str]] = {}
for _operation, _twin in TWINS.items():
    for _function in (*_twin.functions, _twin.read):
        _BY_FUNCTION.setdefault(_function, []).append(_operation)


def keras_call(node: Node) -> Call | None:
    """The operation of Keras's that computes what a call of a function in the graph does; None if Keras has none.

    Args:
        node: a call of a function, not of a layer or module.
    """
    if not _is_hashable(node.operation):
        return None
    for operation in _BY_FUNCTION.get(node.operation, ()):
        call = TWINS[operation].write(operation, node.operation, node.args, node.kwargs)
        if call is not None:
            return call
    write = WRITERS.get(node.operation)
    return None if write is None else write(node)


def apply_operation(operation: str, config: dict[str, Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Calls the function of torch's that computes what an operation of Keras's does, on placeholders.

    Args:
        operation: the operation's module and class: "numpy.Mean".
        config: its settings, its name among them.
        args, kwargs: what it is called on.

    Returns:
        The placeholders of the results.

    Raises:
        SerializationError: if labkeras has no such operation, or the settings are not its.
    """
    settings = {key: value for key, value in config.items() if key != "name"}
    name = config.get("name")
    if not isinstance(name, str):
        raise SerializationError(f"an operation must have a name. Received: name={name!r} for {operation!r}")
    twin = OPERATIONS.get(operation)
    if twin is None:
        raise SerializationError(_unknown(operation))
    _check_sizes((args, kwargs), operation)
    for value in (*args, *kwargs.values()):
        _check_argument(value, operation)
    outputs = twin.call(settings, args, kwargs, name)
    _check_sizes_of_results(outputs, operation)
    return outputs


def _unknown(operation: str) -> str:
    return (
        f"labkeras does not read Keras's operation {operation!r} yet.{did_you_mean(operation, OPERATIONS)} Put it "
        "into a layer of your own, registered with `labkeras.saving.register_keras_serializable()`, and save again."
    )


def _check_sizes(arguments: Any, operation: str) -> None:
    """`x.size(0)` is a Python number when it is tried out: nothing may be done to it that takes for ever."""
    if operation not in _FOR_SIZES and any(tensor.trials is not None for tensor in keras_tensors(arguments)):
        raise SerializationError(
            f"the operation {operation!r} is not applied to sizes of tensors. Received: a size as an argument"
        )


def _check_sizes_of_results(outputs: Any, operation: str) -> None:
    for tensor in keras_tensors(outputs):
        if tensor.trials is not None and max(map(abs, tensor.trials)) > _GREATEST_SIZE:
            raise SerializationError(f"the operation {operation!r} makes a size of more than {_GREATEST_SIZE}.")


def _check_argument(value: Any, operation: str) -> None:
    """Operations take tensors, numbers, slices and flat lists of these: nothing that Python could multiply for ever."""
    sequence = isinstance(value, list | tuple)
    for item in value if sequence else (value,):
        inner = (item.start, item.stop, item.step) if isinstance(item, slice) else (item,)
        if isinstance(item, list) and all(isinstance(one, bool | int) for one in item):
            continue
        for one in inner:
            if not (one is None or one is Ellipsis or isinstance(one, _VALUES)):
                raise SerializationError(
                    f"the operation {operation!r} takes tensors and numbers. Received: a {type(one).__name__}"
                )


def _is_hashable(value: Any) -> bool:
    return getattr(value, "__hash__", None) is not None
