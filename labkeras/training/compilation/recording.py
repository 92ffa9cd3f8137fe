"""Recording: runs a function once, and gives the operations on tensors that it did, as a graph.

What the function decides on the way is settled in the graph: it must depend on shapes and settings alone. Tensors that
it reads, such as weights, are inputs of the graph; those that it writes to are written to whenever the graph runs. The
recorded run itself leaves no trace: whatever it changed is changed back.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode

__all__ = ["NotRecordableError", "Recording", "record", "values_kept"]

# What takes values out of tensors past torch's dispatcher, where nothing could be recorded.
_READING = frozenset({Tensor.numpy, Tensor.tolist, Tensor.__array__, Tensor.item, Tensor.__bool__, Tensor.__float__})
_READING |= frozenset({Tensor.__int__, Tensor.__index__, Tensor.__contains__})


class NotRecordableError(Exception):
    """A function does something that no graph of operations can hold; the message says what."""


@dataclass(slots=True)
class Recording:
    """A graph, and what to run it on.

    Args:
        graph: takes `tensors`, then those of the leaves of a batch that `uses` says; returns a tuple of tensors.
        tensors: weights and other state, which it reads, and writes to in place.
        uses: for each leaf of a batch, whether the graph takes it.
    """

    graph: GraphModule
    tensors: list[Tensor]
    uses: list[bool]


def record(
    function: Callable[[Sequence[Tensor]], Sequence[Tensor]],
    state: Sequence[Tensor],
    leaves: Sequence[Tensor],
    modules: Iterable[torch.nn.Module],
) -> Recording:
    """Runs `function` on the leaves of a batch, and records it.

    Args:
        function: takes tensors like `leaves`, returns tensors.
        state: the tensors that it may write to.
        leaves: the tensors of a batch, any of this shape.
        modules: the modules that it runs.

    Raises:
        NotRecordableError: if it looks at values of tensors, or keeps new tensors in place of old ones.
    """
    state = list({id(tensor): tensor for tensor in state}.values())
    batch = [_like(leaf) for leaf in leaves]  # apart from each other, and from all else: none is mistaken for another

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        with _NoReading():
            return tuple(function(tensors[len(state) :]))

    with ExitStack() as stack:
        stack.enter_context(_bindings_kept(modules))
        stack.enter_context(values_kept(state))
        stack.enter_context(_as_a_compiler())
        graph = make_fx(run, tracing_mode="real")(*state, *batch)
    constants = _as_inputs(graph, len(state))
    tensors, uses = [*state, *constants, *batch], _without_unused(graph)
    first = len(state) + len(constants)
    return Recording(graph, [each for each, used in zip(tensors[:first], uses, strict=False) if used], uses[first:])


class _NoReading(TorchFunctionMode):
    """Within it, values of tensors cannot be read."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _READING:
            name = getattr(func, "__name__", "?")
            raise NotRecordableError(f"it reads values of a tensor, with `Tensor.{name}`")
        return func(*args, **(kwargs or {}))


@contextmanager
def values_kept(state: Sequence[Tensor]) -> Iterator[None]:
    """Afterwards tensors have the values that they had before, and random generators stand where they stood."""
    before = [tensor.detach().clone(memory_format=torch.preserve_format) for tensor in state]
    devices = {tensor.device for tensor in state if tensor.is_cuda}
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(state, before, strict=True):
                tensor.copy_(value)


@contextmanager
def _bindings_kept(modules: Iterable[torch.nn.Module]) -> Iterator[None]:
    """Afterwards modules hold the tensors that they held before; raises NotRecordableError if they held others."""
    tables: list[tuple[torch.nn.Module, dict[str, Any], dict[str, Any]]] = [
        (module, table, dict(table))
        for root in modules
        for module in root.modules()
        for table in (module._parameters, module._buffers, module.__dict__)
    ]
    replaced = []
    try:
        yield
    finally:
        for module, table, before in tables:
            for name, value in before.items():
                if isinstance(value, Tensor) and table.get(name) is not value:
                    table[name] = value
                    replaced.append(f"{name!r} of {getattr(module, 'name', type(module).__name__)!r}")
    if replaced:
        raise NotRecordableError(
            f"it puts a new tensor in place of {replaced[0]}, where `assign`, or torch's `copy_`, would change the old"
        )


@contextmanager
def _as_a_compiler() -> Iterator[None]:
    """Within it, torch says that a compiler runs the code, and backward passes stay in this thread."""
    before = torch.compiler._is_compiling_flag
    torch.compiler._is_compiling_flag = True
    try:
        with torch.autograd.set_multithreading_enabled(False):
            yield
    finally:
        torch.compiler._is_compiling_flag = before


def _like(leaf: Tensor) -> Tensor:
    return torch.empty_strided(leaf.shape, leaf.stride(), dtype=leaf.dtype, device=leaf.device).copy_(leaf)


def _as_inputs(graph: GraphModule, place: int) -> list[Tensor]:
    """Makes tensors that the function had from elsewhere inputs, at a place among the others, and lists them.

    A compiler would take them for constants, though they may be changed between two runs.
    """
    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    behind = placeholders[place] if place < len(placeholders) else placeholders[-1].next
    inputs: dict[str, Any] = {}
    constants = []
    for node in list(graph.graph.nodes):
        if node.op != "get_attr" or _is_made_here(node):
            continue
        if node.target not in inputs:
            with graph.graph.inserting_before(behind):
                inputs[node.target] = graph.graph.placeholder(f"held_{len(inputs)}")
            constants.append(getattr(graph, node.target))
        node.replace_all_uses_with(inputs[node.target])
        graph.graph.erase_node(node)
    graph.recompile()
    return constants


def _is_made_here(node: Any) -> bool:
    """Whether a tensor was made of numbers by the function itself: `torch.tensor(1.0)`."""
    return all(user.target is torch.ops.aten.lift_fresh_copy.default for user in node.users)


def _without_unused(graph: GraphModule) -> list[bool]:
    """Takes inputs that nothing uses out of a graph; for each input, whether it is still there."""
    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    used = [bool(node.users) for node in placeholders]
    for node, keep in zip(placeholders, used, strict=True):
        if not keep:
            graph.graph.erase_node(node)
    graph.recompile()
    return used
