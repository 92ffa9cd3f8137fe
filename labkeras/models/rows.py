"""What a summary or a picture of a model shows of its layers and calls, apart from how it looks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from labkeras.errors import InvalidArgumentError
from labkeras.graph.input import InputLayer
from labkeras.graph.symbolic import KerasTensor, Node
from labkeras.models.functional import name_of
from labkeras.nest import flatten, map_structure

__all__ = [
    "Calls",
    "Row",
    "calls_of",
    "inner_layers",
    "is_layer",
    "is_trained",
    "kind_of",
    "operations_of",
    "output_shape_of",
    "rows_of",
    "shape_text",
    "shown_name",
    "sources_of",
]


@dataclass(frozen=True)
class Row:
    """A line of a summary: a layer, or one call of a function.

    Args:
        name, kind: its name and its class's.
        shape: the shape, or nested shapes, of what it returns; None if that is not known.
        params: how many weights it has; "0 (unbuilt)" if they are not made yet.
        connected_to: where what it takes comes from: (name, number of the call, number of the output).
        trainable: whether its weights are trained; None if it has none.
        level: 0, or how many models it is within.
    """

    name: str
    kind: str
    shape: Any
    params: str
    connected_to: tuple[tuple[str, int, int], ...]
    trainable: bool | None
    level: int


@dataclass(frozen=True)
class Calls:
    """The calls that a functional or Sequential model makes; none for a subclassed one.

    Args:
        nodes: the calls, each after those whose results it takes.
        is_listed: whether the calls are what is shown; a Sequential model shows its layers alone.
    """

    nodes: Sequence[Node]
    is_listed: bool

    def of(self, operation: Any) -> list[Node]:
        """The calls of a layer, or the one that is a call of a function itself."""
        if isinstance(operation, Node):
            return [operation]
        return [node for node in self.nodes if node.operation is operation]

    def is_chain(self) -> bool:
        """Whether each operation is called once, on the result of the one before."""
        if not self.is_listed:
            return True
        parents = [tensor.node for node in self.nodes for tensor in sources_of(node)]
        layers = [node.operation for node in self.nodes if is_layer(node.operation)]
        own = {id(node) for node in self.nodes}
        return (
            sum(id(parent) not in own for parent in parents) <= 1
            and all(len(sources_of(node)) <= 1 for node in self.nodes)
            and len({id(node) for node in parents}) == len(parents)
            and len({id(layer) for layer in layers}) == len(layers)
        )

    def place(self, tensor: KerasTensor) -> tuple[str, int, int]:
        """Where a placeholder comes from: the name, the number of the call, the number of the output."""
        node = tensor.node
        if node is None:
            return tensor.name, 0, 0
        known = getattr(node.operation, "_inbound_nodes", None) or (
            self.of(node.operation) if is_layer(node.operation) else [node]
        )
        call = next((index for index, one in enumerate(known) if one is node), 0)
        return node.name, call, tensor.index


def calls_of(model: Any) -> Calls:
    """The calls of a model."""
    function = getattr(model, "_function", None)
    if function is None:
        return Calls([], is_listed=False)
    # A Sequential model has a graph too, but does not count its input among its layers.
    layers = {id(layer) for layer in model.layers}
    return Calls(function.nodes, is_listed=all(id(one) in layers for one in model.operations if is_layer(one)))


def rows_of(
    model: Any, calls: Calls, expand_nested: bool = False, layer_range: Sequence[str] | None = None
) -> list[Row]:
    """The lines of a model's summary.

    Args:
        model: the model.
        calls: its calls.
        expand_nested: whether the layers of nested models follow them.
        layer_range: names, or patterns, of the first and last layer to list.

    Raises:
        InvalidArgumentError: if `layer_range` is no pair of names, or no layer has one of them.
    """
    operations = _between(operations_of(model, calls), layer_range)
    return [row for operation in operations for row in _rows(operation, calls, expand_nested)]


def operations_of(model: Any, calls: Calls) -> list[Any]:
    """The layers in Keras's order, and each call of a function behind the last of those whose results it takes."""
    if not calls.is_listed:
        return list(model.layers)
    listed = [operation for operation in model.operations if is_layer(operation)]
    for node in calls.nodes:
        if not is_layer(node.operation):
            parents = [tensor.node for tensor in node.graph_inputs if tensor.node is not None]
            sources = {id(parent.operation if is_layer(parent.operation) else parent) for parent in parents}
            place = 1 + max((index for index, one in enumerate(listed) if id(one) in sources), default=-1)
            while place < len(listed) and isinstance(listed[place], Node):
                place += 1
            listed.insert(place, node)
    return listed


def is_layer(operation: Any) -> bool:
    """Whether it is a layer, an input or a module of torch's, not a function."""
    return isinstance(operation, torch.nn.Module | InputLayer)


def shown_name(operation: Any) -> str:
    """The name of a layer, or of a call of a function."""
    return operation.name if isinstance(operation, Node) else name_of(operation)


def kind_of(operation: Any) -> str:
    """The name of a layer's class, or of a function that is called."""
    if isinstance(operation, Node):
        return str(getattr(operation.operation, "__name__", type(operation.operation).__name__))
    kind = type(operation)
    # Keras's word for a model that was made from inputs and outputs.
    return "Functional" if kind.__name__ == "Model" and calls_of(operation).is_listed else kind.__name__


def inner_layers(operation: Any) -> list[Any]:
    """The layers of a nested model, or the modules of a `torch.nn.Sequential`; [] for other layers."""
    if isinstance(operation, torch.nn.Sequential):
        return list(operation)
    return list(getattr(operation, "layers", None) or [])


def is_trained(operation: Any) -> bool | None:
    """Whether a layer's weights are trained; None if it has none."""
    weights = _weights(operation)
    if not weights:
        return None
    return bool(getattr(operation, "trainable", any(weight.requires_grad for weight in weights)))


def sources_of(node: Node) -> list[KerasTensor]:
    """The placeholders among a call's arguments, masks included; one that stands there twice comes twice."""
    found = [leaf for leaf in flatten((node.args, node.kwargs)) if isinstance(leaf, KerasTensor)]
    known = {id(tensor) for tensor in found}
    # Those within slices, `x[:, a:b]`, are no leaves.
    return found + [tensor for tensor in node.input_tensors if id(tensor) not in known]


def shape_text(shape: Any) -> str:
    """One shape, or nested shapes, as Keras writes them: "(None, 3)", "[(None, 3), (None, 4)]"; "?" for None."""
    if shape is None:
        return "?"
    if isinstance(shape, dict):
        return "{" + ", ".join(f"{key}: {shape_text(value)}" for key, value in shape.items()) + "}"
    if isinstance(shape, list | tuple) and not all(size is None or isinstance(size, int) for size in shape):
        if len(shape) == 1:
            return shape_text(shape[0])
        parts = ", ".join(shape_text(part) for part in shape)
        return f"[{parts}]" if isinstance(shape, list) else f"({parts})"
    if isinstance(shape, list | tuple):
        return "(" + ", ".join(map(str, shape)) + ")"
    return str(shape)


def output_shape_of(operation: Any, calls: list[Node]) -> Any:
    """The shape, or nested shapes, of what a layer returns; None if it is not known.

    Args:
        operation: the layer, or call of a function.
        calls: its calls in the model that is shown, if that has a graph.
    """
    calls = calls or getattr(operation, "_inbound_nodes", [])
    if calls:
        return map_structure(lambda tensor: getattr(tensor, "shape", tensor), calls[-1].outputs)
    shapes = getattr(operation, "_build_shapes", None)
    if not shapes:
        return None
    try:
        return operation.compute_output_shape(**shapes)
    except Exception:
        # A layer of somebody's own that cannot tell: the rest of the table is still worth printing.
        return None


def _between(operations: list[Any], layer_range: Sequence[str] | None) -> list[Any]:
    """The operations from the first whose name matches one end to the last whose name matches the other."""
    if layer_range is None:
        return operations
    if len(layer_range) != 2 or not all(isinstance(name, str) for name in layer_range):
        raise InvalidArgumentError(
            f"`layer_range` must be the names of the first and last layer. Received: layer_range={layer_range!r}"
        )
    names = [shown_name(operation) for operation in operations]
    try:
        ends = [[index for index, name in enumerate(names) if re.match(end, name)] for end in layer_range]
    except re.error as error:
        raise InvalidArgumentError(
            f"`layer_range` holds names or regular expressions: {error}. Received: layer_range={layer_range!r}"
        ) from error
    if not all(ends):
        raise InvalidArgumentError(
            f"`layer_range` must name layers of the model: {', '.join(names)}. Received: layer_range={layer_range!r}"
        )
    first, last = ends if min(ends[0]) <= max(ends[1]) else reversed(ends)
    return operations[min(first) : max(last) + 1]


def _rows(operation: Any, calls: Calls, expand_nested: bool, level: int = 0) -> list[Row]:
    """The row of a layer or of a call of a function, and, if wanted, those of the layers within."""
    own = calls.of(operation)
    row = Row(
        name=shown_name(operation),
        kind=kind_of(operation),
        shape=output_shape_of(operation, own),
        params=_count(operation),
        connected_to=tuple(calls.place(tensor) for node in own for tensor in sources_of(node)),
        trainable=is_trained(operation),
        level=level,
    )
    inner = inner_layers(operation) if expand_nested else []
    return [row, *(one for layer in inner for one in _rows(layer, calls, expand_nested, level + 1))]


def _weights(operation: Any) -> list[Any]:
    if isinstance(operation, Node):
        return []
    if hasattr(operation, "weights"):
        return list(operation.weights)
    return [*operation.parameters(), *operation.buffers()]


def _count(operation: Any) -> str:
    weights = _weights(operation)
    if not getattr(operation, "built", True) or any(is_lazy(weight) for weight in weights):
        return "0 (unbuilt)"
    return f"{sum(weight.numel() for weight in weights):,}"
