"""Flatten: all axes but the batch in one."""

import math
from typing import Unpack

from torch import Tensor

from labkeras.config import standardize_data_format
from labkeras.graph.symbolic import Shape
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.layer import Layer, LayerOptions

__all__ = ["Flatten"]


class Flatten(Layer):
    """Puts all axes but the batch into one.

    Args:
        data_format: "channels_last" or "channels_first"; `config.image_data_format()` unless given. With
            "channels_first" the channels are moved to the end first, so that both layouts give the same order.

    Shapes:
        inputs: (batch, …)
        output: (batch, product of the other sizes); (batch, 1) for inputs of shape (batch,)

    Example:
        >>> Flatten()(torch.ones(2, 4, 4, 3)).shape
        torch.Size([2, 48])
    """

    _keeps_dtype = True

    def __init__(self, data_format: str | None = None, **base: Unpack[LayerOptions]) -> None:
        super().__init__(**base)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Tensor) -> Tensor:
        if inputs.ndim == 1:
            return inputs.unsqueeze(1)
        if inputs.ndim > 2 and self.data_format == "channels_first":
            inputs = inputs.movedim(1, -1)
        return inputs.flatten(1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *sizes = input_shape
        known = [size for size in sizes if size is not None]
        return (batch, math.prod(known) if len(known) == len(sizes) else None)
