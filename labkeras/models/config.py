"""The configs of models: the graph of a functional one, written and read as Keras 3 writes and reads it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from labkeras import serialization
from labkeras.errors import SerializationError
from labkeras.graph.function import Function
from labkeras.graph.input import InputLayer
from labkeras.graph.ordering import first_calls
from labkeras.graph.symbolic import KerasTensor, Node
from labkeras.layers.layer import Layer
from labkeras.models.functional import name_of
from labkeras.models.operation_call import Call
from labkeras.models.operations import keras_call
from labkeras.models.torch_functions import function_path
from labkeras.models.torch_modules import module_config
from labkeras.naming import uniquify
from labkeras.nest import flatten, map_structure
from labkeras.serialization import serialize_keras_object

__all__ = ["graph_config", "is_functional", "layer_config"]


def layer_config(layer: Any) -> dict[str, Any]:
    """The config of a layer of a model, or of a module of torch's.

    Raises:
        SerializationError: for a module that a config cannot describe.
    """
    if isinstance(layer, torch.nn.Module) and not isinstance(layer, Layer):
        return module_config(layer)
    config: dict[str, Any] = serialize_keras_object(layer)
    return config


def graph_config(function: Function) -> dict[str, Any]:
    """The graph of a functional model: `layers`, each with the calls of it, `input_layers` and `output_layers`.

    Raises:
        SerializationError: if something in the graph cannot be described; the message names it.
    """
    return _GraphWriter(function).write()


class _GraphWriter:
    """Gives each operation a name, and each placeholder its address: [name, number of the call, of the result]."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._lost: Mapping[int, Any] = function._lost_masks
        self._steps = first_calls(function.inputs, function.outputs, self._lost)
        reached = _reached(function)
        self._calls = {id(step): _calls_of(step, reached) for step in self._steps if isinstance(step, Node)}
        self._names = self._unique_names()
        self._addresses: dict[int, list[Any]] = {}
        for step in self._steps:
            self._note(step)

    def write(self) -> dict[str, Any]:
        return {
            "layers": [entry for step in self._steps for entry in self._entries(step)],
            "input_layers": self._places(self._function.inputs_structure),
            "output_layers": self._places(self._function.outputs_structure),
        }

    def _unique_names(self) -> dict[int, str]:
        """Layers keep their names; a function's call whose name is taken gets another."""
        names: dict[int, str] = {}
        functions = []
        for step in self._steps:
            if isinstance(step, KerasTensor):
                names[id(step)] = f"{step.name}CLONE"  # what Keras calls the input that it puts there
            elif isinstance(step.operation, torch.nn.Module | InputLayer):
                names[id(step)] = name_of(step.operation)
            else:
                functions.append(step)
        self._taken = set(names.values())
        return names | {id(step): self._free_name(step.name) for step in functions}

    def _note(self, step: Node | KerasTensor) -> None:
        name = self._names[id(step)]
        if isinstance(step, KerasTensor):
            self._addresses[id(step)] = [name, 0, 0]
            return
        for number, node in enumerate(self._calls[id(step)]):
            for index, tensor in enumerate(flatten(node.outputs)):
                self._addresses[id(tensor)] = [name, number, index]

    def _entries(self, step: Node | KerasTensor) -> list[dict[str, Any]]:
        """The entry of an operation; two for a function whose result Keras has in another data type."""
        name = self._names[id(step)]
        if isinstance(step, KerasTensor):
            config = serialize_keras_object(InputLayer(batch_shape=step.shape, dtype=step.dtype, name=name))
            return [{**config, "name": name, "inbound_nodes": []}]
        if isinstance(step.operation, InputLayer):
            return [{**serialize_keras_object(step.operation), "name": name, "inbound_nodes": []}]
        if not isinstance(step.operation, torch.nn.Module):
            call = keras_call(step)
            return [self._torch_entry(step, name)] if call is None else self._keras_entries(call, name, step)
        calls = [self._written_call(node.args, self._call_kwargs(node)) for node in self._calls[id(step)]]
        return [{**layer_config(step.operation), "name": name, "inbound_nodes": calls}]

    def _keras_entries(self, call: Call, name: str, node: Node) -> list[dict[str, Any]]:
        if call.cast is None:
            written = self._written_call(call.args, call.kwargs)
            return [_operation_entry(call.operation, name, serialize_keras_object(call.config), written)]
        inner = self._free_name(f"{name}_before_cast")
        tensor = node.output_tensors[0]
        uncast = {"shape": list(tensor.shape), "dtype": "int32", "keras_history": [inner, 0, 0]}
        written = {"args": [{"class_name": "__keras_tensor__", "config": uncast}], "kwargs": {}}
        return [
            *self._keras_entries(replace(call, cast=None), inner, node),
            _operation_entry("core.Cast", name, {"dtype": call.cast}, written),
        ]

    def _torch_entry(self, node: Node, name: str) -> dict[str, Any]:
        path = function_path(node.operation, node.args, node.kwargs)
        if path is None:
            function = getattr(node.operation, "__qualname__", node.operation)
            raise SerializationError(
                f"the call {name!r} of {function!r} cannot be saved: labkeras would not find the function. Put it "
                "into a layer of your own, registered with `labkeras.saving.register_keras_serializable()`; or save "
                f"the weights alone, with `model.save_weights('….weights.h5')`. Received: function={node.operation!r}"
            )
        args = node.args[:1] if node.operation is getattr else node.args
        return {
            "module": "labkeras.graph",
            "class_name": "TorchFunction",
            "config": {"name": name, "function": path},
            "registered_name": None,
            "name": name,
            "inbound_nodes": [self._written_call(args, node.kwargs)],
        }

    def _free_name(self, name: str) -> str:
        while name in self._taken:
            name = uniquify(name)
        self._taken.add(name)
        return name

    def _call_kwargs(self, node: Node) -> dict[str, Any]:
        kwargs = {name: value for name, value in node.kwargs.items() if id(value) not in self._lost}
        spec = getattr(node.operation, "_call_spec", None)
        takes_mask = spec is not None and ("mask" in spec.takes or hasattr(node.operation, "compile_from_config"))
        if takes_mask and len(node.args) == 1 and "mask" not in kwargs:
            # Keras notes that there was no mask.
            kwargs["mask"] = map_structure(lambda _: None, node.args[0])
        return kwargs

    def _written_call(self, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "args": [self._written(arg) for arg in args],
            "kwargs": {name: self._written(value) for name, value in kwargs.items()},
        }

    def _written(self, value: Any) -> Any:
        if isinstance(value, KerasTensor):
            return {
                "class_name": "__keras_tensor__",
                "config": {
                    "shape": list(value.shape),
                    "dtype": value.dtype,
                    "keras_history": self._addresses[id(value)],
                },
            }
        if isinstance(value, dict):
            return {str(key): self._written(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._written(item) for item in value]
        if isinstance(value, slice):
            parts = {name: self._written(getattr(value, name)) for name in ("start", "stop", "step")}
            return {"class_name": "__slice__", "config": parts}
        if isinstance(value, torch.dtype):
            return {"class_name": "__torch_dtype__", "config": {"name": str(value)[6:]}}
        if isinstance(value, torch.nn.Parameter):
            raise SerializationError(
                "a weight that is used in the graph directly cannot be saved with it: make a layer that owns it and "
                f"does the computation, or save the weights alone. Received: a parameter of shape {tuple(value.shape)}"
            )
        return serialize_keras_object(value)

    def _places(self, structure: Any) -> Any:
        """A structure of placeholders, with their addresses."""
        if isinstance(structure, dict):
            return {name: self._places(value) for name, value in structure.items()}
        if isinstance(structure, list | tuple):
            return [self._places(value) for value in structure]
        name, number, index = self._addresses[id(structure)]
        # Keras counts the calls of a nested functional model from 1 here, and from 0 everywhere else.
        starts_at_one = structure.node is not None and is_functional(structure.node.operation)
        return [name, number + starts_at_one, index]


def _operation_entry(operation: str, name: str, config: dict[str, Any], call: dict[str, Any]) -> dict[str, Any]:
    """The entry of an operation of Keras's, "module.Class", that is called once."""
    module, _, class_name = operation.rpartition(".")
    return {
        "module": f"keras.src.ops.{module}",
        "class_name": class_name,
        "config": {"name": name, **config},
        "registered_name": class_name,
        "name": name,
        "inbound_nodes": [call],
    }


def is_functional(operation: Any) -> bool:
    """Whether an operation is a model that Keras would make a `Functional` of: one with a graph, and not Sequential."""
    return getattr(operation, "_function", None) is not None and not hasattr(operation, "_sequence")


def _reached(function: Function) -> list[Node]:
    """The calls that the outputs need, and those of the inputs, parents before children."""
    begins = [tensor.node for tensor in function.inputs if tensor.node is not None]
    return [*(node for node in begins if isinstance(node.operation, InputLayer)), *function.nodes]


def _calls_of(step: Node, reached: list[Node]) -> list[Node]:
    """The calls of an operation within the graph, in the order in which they were made."""
    operation = step.operation
    if not isinstance(operation, torch.nn.Module | InputLayer):
        return [step]
    calls = [node for node in reached if node.operation is operation]
    made = {id(node): place for place, node in enumerate(getattr(operation, "_inbound_nodes", ()))}
    return sorted(calls, key=lambda node: made.get(id(node), 0))


serialization.register_special("keras.layers", "InputLayer", InputLayer)
