"""The boxes and arrows that a model is drawn as, apart from who draws them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from labkeras.graph.symbolic import KerasTensor, Node
from labkeras.models.rows import Calls, calls_of, is_layer, operations_of, sources_of

__all__ = ["Box", "Diagram", "diagram_of"]


@dataclass(frozen=True)
class Box:
    """A layer, or a call of a function.

    Args:
        operation: the layer, or the `Node` of the function's call.
        call: its first call in the model that is drawn; None in a model without a graph.
    """

    operation: Any
    call: Node | None


@dataclass(frozen=True)
class Diagram:
    """A model: what it consists of, and what joins it.

    Args:
        model: the model.
        parts: boxes, and the diagrams of nested models.
        arrows: from what to what, by the boxes' operations, each once.
    """

    model: Any
    parts: list["Box | Diagram"] = field(default_factory=list)
    arrows: list[tuple[Any, Any]] = field(default_factory=list)


def diagram_of(model: Any, expand_nested: bool = False) -> Diagram:
    """What to draw for a model; a subclassed one is a single box.

    Args:
        model: a model that is built.
        expand_nested: whether nested models are diagrams of their own instead of boxes.
    """
    calls = calls_of(model)
    if not calls.nodes:
        return Diagram(model, [Box(model, None)])
    operations = operations_of(model, calls)
    parts = [_part(operation, calls, expand_nested) for operation in operations]
    listed = {id(operation) for operation in operations}
    arrows: dict[tuple[int, int], tuple[Any, Any]] = {}
    for operation in operations:
        for source, target in _arrows_to(operation, calls, listed, expand_nested):
            arrows.setdefault((id(source), id(target)), (source, target))
    return Diagram(model, parts, list(arrows.values()))


def _part(operation: Any, calls: Calls, expand_nested: bool) -> Box | Diagram:
    if expand_nested and _is_graph(operation):
        return diagram_of(operation, expand_nested)
    # Inputs are called before there is a model.
    known = calls.of(operation) or getattr(operation, "_inbound_nodes", [])
    return Box(operation, next(iter(known), None))


def _is_graph(operation: Any) -> bool:
    return getattr(operation, "_function", None) is not None


def _arrows_to(operation: Any, calls: Calls, listed: set[int], expand_nested: bool) -> Iterator[tuple[Any, Any]]:
    for node in calls.of(operation):
        for place, tensor in enumerate(sources_of(node)):
            source = _box_behind(tensor)
            if id(source) not in listed:  # the input of a Sequential model, or of a model cut out of another one
                continue
            if not expand_nested:
                yield source, operation
                continue
            target = _entry(operation, place)
            if target is not None:
                yield _exit(tensor), target


def _box_behind(tensor: KerasTensor) -> Any:
    node = tensor.node
    return node.operation if node is not None and is_layer(node.operation) else node


def _exit(tensor: KerasTensor) -> Any:
    """The box that a tensor comes from, within whatever models are nested there."""
    source = _box_behind(tensor)
    while _is_graph(source):
        tensor = source._function.outputs[tensor.index]
        source = _box_behind(tensor)
    return source


def _entry(operation: Any, place: int) -> Any:
    """The box that takes an argument, within whatever models are nested there; None for a model's mask."""
    while _is_graph(operation):
        if not calls_of(operation).is_listed:
            operation = operation.layers[0]
            continue
        inputs = operation._function.inputs
        operation = _box_behind(inputs[place]) if place < len(inputs) else None
    return operation
