"""LayerCase: one layer with its arguments and inputs."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.graph.symbolic import KerasTensor
from labkeras.layers import Layer
from labkeras.nest import flatten, pack
from labkeras.testing.comparing import mixed, sample, tensors_of
from labkeras.testing.component import Component

__all__ = ["LayerCase", "inputs_of"]

_NAME = "checked"


@dataclass(frozen=True)
class LayerCase(Component):
    """A layer class, how to make it, and what to call it on.

    Args:
        cls: the class.
        arguments: what it is made with.
        kind: "layers".
        inputs: arrays, nested as the layer takes them.
        call_arguments: further arguments of the call, such as a mask.
        is_random: whether training draws random numbers.
    """

    kind: str = "layers"
    inputs: Any = None
    call_arguments: dict[str, Any] = field(default_factory=dict)
    is_random: bool = False

    def made(self, **more: Any) -> Layer:
        name = {"name": _NAME} if self.takes("name") else {}
        layer: Layer = self.cls(**{**name, **self.arguments, **more})
        return layer

    def built(self, **more: Any) -> Layer:
        """A layer that has weights, none of which is left at the usual zeros and ones, which would hide mistakes."""
        layer = self.made(**more)
        self.run(layer, training=False)
        self.fill(layer)
        return layer

    def fill(self, layer: Layer) -> None:
        """Moves the trainable weights away from their start values; others may be constants, such as a grid."""
        random = np.random.default_rng(1)
        with torch.no_grad():
            for weight in layer.trainable_weights:
                moves = torch.as_tensor(random.uniform(0.1, 0.5, tuple(weight.shape)))
                weight.add_(moves.to(weight.device, weight.dtype))

    def tensors(self, requires_grad: bool = False) -> Any:
        """The inputs as new tensors."""
        return tensors_of(self.inputs, requires_grad)

    def placeholders(self, shapes: Any = None) -> Any:
        """Placeholders for the inputs: the batch unknown, or of the shapes given."""
        arrays = flatten(self.inputs)
        shapes = [(None, *array.shape[1:]) for array in arrays] if shapes is None else shapes
        return pack(self.inputs, [KerasTensor(shape, a.dtype.name) for shape, a in zip(shapes, arrays, strict=True)])

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the inputs, in a list."""
        return [array.shape for array in flatten(self.inputs)]

    @property
    def input_shape(self) -> Any:
        """What `build` and `compute_output_shape` take."""
        return self.as_input_shape(self.shapes)

    def as_input_shape(self, shapes: list[Any]) -> Any:
        """Shapes in a list, nested as the inputs are."""
        return pack(self.inputs, shapes)

    def run(self, layer: Any, training: bool | None = None, inputs: Any = None) -> Any:
        """What the layer, or something made of it, makes of the inputs."""
        inputs = self.tensors() if inputs is None else inputs
        kwargs = self.call_arguments if training is None else {**self.call_arguments, "training": training}
        return layer(inputs, **kwargs)

    def seeded_run(self, layer: Any, training: bool | None = None, inputs: Any = None) -> Any:
        """A run that draws the same random numbers each time, for layers without a seed of their own."""
        torch.manual_seed(3)
        return self.run(layer, training, inputs)

    def gradients(self, layer: Any, weights: list[Any], training: bool) -> list[Tensor]:
        """Gradients, for the float inputs and then for weights, of the output's elements in a fixed mix."""
        inputs = self.tensors(requires_grad=True)
        outputs = flatten(self.seeded_run(layer, training, inputs))
        leaves = [*(leaf for leaf in flatten(inputs) if leaf.requires_grad), *weights]
        differentiable = [output for output in outputs if output.requires_grad]
        return list(torch.autograd.grad(mixed(differentiable), leaves)) if differentiable and leaves else []


def inputs_of(input_shape: Any, dtype: str) -> Any:
    """Made-up inputs.

    Args:
        input_shape: shape with the batch; a list of shapes for a list of inputs, a dict for a dict.
        dtype: data type of the values.
    """
    if isinstance(input_shape, list):
        return [sample(shape, dtype, seed) for seed, shape in enumerate(input_shape)]
    if isinstance(input_shape, dict):
        return {name: sample(shape, dtype, seed) for seed, (name, shape) in enumerate(input_shape.items())}
    return sample(tuple(input_shape), dtype)
