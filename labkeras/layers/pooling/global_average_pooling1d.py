"""GlobalAveragePooling1D: the mean over the steps of a sequence."""

from typing import Any, Unpack

import torch
from torch import Tensor

from labkeras.config import standardize_data_format
from labkeras.graph.symbolic import Shape
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.layer import Layer, LayerOptions

__all__ = ["GlobalAveragePooling1D"]


class GlobalAveragePooling1D(Layer):
    """Averages each feature over the steps; steps that are masked out do not count.

    Args:
        data_format: "channels_last" or "channels_first"; `config.image_data_format()` unless given.
        keepdims: whether the axis of steps stays, with size 1.

    Shapes:
        inputs: (batch, steps, features), or (batch, features, steps) with "channels_first"
        mask: (batch, steps), True where a step counts
        output: (batch, features); with `keepdims` (batch, 1, features) or (batch, features, 1)

    Example:
        >>> GlobalAveragePooling1D()(torch.ones(2, 7, 8)).shape
        torch.Size([2, 8])
    """

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **base: Unpack[LayerOptions]) -> None:
        super().__init__(**base)
        self.data_format = standardize_data_format(data_format)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=3)
        self.supports_masking = True
        self._axis = 1 if self.data_format == "channels_last" else 2
        self.built = True

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        if not inputs.is_floating_point():
            inputs = inputs.to(self.dtype_policy.torch_compute_dtype)
        if mask is None:
            return inputs.mean(self._axis, keepdim=self.keepdims)
        counts = mask.bool().unsqueeze(2 if self._axis == 1 else 1)
        total = torch.where(counts, inputs, 0).sum(self._axis, keepdim=self.keepdims)
        return total / counts.sum(self._axis, keepdim=self.keepdims).to(inputs.dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None  # there are no steps left to mask

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if self.keepdims:
            return tuple(1 if axis == self._axis else size for axis, size in enumerate(input_shape))
        return tuple(size for axis, size in enumerate(input_shape) if axis != self._axis)
