"""KANConv2D: filters whose every place carries a learned spline."""

from collections.abc import Sequence
from typing import Any, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras import activations, constraints, initializers, regularizers
from labkeras.config import standardize_data_format
from labkeras.errors import InvalidInputError
from labkeras.layers import Layer
from labkeras.layers.arguments import positive_integer
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.layer import LayerOptions
from labkeras.layers.windows import axis_sizes, padding_mode, same_padding, spatial_output_shape
from labkeras.ranges import PositiveInt
from labkeras_kan.arguments import initializer_or, interval
from labkeras_kan.splines import spline_basis, uniform_knots

__all__ = ["KANConv2D"]

Shape = tuple[int | None, ...]


class KANConv2D(Layer):
    """Slides filters over images that apply a learned function to each pixel they look at, and add up the results.

    The functions are those of `KANDense`, and all places of a filter share the grid of the channel. The basis
    functions are computed once a pixel, and a single convolution of them does the rest.

    Args:
        filters: number of filters, the channels of the output; a positive integer.
        kernel_size: height and width of a filter, one integer for both or a pair.
        strides: steps down and across.
        padding: "valid" (windows stay within the image) or "same" (places outside the image add nothing).
        data_format: "channels_last" or "channels_first"; `config.image_data_format()` unless given.
        activation: function, or its registered name, that the sums go through.
        use_bias: whether to add a learned vector.
        grid_size: number of intervals between `grid_range`, a positive integer.
        spline_order: degree of the splines' polynomials, a positive integer.
        grid_range: the lowest and the highest pixel that splines are made for.
        base_activation: the fixed curve, or its registered name.
        base_initializer: start values of `base_kernel`, shape (height, width, channels, filters).
        spline_initializer: start values of `spline_kernel`, shape (height, width, channels, grid_size + spline_order,
            filters); None: normal with a standard deviation of 0.1.
        bias_initializer: start values of `bias`, shape (filters,).
        base_regularizer, spline_regularizer, bias_regularizer: penalties on weights, added to the loss.
        activity_regularizer: penalty on the output.
        base_constraint, spline_constraint, bias_constraint: functions that weights go through after each update.

    Shapes:
        inputs: (batch, height, width, channels), or (batch, channels, height, width) with "channels_first"
        output: (batch, new_height, new_width, filters), or (batch, filters, new_height, new_width)

    Reference:
        A. D. Bodner et al. (2024), "Convolutional Kolmogorov-Arnold Networks", https://arxiv.org/abs/2406.13155

    Example:
        >>> KANConv2D(8, 3, padding="same")(torch.ones(2, 8, 8, 1)).shape
        torch.Size([2, 8, 8, 8])
    """

    bias: Any  # a Variable, or None

    def __init__(  # type: ignore[misc]  # `activity_regularizer` has its own place, as in Conv2D
        self,
        filters: PositiveInt,
        kernel_size: PositiveInt | Sequence[PositiveInt],
        strides: PositiveInt | Sequence[PositiveInt] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        activation: Any = None,
        use_bias: bool = False,
        grid_size: PositiveInt = 5,
        spline_order: PositiveInt = 3,
        grid_range: Sequence[float] = (-1.0, 1.0),
        base_activation: Any = "silu",
        base_initializer: Any = "glorot_uniform",
        spline_initializer: Any = None,
        bias_initializer: Any = "zeros",
        base_regularizer: Any = None,
        spline_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        base_constraint: Any = None,
        spline_constraint: Any = None,
        bias_constraint: Any = None,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self.filters = positive_integer(filters, "filters")
        self.kernel_size = axis_sizes(kernel_size, 2, "kernel_size")
        self.strides = axis_sizes(strides, 2, "strides")
        self.padding = padding_mode(padding)
        self.data_format = standardize_data_format(data_format)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.grid_size = positive_integer(grid_size, "grid_size")
        self.spline_order = positive_integer(spline_order, "spline_order")
        self.grid_range = interval(grid_range, "grid_range")
        self.base_activation = activations.get(base_activation)
        self.base_initializer = initializers.get(base_initializer)
        self.spline_initializer = initializer_or(spline_initializer, 0.1)
        self.bias_initializer = initializers.get(bias_initializer)
        self.base_regularizer = regularizers.get(base_regularizer)
        self.spline_regularizer = regularizers.get(spline_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.base_constraint = constraints.get(base_constraint)
        self.spline_constraint = constraints.get(spline_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(ndim=4)

    def build(self, input_shape: Shape) -> None:
        axis = -1 if self.data_format == "channels_last" else 1
        channels = input_shape[axis]
        if channels is None:
            raise InvalidInputError(
                f"layer {self.name!r} needs to know the number of channels to make its kernels. "
                f"Received: input shape {tuple(input_shape)}, with data_format={self.data_format!r}"
            )
        self.base_kernel = self.add_weight(
            name="base_kernel",
            shape=(*self.kernel_size, channels, self.filters),
            initializer=self.base_initializer,
            regularizer=self.base_regularizer,
            constraint=self.base_constraint,
        )
        self.spline_kernel = self.add_weight(
            name="spline_kernel",
            shape=(*self.kernel_size, channels, self.grid_size + self.spline_order, self.filters),
            initializer=self.spline_initializer,
            regularizer=self.spline_regularizer,
            constraint=self.spline_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.grid = self.add_weight(
            name="grid",
            shape=(channels, self.grid_size + 2 * self.spline_order + 1),
            initializer=self._start_knots,
            trainable=False,
            autocast=False,
        )
        self.input_spec = InputSpec(ndim=4, axes={axis: channels})

    def call(self, inputs: Tensor) -> Tensor:
        images = inputs if self.data_format == "channels_last" else inputs.permute(0, 2, 3, 1)
        if not images.is_floating_point():
            images = images.to(self.dtype_policy.torch_compute_dtype)
        exact = images.to(torch.promote_types(images.dtype, torch.float32))
        basis = spline_basis(exact, self.grid.to(exact.dtype), self.spline_order).to(images.dtype)
        # Channels of the convolution: the fixed curve of each pixel's channels, then the basis functions of each.
        values = torch.cat([self.base_activation(images), basis.flatten(-2)], -1).permute(0, 3, 1, 2)
        kernel = torch.cat([self.base_kernel, self.spline_kernel.flatten(2, 3)], 2).permute(3, 2, 0, 1)
        if self.padding == "same":
            axes = zip(values.shape[2:], self.kernel_size, self.strides, strict=True)
            (top, bottom), (left, right) = (same_padding(*axis) for axis in axes)
            values = F.pad(values, (left, right, top, bottom))
        outputs = F.conv2d(values, kernel, self.bias, self.strides)
        return self.activation(outputs.permute(0, 2, 3, 1) if self.data_format == "channels_last" else outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        is_last = self.data_format == "channels_last"
        sizes = input_shape[1:3] if is_last else input_shape[2:]
        sizes = spatial_output_shape(sizes, self.kernel_size, self.strides, self.padding, self.name)
        return (input_shape[0], *sizes, self.filters) if is_last else (input_shape[0], self.filters, *sizes)

    def _start_knots(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        return uniform_knots(*self.grid_range, self.grid_size, self.spline_order).repeat(shape[0], 1)
