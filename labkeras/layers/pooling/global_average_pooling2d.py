"""GlobalAveragePooling2D: the mean of each channel of an image."""

from typing import Unpack

from torch import Tensor

from labkeras.config import standardize_data_format
from labkeras.graph.symbolic import Shape
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.layer import Layer, LayerOptions

__all__ = ["GlobalAveragePooling2D"]


class GlobalAveragePooling2D(Layer):
    """Averages each channel over the whole image.

    Args:
        data_format: "channels_last" or "channels_first"; `config.image_data_format()` unless given.
        keepdims: whether height and width stay, as axes of size 1.

    Shapes:
        inputs: (batch, height, width, channels), or (batch, channels, height, width) with "channels_first"
        output: (batch, channels); with `keepdims` (batch, 1, 1, channels) or (batch, channels, 1, 1)

    Example:
        >>> GlobalAveragePooling2D()(torch.ones(2, 7, 7, 8)).shape
        torch.Size([2, 8])
    """

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **base: Unpack[LayerOptions]) -> None:
        super().__init__(**base)
        self.data_format = standardize_data_format(data_format)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=4)
        self._axes = (1, 2) if self.data_format == "channels_last" else (2, 3)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        if not inputs.is_floating_point():
            inputs = inputs.to(self.dtype_policy.torch_compute_dtype)
        return inputs.mean(self._axes, keepdim=self.keepdims)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if self.keepdims:
            return tuple(1 if axis in self._axes else size for axis, size in enumerate(input_shape))
        return tuple(size for axis, size in enumerate(input_shape) if axis not in self._axes)
