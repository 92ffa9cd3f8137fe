"""clone_model: a model of the same layers, made anew."""

from collections.abc import Callable
from typing import Any

from labkeras import serialization
from labkeras.errors import InvalidArgumentError
from labkeras.graph.input import Input, InputLayer
from labkeras.graph.symbolic import KerasTensor, map_arguments
from labkeras.models.config import is_functional, layer_config
from labkeras.models.config_reader import read_layer, takes_graph
from labkeras.models.model import Model
from labkeras.models.sequential import Sequential
from labkeras.nest import flatten, map_structure, same_structure

__all__ = ["clone_model"]


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Callable[[Any], Any] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Any:
    """A model of new layers with new weights, joined as those of `model` are; compiled as it is.

    Args:
        model: a functional or Sequential model; of any other, a new one is made from its config.
        input_tensors: placeholders to build it on, nested as the model's inputs are; new ones unless given.
        clone_function: makes the new layer from an old one; from its config unless given.
        call_function: called as `call_function(layer, *args, **kwargs)` in place of the layer, in functional models.
        recursive: whether the layers within nested models go through `clone_function` too.

    Raises:
        InvalidArgumentError: if an argument does not go with the kind of model.

    Example:
        >>> x = Input(shape=(4,))
        >>> clone_model(Model(x, torch.relu(x))).input_shape
        (None, 4)
    """
    cloner = _Cloner(clone_function or _from_own_config, call_function, recursive, {})
    if isinstance(model, Sequential):
        if call_function is not None:
            raise InvalidArgumentError(
                "`call_function` is for functional models: the layers of a Sequential one are listed, not called. "
                f"Received: call_function={call_function!r}"
            )
        return cloner.sequential(model, input_tensors)
    if (
        isinstance(model, Model)
        and is_functional(model)
        and (takes_graph(type(model)) or clone_function or input_tensors)
    ):
        return cloner.functional(model, input_tensors)
    if clone_function is not None or call_function is not None or input_tensors is not None:
        raise InvalidArgumentError(
            "`clone_function`, `call_function` and `input_tensors` are for functional and Sequential models. "
            f"Received: a model of type {type(model).__name__}"
        )
    config = serialization.serialize_keras_object(model)
    return serialization.deserialize_keras_object(config, {type(model).__name__: type(model)}, kind="layers")


def _from_own_config(layer: Any) -> Any:
    if hasattr(layer, "get_config"):
        return type(layer).from_config(layer.get_config())
    return read_layer(layer_config(layer))


class _Cloner:
    """Makes each layer once, however often it is called."""

    def __init__(
        self, clone: Callable[[Any], Any], call: Callable[..., Any] | None, recursive: bool, made: dict[int, Any]
    ) -> None:
        self._clone = clone
        self._call = call
        self._recursive = recursive
        self._made = made

    def sequential(self, model: Sequential, input_tensors: Any) -> Sequential:
        first: list[Any] = []
        if input_tensors is not None:
            tensors = flatten(input_tensors)
            if len(tensors) != 1 or not isinstance(tensors[0], KerasTensor):
                raise InvalidArgumentError(f"`input_tensors` must be one placeholder. Received: {input_tensors!r}")
            first = [Input(tensor=tensors[0])]
        elif model._input is not None:
            first = [Input(batch_shape=model._input.shape, dtype=model._input.dtype, name=model._input.name)]
        clone = Sequential([*first, *map(self._layer, model.layers)], trainable=model.trainable, name=model.name)
        _compile_like(clone, model)
        return clone

    def functional(self, model: Any, input_tensors: Any) -> Any:
        function = model._function
        if input_tensors is None:
            input_tensors = map_structure(_new_input, function.inputs_structure)
        elif not same_structure(input_tensors, function.inputs_structure):
            raise InvalidArgumentError(
                "`input_tensors` must be nested as the model's inputs are. "
                f"Received: input_tensors={input_tensors!r}, the inputs being {function.inputs_structure!r}"
            )
        known = dict(zip(map(id, function.inputs), flatten(input_tensors), strict=True))
        lost = function._lost_masks
        for node in function.nodes:
            args, kwargs = _replaced(node.args, known), _replaced(node.kwargs, known)
            kwargs = {name: value for name, value in kwargs.items() if name not in node.masks and id(value) not in lost}
            results = self._called(node.operation, args, kwargs)
            known.update(zip(map(id, flatten(node.outputs)), flatten(results), strict=True))
        cls = type(model) if takes_graph(type(model)) else Model
        outputs = _replaced(function.outputs_structure, known)
        clone = cls(inputs=input_tensors, outputs=outputs, name=model.name)
        _compile_like(clone, model)
        return clone

    def _called(self, operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if not hasattr(operation, "parameters"):
            return operation(*args, **kwargs)
        layer = self._layer(operation)
        return layer(*args, **kwargs) if self._call is None else self._call(layer, *args, **kwargs)

    def _layer(self, layer: Any) -> Any:
        if id(layer) not in self._made:
            inner = self._recursive and isinstance(layer, Model) and layer._function is not None
            self._made[id(layer)] = self._model(layer) if inner else self._clone(layer)
        return self._made[id(layer)]

    def _model(self, model: Any) -> Any:
        return self.sequential(model, None) if isinstance(model, Sequential) else self.functional(model, None)


def _new_input(tensor: KerasTensor) -> KerasTensor:
    origin = tensor.node.operation if tensor.node is not None else None
    name = origin.name if isinstance(origin, InputLayer) else tensor.name
    return Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)


def _replaced(structure: Any, known: dict[int, Any]) -> Any:
    return map_arguments(lambda leaf: known.get(id(leaf), leaf), structure)


def _compile_like(clone: Any, model: Any) -> None:
    if model.compiled:
        clone.compile_from_config(model.get_compile_config())
