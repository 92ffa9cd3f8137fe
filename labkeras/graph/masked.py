"""masked: a Function whose inputs carry masks, for a functional model that is a layer of another one.

The masks within a graph are wires, laid when it is built. An input of a nested model may turn out to carry a mask only
where the model is used: then its calls are recorded once more, from inputs with masks.
"""

from typing import Any

from labkeras.graph.function import Function
from labkeras.graph.symbolic import KerasTensor, Node, map_arguments, record
from labkeras.nest import flatten

__all__ = ["masked"]


def masked(function: Function, ranks: tuple[int | None, ...]) -> Function:
    """The same calls on inputs with masks; the masks follow the inputs in its `forward`.

    Args:
        function: a Function that is lowered already.
        ranks: for each input the number of axes of its mask, None if it has none.
    """
    inputs = [KerasTensor(tensor.shape, tensor.dtype, name=tensor.name) for tensor in function.inputs]
    masks = []
    for tensor, rank in zip(inputs, ranks, strict=True):
        if rank is not None:
            mask = tensor._keras_mask = KerasTensor(tensor.shape[:rank], "bool", name=f"{tensor.name}_mask")
            masks.append(mask)
    known: dict[int, Any] = {id(old): new for old, new in zip(function.inputs, inputs, strict=True)}
    for node in function.nodes:
        outputs = _called_again(node, known)
        known.update((id(old), new) for old, new in zip(flatten(node.outputs), flatten(outputs), strict=True))
    again = Function([*inputs, *masks], _replaced(function.outputs_structure, known))
    again.lower(function.attributes, function.constants)
    return again


def _called_again(node: Node, known: dict[int, Any]) -> Any:
    given = {name: value for name, value in node.kwargs.items() if name not in node.masks}
    args, kwargs = _replaced((node.args, given), known)
    operation = node.operation
    if not hasattr(operation, "_inbound_nodes"):  # a function, or a module of torch's
        return record(operation, args, kwargs, name=node.name)
    outputs = operation(*args, **kwargs)
    # This call is no one's to see: `layer.output` means the one that the user wrote.
    operation._inbound_nodes.pop()
    return outputs


def _replaced(structure: Any, table: dict[int, Any]) -> Any:
    return map_arguments(lambda leaf: table.get(id(leaf), leaf) if isinstance(leaf, KerasTensor) else leaf, structure)
