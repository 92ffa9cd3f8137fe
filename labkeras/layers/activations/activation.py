"""Activation: an activation function as a layer."""

from typing import Any, Unpack

from torch import Tensor

from labkeras import activations
from labkeras.graph.symbolic import Shape
from labkeras.layers.layer import Layer, LayerOptions

__all__ = ["Activation"]


class Activation(Layer):
    """Applies an activation function to each element: `activation(inputs)`.

    Args:
        activation: its registered name ("relu"), or a function that keeps the shape.

    Shapes:
        inputs: any
        output: that of the inputs

    Example:
        >>> Activation("relu")(torch.tensor([-3.0, 2.0]))
        tensor([0., 2.])
    """

    _keeps_dtype = True

    def __init__(self, activation: Any, **base: Unpack[LayerOptions]) -> None:
        super().__init__(**base)
        self.activation = activations.get(activation)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return self.activation(inputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)
