"""The order of what a graph calls: Keras's, which saved files and `get_weights()` follow."""

from collections.abc import Container
from typing import Any

import torch

from labkeras.graph.input import InputLayer
from labkeras.graph.symbolic import KerasTensor, Node

__all__ = ["first_calls"]


def first_calls(
    inputs: list[KerasTensor], outputs: list[KerasTensor], lost: Container[int] = ()
) -> list[Node | KerasTensor]:
    """The first call of each operation, farthest from the outputs first, then as met when walking back from them.

    Each call of a function is an operation of its own, as in Keras. A mask that a layer was handed is an input of its
    call like any other.

    Args:
        inputs, outputs: the placeholders between which the graph lies.
        lost: ids of masks that come from before the inputs: they do not count.

    Returns:
        A call for each operation, those of the `Input`s among them; and the inputs that no `Input` made, as they are.
    """
    begins = {id(tensor) for tensor in inputs}
    order, met = _walk_back(begins, outputs, lost)
    step_depth: dict[int, int] = {}
    depth: dict[int, int] = {}
    for step in reversed(order):
        key = _key(step)
        own = max(step_depth.get(id(step), 0), depth.get(key, 0))
        step_depth[id(step)] = depth[key] = own
        for parent in _parents(step, begins, lost):
            step_depth[id(parent)] = max(own + 1, step_depth.get(id(parent), 0))
    first: dict[int, Node | KerasTensor] = {}
    for step in order:
        first.setdefault(_key(step), step)
    for tensor in inputs:
        first.setdefault(_key(_origin(tensor, begins)), _origin(tensor, begins))
    return [first[key] for key in sorted(first, key=lambda key: (-depth.get(key, 0), met.get(key, -1)))]


def _walk_back(
    begins: set[int], outputs: list[KerasTensor], lost: Container[int]
) -> tuple[list[Node | KerasTensor], dict[int, int]]:
    """Calls, parents before children, and for each operation when it was first met."""
    # A loop: graphs can be deeper than Python's stack.
    met: dict[int, int] = {}
    done: set[int] = set()
    order: list[Node | KerasTensor] = []
    stack = [(_origin(tensor, begins), False) for tensor in reversed(outputs)]
    while stack:
        step, parents_are_done = stack.pop()
        if id(step) in done:
            continue
        if parents_are_done:
            done.add(id(step))
            order.append(step)
            continue
        met.setdefault(_key(step), len(met))
        stack.append((step, True))
        stack.extend((parent, False) for parent in reversed(_parents(step, begins, lost)))
    return order, met


def _origin(tensor: KerasTensor, begins: set[int]) -> Node | KerasTensor:
    """The call that a placeholder comes from; the placeholder itself if it is where the graph begins."""
    if tensor.node is None or (id(tensor) in begins and not isinstance(tensor.node.operation, InputLayer)):
        return tensor
    return tensor.node


def _parents(step: Node | KerasTensor, begins: set[int], lost: Container[int]) -> list[Node | KerasTensor]:
    if isinstance(step, KerasTensor):
        return []
    origins = [_origin(tensor, begins) for tensor in step.input_tensors if id(tensor) not in lost]
    return list({id(origin): origin for origin in origins}.values())


def _key(step: Node | KerasTensor) -> int:
    """What identifies the operation of a call: a layer is one operation however often it is called."""
    if isinstance(step, KerasTensor):
        return id(step)
    operation: Any = step.operation
    return id(operation) if isinstance(operation, torch.nn.Module | InputLayer) else id(step)
