"""Sequential: a model whose layers follow one another."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

import torch

from labkeras import config, serialization
from labkeras.errors import InvalidArgumentError, InvalidTypeError, SerializationError
from labkeras.graph.function import Function
from labkeras.graph.input import Input, InputLayer
from labkeras.graph.symbolic import KerasTensor, standardize_shape
from labkeras.models.config import layer_config
from labkeras.models.config_reader import read_layer
from labkeras.models.functional import attribute_for, name_of
from labkeras.models.model import Model
from labkeras.naming import auto_name
from labkeras.variable import name_scope

__all__ = ["Sequential"]


class Sequential(Model):
    """Layers that follow one another, each taking what the one before returned.

    Args:
        layers: the layers, and modules of torch's; an `Input(shape)` may come first.
        trainable: whether training changes its weights.
        name: its name.

    Example:
        >>> model = Sequential([Input(shape=(4,)), Dense(8, activation="relu"), Dense(2)])
        >>> model.output_shape
        (None, 2)
    """

    _keras_public_name = ("keras", "Sequential")

    def __init__(self, layers: Iterable[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(name=name, trainable=trainable)
        self._input: KerasTensor | None = None
        # Plain lists: the layers are registered one by one, under their names.
        object.__setattr__(self, "_sequence", [])
        object.__setattr__(self, "_outputs", [])
        if layers is not None and not isinstance(layers, Iterable):
            raise InvalidTypeError(f"`layers` must be a list of layers. Received: layers={layers!r}")
        for layer in layers or ():
            self._append(layer)
        self._complete()

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Appends a layer.

        Args:
            layer: a layer, a module of torch's, or what `Input(shape)` returned, as the first one.
            rebuild: whether to make its weights at once, if the input's shape is known.

        Raises:
            InvalidTypeError: for anything else.
        """
        self._append(layer)
        if rebuild:
            self._complete()

    def pop(self, rebuild: bool = True) -> Any:
        """Takes the last layer off, and returns it."""
        sequence: list[Any] = self._sequence
        if not sequence:
            raise InvalidArgumentError(f"model {self.name!r} has no layer to take off. Received: an empty model")
        layer = sequence.pop()
        self._modules = {name: module for name, module in self._modules.items() if module is not layer}
        if len(self._outputs) > len(sequence):
            node = self._outputs.pop().node
            if node in getattr(layer, "_inbound_nodes", ()):
                layer._inbound_nodes.remove(node)
        self._function = self._reader = None
        self.built = False
        if rebuild:
            self._complete()
        return layer

    def build(self, input_shape: Any = None) -> None:
        """Makes all weights for inputs of a shape, the batch axis first."""
        if self.built:
            return
        if not self._sequence:
            raise InvalidArgumentError(
                f"the Sequential model {self.name!r} has no layers to build. Received: an empty model"
            )
        if self._input is None and input_shape is not None:
            shape = standardize_shape(tuple(input_shape))
            dtype = getattr(self._sequence[0], "compute_dtype", config.floatx())
            self._input = Input(batch_shape=(None, *shape[1:]), dtype=dtype)
        self._apply_layers()

    def get_config(self) -> dict[str, Any]:
        """The layers, with the input first if its shape is known, and the shape that they are built for."""
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable}
        config["dtype"] = serialization.serialize_keras_object(self.dtype_policy)
        first = [self._input.node.operation] if self._input is not None and self._input.node is not None else []
        config["layers"] = [layer_config(layer) for layer in (*first, *self._sequence)]
        if self._function is not None:
            config["build_input_shape"] = self._function.inputs[0].shape
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """The model that `get_config`, or Keras's, described; its weights are new."""
        layers = config.get("layers")
        if not isinstance(layers, list | tuple) or "name" not in config:
            raise SerializationError(
                f"the config of a Sequential model has `name` and `layers`. Received: the keys {sorted(config)}"
            )
        with serialization.custom_object_scope(custom_objects), serialization.sharing():
            model = cls([read_layer(layer) for layer in layers], name=config["name"])
            shape = config.get("build_input_shape")
            if not model.built and layers and isinstance(shape, list | tuple):
                model.build(tuple(shape))
        if not config.get("trainable", True):
            model.trainable = False
        return model

    def get_build_config(self) -> dict[str, Any] | None:
        return None if self._function is None else {"input_shape": self._function.inputs[0].shape}

    @property
    def layers(self) -> list[Any]:
        """The layers in order, without the input."""
        return list(self._sequence)

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self._function is None:
            shape: Any = tuple(input_shape)
            for layer in self._sequence:
                shape = layer.compute_output_shape(shape)
            return shape
        return super().compute_output_shape(input_shape)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        if self._function is None:
            self.build(args[0].shape)
        return super().compute_output_spec(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        # Placeholders are no one's but the graph's, which is copied flat.
        return {**super().__getstate__(), "_outputs": [], **({} if self._function is None else {"_input": None})}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch's is untyped
        if self._function is not None:
            self._input = self._function.inputs_structure
            object.__setattr__(self, "_outputs", [node.outputs for node in self._function.nodes])

    def _append(self, layer: Any) -> None:
        if isinstance(layer, KerasTensor) and layer.node is not None and isinstance(layer.node.operation, InputLayer):
            layer = layer.node.operation
        if isinstance(layer, InputLayer):
            self._begin_with(layer)
            return
        if not isinstance(layer, torch.nn.Module):
            raise InvalidTypeError(
                "a Sequential model takes layers, modules of torch's and, first, `Input(shape)`. Received: "
                f"{layer!r} of "
                f"type {type(layer).__name__}" + (": a class, not a layer: call it" if isinstance(layer, type) else "")
            )
        if not hasattr(layer, "name") and not hasattr(layer, "_labkeras_name"):
            layer.__dict__["_labkeras_name"] = auto_name(type(layer).__name__)
        if any(name_of(other) == name_of(layer) for other in self._sequence):
            raise InvalidArgumentError(
                f"the names of a model's layers must differ. Received: a second layer named {name_of(layer)!r} in "
                f"{self.name!r}"
            )
        if not self._sequence and self._input is None and getattr(layer, "_wanted_batch_shape", None) is not None:
            self._input = Input(batch_shape=layer._wanted_batch_shape)  # type: ignore[arg-type]  # a Layer's attribute
        elif not self._sequence and self._input is None and isinstance(layer, Model) and layer._function is not None:
            first = layer.inputs[0]
            self._input = Input(batch_shape=first.shape, dtype=first.dtype)
        self._sequence.append(layer)
        self._modules[attribute_for(self, layer)] = layer.train(self.training)
        self.built = False

    def _begin_with(self, layer: InputLayer) -> None:
        if self._sequence or self._input is not None:
            raise InvalidArgumentError(
                f"`Input` must come first in a Sequential model. Received: {layer!r} after {len(self._sequence)} "
                "layer(s)"
            )
        self._input = layer.output

    def _complete(self) -> None:
        with name_scope(self.name, owner=self):
            self._apply_layers()

    def _apply_layers(self) -> None:
        """Applies the layers that were not applied yet, if the shape of the input is known."""
        if self._input is None or not self._sequence:
            return
        output: Any = self._outputs[-1] if self._outputs else self._input
        for layer in self._sequence[len(self._outputs) :]:
            output = layer(output)
            self._outputs.append(output)
        self._set_function(Function(self._input, output))


for _module in ("keras", "keras.models", "keras.src.models.sequential"):
    serialization.register_special(_module, "Sequential", Sequential)
