"""Rescaling: a fixed scale and offset, such as 1/255 for pixels."""

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
import torch
from torch import Tensor

from labkeras import config
from labkeras.errors import InvalidArgumentError
from labkeras.graph.symbolic import Shape
from labkeras.layers.layer import Layer, LayerOptions

__all__ = ["Rescaling"]


class Rescaling(Layer):
    """Computes `inputs * scale + offset`.

    Args:
        scale: a number, or one for each channel: `1 / 255` brings pixels to [0, 1].
        offset: a number, or one for each channel.

    Shapes:
        inputs: any; with numbers for each channel, these are on the last axis, or with the image data format
            "channels_first" on the third from the end
        output: that of the inputs

    Example:
        >>> Rescaling(1 / 127.5, offset=-1)(torch.tensor([0, 255]))
        tensor([-1.,  1.])
    """

    def __init__(
        self, scale: float | Sequence[float], offset: float | Sequence[float] = 0.0, **base: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**base)
        self.scale = scale
        self.offset = offset
        # Constants, not weights: they move with the layer, but are neither counted nor saved.
        self.register_buffer("_scale", self._constant(scale, "scale"), persistent=False)
        self.register_buffer("_offset", self._constant(offset, "offset"), persistent=False)
        self._shifts = bool(np.any(offset))
        self.supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        scaled: Tensor = inputs * self._scale
        return scaled + self._offset if self._shifts else scaled

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def _constant(self, values: Any, argument: str) -> Tensor:
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise InvalidArgumentError(
                f"`{argument}` must be a number, or a list with one for each channel. Received: {argument}={values!r}"
            )
        constant = torch.tensor(array, dtype=self.dtype_policy.torch_compute_dtype)
        if array.ndim and config.image_data_format() == "channels_first":
            return constant.reshape(array.shape + (1,) * (3 - array.ndim))
        return constant
