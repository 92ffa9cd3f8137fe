"""MaxPooling2D: the largest value in each window of an image."""

from collections.abc import Sequence
from typing import Unpack

import torch.nn.functional as F
from torch import Tensor

from labkeras.config import standardize_data_format
from labkeras.graph.symbolic import Shape
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.layers.windows import axis_sizes, padding_mode, same_padding, spatial_output_shape
from labkeras.ranges import PositiveInt

__all__ = ["MaxPooling2D"]


class MaxPooling2D(Layer):
    """Takes the largest value of each channel in windows that slide over images.

    Args:
        pool_size: height and width of a window, one integer for both or a pair.
        strides: steps down and across; `pool_size` unless given.
        padding: "valid" (windows stay within the image) or "same" (they may hang over its edge, so that the output has
            ceil(size / stride) rows and columns).
        data_format: "channels_last" or "channels_first"; `config.image_data_format()` unless given.

    Shapes:
        inputs: (batch, height, width, channels), or (batch, channels, height, width) with "channels_first"
        output: the same order, with the new height and width

    Example:
        >>> MaxPooling2D()(torch.ones(2, 28, 28, 8)).shape
        torch.Size([2, 14, 14, 8])
    """

    _keeps_dtype = True

    def __init__(  # type: ignore[misc]  # `name` has its own place, as in Keras
        self,
        pool_size: PositiveInt | Sequence[PositiveInt] = (2, 2),
        strides: PositiveInt | Sequence[PositiveInt] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(name=name, **base)
        self.pool_size = axis_sizes(pool_size, 2, "pool_size")
        self.strides = self.pool_size if strides is None else axis_sizes(strides, 2, "strides")
        self.padding = padding_mode(padding)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=4)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        if self.data_format == "channels_first":
            return self._pool(inputs)
        return self._pool(inputs.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        first = 1 if self.data_format == "channels_last" else 2
        sizes = tuple(input_shape[first : first + 2])
        pooled = spatial_output_shape(sizes, self.pool_size, self.strides, self.padding, self.name)
        return (*input_shape[:first], *pooled, *input_shape[first + 2 :])

    def _pool(self, images: Tensor) -> Tensor:
        """The pooling in torch's order of axes: images (batch, channels, height, width)."""
        if self.padding == "valid":
            try:
                return F.max_pool2d(images, self.pool_size, self.strides)
            except RuntimeError:
                # Raises if the images are too small.
                spatial_output_shape(tuple(images.shape[2:]), self.pool_size, self.strides, "valid", self.name)
                raise
        axes = list(zip(images.shape[2:], self.pool_size, self.strides, strict=True))
        before, after = zip(*(same_padding(*axis) for axis in axes), strict=True)
        # torch pads both sides alike. Where windows step, `ceil_mode` lets the last one hang over the edge by itself.
        # Where they move by 1, the larger padding on both sides adds one window, the first, which is cut off. Neither
        # copies the images.
        padding = [
            late if stride == 1 else early for early, late, stride in zip(before, after, self.strides, strict=True)
        ]
        pooled = F.max_pool2d(images, self.pool_size, self.strides, padding, ceil_mode=True)
        top, left = (pad - early for pad, early in zip(padding, before, strict=True))
        return pooled[:, :, top:, left:] if top or left else pooled
