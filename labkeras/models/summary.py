"""The table that `model.summary()` prints."""

import itertools
import math
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch.nn.parameter import is_lazy

from labkeras.errors import InvalidArgumentError
from labkeras.graph.input import InputLayer
from labkeras.graph.symbolic import KerasTensor, Node
from labkeras.models.functional import name_of
from labkeras.nest import map_structure

__all__ = ["print_summary"]

_NUMBER, _TYPE, _FROZEN = "green", "cyan", "red"
# Keras's layout: where the columns end, as fractions of the line, and how long the line is if there is room.
_CHAIN_COLUMNS, _CHAIN_LENGTH = (0.45, 0.80, 1.0), 88
_GRAPH_COLUMNS, _GRAPH_LENGTH = (0.30, 0.56, 0.74, 1.0), 108
_TRAINABLE_SHARE, _TRAINABLE_LENGTH = 0.10, 12
_LEAST_COLUMN = 4


@dataclass(frozen=True)
class _Row:
    """A line of the table: a layer, or one call of a function."""

    name: str
    kind: str
    shape: Any
    params: str
    connected_to: Text
    trainable: bool | None
    level: int


@dataclass(frozen=True)
class _Graph:
    """The calls that a functional or Sequential model makes; none for a subclassed one.

    Args:
        nodes: the calls, each after those whose results it takes.
        is_listed: whether the calls are what the table shows; a Sequential model shows its layers alone.
    """

    nodes: Sequence[Node]
    is_listed: bool

    def calls(self, operation: Any) -> list[Node]:
        """The calls of an operation in this model."""
        return [node for node in self.nodes if node.operation is operation]

    def is_chain(self) -> bool:
        """Whether each operation is called once, on the result of the one before."""
        if not self.is_listed:
            return True
        parents = [tensor.node for node in self.nodes for tensor in node.graph_inputs]
        operations = [node.operation for node in self.nodes]
        own = {id(node) for node in self.nodes}
        return (
            sum(id(parent) not in own for parent in parents) <= 1
            and all(len(node.graph_inputs) <= 1 for node in self.nodes)
            and len({id(node) for node in parents}) == len(parents)
            and len({id(one) for one in operations if _is_layer(one)}) == sum(map(_is_layer, operations))
        )

    def place(self, tensor: KerasTensor) -> Text:
        """Where a placeholder comes from: `name[call][output]`."""
        node = tensor.node
        if node is None:
            return Text(tensor.name)
        known = getattr(node.operation, "_inbound_nodes", None) or (
            self.calls(node.operation) if _is_layer(node.operation) else [node]
        )
        call = next((index for index, one in enumerate(known) if one is node), 0)
        return Text.assemble(node.name, "[", (str(call), _NUMBER), "][", (str(tensor.index), _NUMBER), "]")


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Prints a model's layers, with their output shapes and numbers of weights, and the totals.

    A functional model's torch modules and functions are listed too; unless it is a chain, a column tells what each is
    connected to.

    Args:
        model: the model.
        line_length: characters in a line; by default as many as fit into the terminal, up to about a hundred.
        positions: where the columns end: fractions of the line, or numbers of characters.
        print_fn: called with each line, in place of printing it.
        expand_nested: whether the layers of nested models are listed below them.
        show_trainable: whether a column tells which layers are trained.
        layer_range: names of the first and last layer to list; patterns that match the start of a name will do.

    Raises:
        InvalidArgumentError: if a column is too narrow, or no layer has one of the names.
    """
    graph = _graph(model)
    connections = not graph.is_chain()
    rows = [
        row
        for operation in _between(_operations(model, graph), layer_range)
        for row in _rows(operation, graph, expand_nested)
    ]
    widths = _column_widths(line_length, positions, connections, show_trainable)
    table = _table(rows, widths, connections, show_trainable)
    _print([Text(f'Model: "{model.name}"', style="bold"), table, *_totals(model)], print_fn)


def _graph(model: Any) -> _Graph:
    function = model._function
    if function is None:
        return _Graph([], is_listed=False)
    # A Sequential model has a graph too, but does not count its input among its layers.
    layers = {id(layer) for layer in model.layers}
    return _Graph(function.nodes, is_listed=all(id(one) in layers for one in model.operations if _is_layer(one)))


def _is_layer(operation: Any) -> bool:
    return isinstance(operation, torch.nn.Module | InputLayer)


def _operations(model: Any, graph: _Graph) -> list[Any]:
    """The layers in Keras's order, and each call of a function behind the last of those whose results it takes."""
    if not graph.is_listed:
        return list(model.layers)
    listed = [operation for operation in model.operations if _is_layer(operation)]
    for node in graph.nodes:
        if not _is_layer(node.operation):
            parents = [tensor.node for tensor in node.graph_inputs if tensor.node is not None]
            sources = {id(parent.operation if _is_layer(parent.operation) else parent) for parent in parents}
            place = 1 + max((index for index, one in enumerate(listed) if id(one) in sources), default=-1)
            while place < len(listed) and isinstance(listed[place], Node):
                place += 1
            listed.insert(place, node)
    return listed


def _between(operations: list[Any], layer_range: Sequence[str] | None) -> list[Any]:
    """The operations from the first whose name matches one end to the last whose name matches the other."""
    if layer_range is None:
        return operations
    if len(layer_range) != 2 or not all(isinstance(name, str) for name in layer_range):
        raise InvalidArgumentError(
            f"`layer_range` must be the names of the first and last layer. Received: layer_range={layer_range!r}"
        )
    ends = [[index for index, one in enumerate(operations) if re.match(name, _name(one))] for name in layer_range]
    if not all(ends):
        known = ", ".join(_name(one) for one in operations)
        raise InvalidArgumentError(
            f"`layer_range` must name layers of the model: {known}. Received: layer_range={layer_range!r}"
        )
    first, last = ends if min(ends[0]) <= max(ends[1]) else reversed(ends)
    return operations[min(first) : max(last) + 1]


def _rows(operation: Any, graph: _Graph, expand_nested: bool, level: int = 0) -> list[_Row]:
    """The row of a layer or of a call of a function, and, if wanted, those of the layers within."""
    calls = [operation] if isinstance(operation, Node) else graph.calls(operation)
    weights = _weights(operation)
    row = _Row(
        name=_name(operation),
        kind=_kind(operation),
        shape=_output_shape(operation, calls),
        params=_count(operation, weights),
        connected_to=_connections(calls, graph),
        trainable=_trained(operation, weights),
        level=level,
    )
    inner = getattr(operation, "layers", None) if expand_nested and not isinstance(operation, Node) else None
    return [row, *(one for layer in inner or () for one in _rows(layer, graph, expand_nested, level + 1))]


def _name(operation: Any) -> str:
    return operation.name if isinstance(operation, Node) else name_of(operation)


def _kind(operation: Any) -> str:
    if isinstance(operation, Node):
        return str(getattr(operation.operation, "__name__", type(operation.operation).__name__))
    return type(operation).__name__


def _weights(operation: Any) -> list[Any]:
    if isinstance(operation, Node):
        return []
    if hasattr(operation, "weights"):
        return list(operation.weights)
    return [*operation.parameters(), *operation.buffers()]


def _count(operation: Any, weights: list[Any]) -> str:
    if not getattr(operation, "built", True) or any(is_lazy(weight) for weight in weights):
        return "0 (unbuilt)"
    return f"{sum(weight.numel() for weight in weights):,}"


def _trained(operation: Any, weights: list[Any]) -> bool | None:
    if not weights:
        return None
    return bool(getattr(operation, "trainable", any(weight.requires_grad for weight in weights)))


def _output_shape(operation: Any, calls: list[Node]) -> Any:
    """The shape, or nested shapes, of what is returned; None if it is not known."""
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


def _connections(calls: list[Node], graph: _Graph) -> Text:
    places = [graph.place(tensor) for node in calls for tensor in node.graph_inputs]
    return Text(", ").join(places) if places else Text("-")


def _column_widths(
    line_length: int | None, positions: Sequence[float] | None, connections: bool, show_trainable: bool
) -> list[int]:
    columns, length = (_GRAPH_COLUMNS, _GRAPH_LENGTH) if connections else (_CHAIN_COLUMNS, _CHAIN_LENGTH)
    ends: list[float] = list(positions or columns)
    if show_trainable:
        length += _TRAINABLE_LENGTH
        ends = [end * (1 - _TRAINABLE_SHARE) for end in ends] + [1.0]
    # A table that ends short of the terminal's edge survives a small change of its size.
    length = line_length or min(length, shutil.get_terminal_size().columns - 4)
    scale = length if ends[-1] <= 1 else 1
    stops = [0, *(int(end * scale) for end in ends)]
    widths = [stop - start for start, stop in itertools.pairwise(stops)]
    if min(widths) < _LEAST_COLUMN:
        raise InvalidArgumentError(
            f"each column of the summary needs at least {_LEAST_COLUMN} characters, but they would get {widths}. "
            f"Received: line_length={line_length!r}, positions={positions!r}"
        )
    return widths


def _table(rows: list[_Row], widths: list[int], connections: bool, show_trainable: bool) -> Table:
    table = Table(width=sum(widths), show_lines=True)
    headers = [("Layer (type)", "left"), ("Output Shape", "left"), ("Param #", "right")]
    headers += [("Connected to", "left")] * connections + [("Trainable", "center")] * show_trainable
    if len(headers) != len(widths):
        raise InvalidArgumentError(
            f"the summary has {len(headers)} columns: `positions` must have as many. Received: {len(widths)} positions"
        )
    for (header, justify), width in zip(headers, widths, strict=True):
        table.add_column(header, justify=justify, width=width)  # type: ignore[arg-type]  # a str, not a Literal
    for row in rows:
        cells = [_title_text(row), _shape_text(row.shape), _params_text(row.params)]
        table.add_row(*cells, *[row.connected_to] * connections, *[_trainable_text(row.trainable)] * show_trainable)
    return table


def _title_text(row: _Row) -> Text:
    prefix = "   " * row.level + "└ " if row.level else ""
    return Text.assemble(f"{prefix}{row.name} (", (row.kind, _TYPE), ")")


def _params_text(params: str) -> Text:
    number, _, note = params.partition(" ")
    return Text.assemble((number, _NUMBER), f" {note}" if note else "")


def _shape_text(shape: Any) -> Text:
    if shape is None:
        return Text("?")
    text = Text(_shape_string(shape))
    text.highlight_regex(r"\d+|None", _NUMBER)
    return text


def _shape_string(shape: Any) -> str:
    """One shape, or nested shapes, as Keras writes them: "(None, 3)", "[(None, 3), (None, 4)]"."""
    if isinstance(shape, dict):
        return "{" + ", ".join(f"{key}: {_shape_string(value)}" for key, value in shape.items()) + "}"
    if isinstance(shape, list | tuple) and not all(size is None or isinstance(size, int) for size in shape):
        if len(shape) == 1:
            return _shape_string(shape[0])
        parts = ", ".join(_shape_string(part) for part in shape)
        return f"[{parts}]" if isinstance(shape, list) else f"({parts})"
    if isinstance(shape, list | tuple):
        return "(" + ", ".join(map(str, shape)) + ")"
    return str(shape)


def _trainable_text(trainable: bool | None) -> Text:
    if trainable is None:
        return Text("-", style="bold")
    return Text("Y", style=f"bold {_NUMBER}") if trainable else Text("N", style=f"bold {_FROZEN}")


def _totals(model: Any) -> list[Text]:
    optimizer = getattr(model, "optimizer", None)
    states = list(optimizer.variables) if optimizer is not None and getattr(optimizer, "built", False) else []
    trainable, frozen = _known(model.trainable_weights), _known(model.non_trainable_weights)
    lines = {"Total": [*trainable, *frozen, *states], "Trainable": trainable, "Non-trainable": frozen}
    if states:
        lines["Optimizer"] = states
    return [
        Text.assemble(
            (f" {title} params: ", "bold"),
            (f"{sum(math.prod(weight.shape) for weight in weights):,}", _NUMBER),
            f" ({_memory(weights)})",
        )
        for title, weights in lines.items()
    ]


def _known(weights: Iterable[Any]) -> list[Any]:
    return [weight for weight in weights if not is_lazy(weight)]


def _memory(weights: list[Any]) -> str:
    """The memory that weights take, in a unit of a thousand or so: "64.00 B", "423.34 KB"."""
    size = float(sum(math.prod(weight.shape) * weight.dtype.itemsize for weight in weights))
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} PB"


def _print(parts: list[Any], print_fn: Callable[[str], Any] | None) -> None:
    widest = max(int(part.width or 0) if isinstance(part, Table) else part.cell_len for part in parts)
    if print_fn is None:
        console = Console(highlight=False)
        if not console.is_terminal and not console.is_jupyter:
            # In a file nothing is too wide.
            console.width = max(console.width, widest)
        for part in parts:
            console.print(part)
        return
    plain = Console(highlight=False, force_terminal=False, force_jupyter=False, color_system=None, width=widest)
    with plain.capture() as capture:
        for part in parts:
            plain.print(part)
    for line in capture.get().splitlines():
        print_fn(line)
