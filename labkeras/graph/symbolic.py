"""KerasTensor and Node: how a call on a placeholder is noted.

Anything that torch lets one do to a tensor arrives at `record`: functions through `__torch_function__`, methods through
`__getattr__`, operators directly, modules through `torch.nn.Module.__call__` (see `_watch_modules`), layers by
themselves.
"""

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from labkeras.dtypes import standardize_dtype, to_torch
from labkeras.errors import InvalidArgumentError, InvalidTypeError
from labkeras.graph.shape_inference import infer
from labkeras.naming import auto_name
from labkeras.nest import flatten, map_structure

__all__ = [
    "KerasTensor",
    "Node",
    "any_symbolic",
    "describe",
    "keras_tensors",
    "map_arguments",
    "record",
    "standardize_shape",
]

Shape = tuple[int | None, ...]

_TENSOR_POW = torch.Tensor.__pow__
# What Keras calls operations for which torch, or Python, has another word: outputs and saved graphs go by these names.
_KERAS_NAMES = {
    "abs": "absolute",
    "amax": "max",
    "amin": "min",
    "and": "logical_and",
    "cat": "concatenate",
    "clamp": "clip",
    "eq": "equal",
    "floordiv": "floor_divide",
    "ge": "greater_equal",
    "getitem": "get_item",
    "gt": "greater",
    "invert": "logical_not",
    "le": "less_equal",
    "lt": "less",
    "mul": "multiply",
    "ne": "not_equal",
    "neg": "negative",
    "or": "logical_or",
    "permute": "transpose",
    "pow": "power",
    "sub": "subtract",
    "to": "cast",
    "truediv": "true_divide",
    "unsqueeze": "expand_dims",
    "view": "reshape",
    "xor": "logical_xor",
}


def standardize_shape(shape: Any) -> Shape:
    """A shape as a tuple of sizes, None for an axis whose size is not known.

    Raises:
        InvalidArgumentError: if it is no sequence of non-negative integers and None.
    """
    if isinstance(shape, int) or not isinstance(shape, Sequence | torch.Size):
        raise InvalidArgumentError(f"a shape must be a tuple of sizes, such as (28, 28, 1). Received: shape={shape!r}")
    for size in shape:
        if size is not None and (isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 0):
            raise InvalidArgumentError(
                f"a shape holds non-negative integers, and None for an unknown size. Received: shape={tuple(shape)!r}"
            )
    return tuple(None if size is None else int(size) for size in shape)


class KerasTensor:
    """A placeholder: the shape and data type of a tensor whose values come later.

    Layers, torch functions and modules, tensor methods and operators can be applied to it; each returns a
    KerasTensor in turn, and `Model(inputs, outputs)` makes a model of what was applied.

    Args:
        shape: sizes of the axes, None where unknown; the first one is the batch.
        dtype: data type of the values.
        name: a name; given by counter unless set.

    Example:
        >>> x = KerasTensor((None, 4))
        >>> torch.cat([x, x * 2], dim=-1).shape
        (None, 8)
    """

    # NumPy hands `array + placeholder` over to `__radd__` instead of trying it element by element.
    __array_ufunc__ = None

    def __init__(
        self,
        shape: Sequence[int | None],
        dtype: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        record_history: bool = True,
        name: str | None = None,
    ) -> None:
        if sparse or ragged:
            raise InvalidArgumentError(
                f"sparse and ragged placeholders are not supported. Received: sparse={sparse}, ragged={ragged}"
            )
        del record_history  # Keras's argument; a placeholder that no model uses costs nothing here
        _watch_modules()
        self.shape: Shape = standardize_shape(shape)
        self.dtype: str = standardize_dtype(dtype)
        self.name: str = name if name is not None else auto_name("keras_tensor")
        self.node: Node | None = None
        self.index = 0
        self.trials: tuple[int, int] | None = None
        self._keras_mask: KerasTensor | None = None

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def dim(self) -> int:
        """The number of axes, as torch's method."""
        return len(self.shape)

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return record(func, args, kwargs or {})

    def __getattr__(self, name: str) -> Any:
        method = getattr(torch.Tensor, name, None) if not name.startswith("_") else None
        if method is None:
            raise AttributeError(f"a KerasTensor has no attribute {name!r}")
        if name.endswith("_") or name in ("data", "grad", "backward", "numpy", "item", "tolist"):
            raise AttributeError(
                f"`.{name}` needs the values of a tensor, but this is a placeholder of shape {self.shape}. "
                "Use it in a layer's `call`, or an operation that returns a new tensor."
            )
        if callable(method):
            return functools.partial(_record_method, method, self)
        return record(getattr, (self, name), {})

    def __getitem__(self, key: Any) -> Any:
        return record(operator.getitem, (self, key), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        raise InvalidTypeError(
            f"a placeholder cannot be changed in place. Received: an assignment to {describe(self)}[{key!r}]. "
            "Use `torch.where`, or write a layer."
        )

    def __bool__(self) -> bool:
        raise InvalidTypeError(
            f"the values of {describe(self)} are not known while a model is built, so Python cannot branch on them. "
            "Use `torch.where`, or write a layer whose `call` has the branch."
        )

    def __iter__(self) -> Iterator[Any]:
        if not self.shape or self.shape[0] is None:
            raise InvalidTypeError(
                f"{describe(self)} cannot be iterated over: the size of its first axis is not known."
            )
        return (self[index] for index in range(self.shape[0]))

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            raise InvalidTypeError(f"{describe(self)} has no len(): the size of its first axis is not known.")
        return self.shape[0]

    def __float__(self) -> float:
        raise InvalidTypeError(f"{describe(self)} has no values yet, so it cannot become a Python number.")

    __int__ = __float__
    __index__ = __float__

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise InvalidTypeError(f"{describe(self)} has no values yet, so it cannot become a NumPy array.")

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    def __keras_serialize__(self) -> dict[str, Any]:
        return {"class_name": "__keras_tensor__", "config": {"shape": list(self.shape), "dtype": self.dtype}}


class Node:
    """One call: what was called, on what, and the placeholders that it returned.

    Args:
        operation: a layer, module or function.
        args, kwargs: what it was called with; KerasTensors anywhere in them.
        outputs: what it returned, a nested structure with KerasTensors.
        name: a name, unique in the model; a layer's or module's calls bear its name.
    """

    def __init__(
        self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any, name: str | None = None
    ) -> None:
        self.operation = operation
        self.args = args
        self.kwargs = kwargs
        self.outputs = outputs
        self.name = name or _name_of(operation)
        self.masks: tuple[str, ...] = ()
        """The keyword arguments that masks were handed to; in Keras they are no edges of the graph."""
        for index, tensor in enumerate(self.output_tensors):
            tensor.node, tensor.index = self, index
        if hasattr(operation, "_inbound_nodes"):
            operation._inbound_nodes.append(self)

    @property
    def input_tensors(self) -> list[KerasTensor]:
        """The placeholders among the arguments, in order."""
        return keras_tensors((self.args, self.kwargs))

    @property
    def graph_inputs(self) -> list[KerasTensor]:
        """The placeholders among the arguments without masks that were passed on by themselves."""
        return keras_tensors(
            (self.args, {name: value for name, value in self.kwargs.items() if name not in self.masks})
        )

    @property
    def output_tensors(self) -> list[KerasTensor]:
        """The placeholders among the results, in order."""
        return keras_tensors(self.outputs)

    def __repr__(self) -> str:
        return f"<Node {self.name}: {', '.join(map(describe, self.input_tensors))} → {self.outputs!r}>"


def record(
    operation: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    outputs: Any = None,
    name: str | None = None,
    masks: tuple[str, ...] = (),
) -> Any:
    """Notes a call on placeholders, and returns the placeholders of its results.

    Args:
        operation: a layer, module or function.
        args, kwargs: what it is called with.
        outputs: what it returns, where the caller knows; otherwise it is run without values to find out.
        name: the node's name, for a call that is not named after its operation.
        masks: the keyword arguments that masks were handed to by themselves.
    """
    if not isinstance(operation, torch.nn.Module):
        operation = _operator_behind(operation)
        args, kwargs = map_arguments(_without_numpy, args), map_arguments(_without_numpy, kwargs)
    if outputs is None:
        outputs = infer(operation, args, kwargs, KerasTensor)
        if not any(isinstance(leaf, KerasTensor) for leaf in flatten(outputs)):
            return outputs
    Node(operation, args, kwargs, outputs, name).masks = masks
    return outputs


def map_arguments(function: Callable[[Any], Any], structure: Any) -> Any:
    """`map_structure` that looks into slices as well: `x[:, a:b]`."""

    def leaf(item: Any) -> Any:
        if isinstance(item, slice):
            return slice(function(item.start), function(item.stop), function(item.step))
        return function(item)

    return map_structure(leaf, structure)


def keras_tensors(structure: Any) -> list[KerasTensor]:
    """The placeholders anywhere in nested lists, tuples, dicts and slices, in order of first appearance."""
    found: dict[int, KerasTensor] = {}
    _collect(structure, found)
    return list(found.values())


def any_symbolic(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a placeholder is anywhere among a call's arguments."""
    for arg in args:
        kind = type(arg)
        if kind is torch.Tensor:
            continue
        if kind is KerasTensor or (kind in (list, tuple, dict) and keras_tensors(arg)):
            return True
    return bool(kwargs) and bool(keras_tensors(kwargs))


def describe(tensor: Any) -> str:
    """A placeholder in an error message: its shape and where it comes from."""
    if not isinstance(tensor, KerasTensor):
        return repr(tensor)
    origin = tensor.node.name if tensor.node is not None else tensor.name
    return f"<KerasTensor of shape {tensor.shape} from {origin!r}>"


def _collect(structure: Any, found: dict[int, KerasTensor]) -> None:
    if isinstance(structure, KerasTensor):
        found.setdefault(id(structure), structure)
    elif isinstance(structure, dict):
        for value in structure.values():
            _collect(value, found)
    elif isinstance(structure, list | tuple):
        for item in structure:
            _collect(item, found)
    elif isinstance(structure, slice):
        _collect((structure.start, structure.stop, structure.step), found)


def _operator_behind(function: Any) -> Any:
    """`tensor ** placeholder` arrives as a wrapper of torch's that no module holds, so that no code could name it."""
    return operator.pow if function is _TENSOR_POW else function


def _without_numpy(leaf: Any) -> Any:
    if isinstance(leaf, np.generic):
        return leaf.item()
    if not isinstance(leaf, np.ndarray):
        return leaf
    tensor = torch.as_tensor(leaf)
    # NumPy's default of float64 would turn the whole model into float64.
    return tensor.to(to_torch(None)) if tensor.is_floating_point() else tensor


def _name_of(operation: Any) -> str:
    if isinstance(operation, torch.nn.Module):
        name = getattr(operation, "name", None)
        if isinstance(name, str):
            return name
        # A module of torch's has no name: it gets one that it keeps for its later calls.
        name = getattr(operation, "_labkeras_name", None) or auto_name(type(operation).__name__)
        operation.__dict__["_labkeras_name"] = name
        return name
    name = getattr(operation, "__name__", type(operation).__name__).strip("_")
    return auto_name(_KERAS_NAMES.get(name, name))


def _record_method(method: Callable[..., Any], tensor: KerasTensor, *args: Any, **kwargs: Any) -> Any:
    return record(method, (tensor, *args), kwargs)


def _operators() -> None:
    """Gives KerasTensor Python's operators, forward and reflected."""

    def binary(function: Callable[..., Any], reflected: bool) -> Callable[[KerasTensor, Any], Any]:
        def method(self: KerasTensor, other: Any) -> Any:
            return record(function, (other, self) if reflected else (self, other), {})

        return method

    for name in (
        *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"),
        *("and_", "or_", "xor", "lshift", "rshift"),
    ):
        function, plain = getattr(operator, name), name.rstrip("_")
        setattr(KerasTensor, f"__{plain}__", binary(function, reflected=False))
        setattr(KerasTensor, f"__r{plain}__", binary(function, reflected=True))
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(KerasTensor, f"__{name}__", binary(getattr(operator, name), reflected=False))
    for name in ("neg", "abs", "invert", "pos"):
        function = getattr(operator, name)
        setattr(KerasTensor, f"__{name}__", lambda self, function=function: record(function, (self,), {}))


_operators()


@functools.cache
def _watch_modules() -> None:
    """From the first placeholder on, a call of any torch module on placeholders is recorded as a call of that module.

    Without this the functions inside the module would be recorded one by one: its weights would be constants of the
        graph, and its training mode would be frozen. The check costs other modules' calls some 60 ns; layers of ours
        have their own `__call__`.
    """
    original = torch.nn.Module.__call__

    @functools.wraps(original)
    def call_or_record(self: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        for arg in args:
            if type(arg) is KerasTensor or (type(arg) in (list, tuple, dict) and keras_tensors(arg)):
                return record(self, args, kwargs)
        if kwargs and keras_tensors(kwargs):
            return record(self, args, kwargs)
        return original(self, *args, **kwargs)

    torch.nn.Module.__call__ = call_or_record  # type: ignore[method-assign]  # the one seam that torch has for this
