"""Conv2D: learned filters that slide over images."""

from collections.abc import Sequence
from typing import Any, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras import activations, constraints, initializers, regularizers
from labkeras.config import standardize_data_format
from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.graph.symbolic import Shape
from labkeras.layers.arguments import positive_integer, refuse
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.joining import is_unobserved, rectifies
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.layers.pooling.max_pooling2d import MaxPooling2D
from labkeras.layers.windows import (
    axis_sizes,
    padding_mode,
    same_padding,
    same_padding_fits,
    spatial_output_shape,
    zero_padded,
)
from labkeras.ranges import PositiveInt

__all__ = ["Conv2D"]


class Conv2D(Layer):
    """Slides learned filters over images: `activation(convolution(inputs, kernel) + bias)`.

    Args:
        filters: number of filters, the channels of the output; a positive integer.
        kernel_size: height and width of a filter, one integer for both or a pair.
        strides: steps down and across; above 1 only where `dilation_rate` is 1.
        padding: "valid" (windows stay within the image) or "same" (zeros around it, so that the output has
            ceil(size / stride) rows and columns).
        data_format: "channels_last" or "channels_first"; `config.image_data_format()` unless given.
        dilation_rate: distance between the pixels that a filter looks at; 1 means neighbours.
        groups: number of groups that channels and filters are split into; a filter sees one group. It divides both.
        activation: function, or its registered name; `None` leaves the result as it is.
        use_bias: whether to add a learned vector.
        kernel_initializer: start values of `kernel`, shape (height, width, channels / groups, filters).
        bias_initializer: start values of `bias`, shape (filters,).
        kernel_regularizer: penalty on `kernel`, added to the loss.
        bias_regularizer: penalty on `bias`.
        activity_regularizer: penalty on the output.
        kernel_constraint: a function that `kernel` goes through after each update.
        bias_constraint: the same for `bias`.
        lora_rank, lora_alpha: not supported yet; only None is taken.

    Shapes:
        inputs: (batch, height, width, channels), or (batch, channels, height, width) with "channels_first"
        output: (batch, new_height, new_width, filters), or (batch, filters, new_height, new_width)

    Example:
        >>> Conv2D(8, 3, padding="same")(torch.ones(2, 28, 28, 1)).shape
        torch.Size([2, 28, 28, 8])
    """

    _optional_config = frozenset({"lora_rank", "lora_alpha"})

    def __init__(  # type: ignore[misc]  # `activity_regularizer` has its own place, as in Keras
        self,
        filters: PositiveInt,
        kernel_size: PositiveInt | Sequence[PositiveInt],
        strides: PositiveInt | Sequence[PositiveInt] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: PositiveInt | Sequence[PositiveInt] = (1, 1),
        groups: PositiveInt = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        lora_rank: None = None,
        lora_alpha: None = None,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **base)
        refuse("Conv2D", lora_rank=lora_rank, lora_alpha=lora_alpha)
        self.filters = positive_integer(filters, "filters")
        self.kernel_size = axis_sizes(kernel_size, 2, "kernel_size")
        self.strides = axis_sizes(strides, 2, "strides")
        self.padding = padding_mode(padding)
        self.data_format = standardize_data_format(data_format)
        self.dilation_rate = axis_sizes(dilation_rate, 2, "dilation_rate")
        self.groups = positive_integer(groups, "groups")
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(ndim=4)
        self._check_combinations()
        self._spans = tuple(
            (size - 1) * rate + 1 for size, rate in zip(self.kernel_size, self.dilation_rate, strict=True)
        )
        self._padding_depends_on_size = self.padding == "same" and not same_padding_fits(self._spans, self.strides)
        self._fixed_padding = tuple(span // 2 if self.padding == "same" else 0 for span in self._spans)

    def build(self, input_shape: Shape) -> None:
        channels = self._split(input_shape)[1]
        if channels is None:
            raise InvalidInputError(
                f"layer {self.name!r} needs to know the number of channels to make its kernel. "
                f"Received: input shape {tuple(input_shape)}, with data_format={self.data_format!r}"
            )
        if channels % self.groups:
            raise InvalidInputError(
                f"layer {self.name!r} splits its input's channels into groups={self.groups}, which must divide them. "
                f"Received: {channels} channels, input shape {tuple(input_shape)}"
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, channels // self.groups, self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self._lay_out_kernel()
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(ndim=4, axes={-1 if self.data_format == "channels_last" else 1: channels})

    def call(self, inputs: Tensor) -> Tensor:
        if self.activation is not activations.relu:
            return self.activation(self._in_order(self._convolve(inputs)))
        # In place: nobody else has seen the outputs, and the convolution's gradient does not need them.
        return self._in_order(torch.relu_(self._convolve(inputs)))

    def _takes_along(self, following: Any) -> bool:
        return rectifies(following) or isinstance(following, MaxPooling2D)

    def _run_with(self, following: Any, inputs: Tensor) -> Tensor:
        """The layer, and the rectifier or pooling after it.

        The largest of rectified values is the largest value, rectified: pooling first leaves fewer of them.
        """
        if is_unobserved(self, following):
            if self.activation is activations.linear and rectifies(following):
                return self._in_order(torch.relu_(self._convolve(inputs)))
            if self.activation is activations.relu and isinstance(following, MaxPooling2D):
                return torch.relu(following.call(self._in_order(self._convolve(inputs))))
        outputs: Tensor = following._run(self._run(inputs))
        return outputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes, _ = self._split(input_shape)
        sizes = spatial_output_shape(sizes, self._spans, self.strides, self.padding, self.name)
        if self.data_format == "channels_last":
            return (input_shape[0], *sizes, self.filters)
        return (input_shape[0], self.filters, *sizes)

    def _convolve(self, inputs: Tensor) -> Tensor:
        """The convolution in torch's order of axes: (batch, channels, height, width)."""
        # Images with channels last, their axes in torch's order, are what torch calls channels_last: nothing is copied.
        images = inputs.permute(0, 3, 1, 2) if self.data_format == "channels_last" else inputs
        if not images.is_floating_point():
            images = images.to(self.dtype_policy.torch_compute_dtype)
        padding = self._fixed_padding
        if self._padding_depends_on_size:
            pairs = [same_padding(*axis) for axis in zip(images.shape[2:], self._spans, self.strides, strict=True)]
            if all(before == after for before, after in pairs):
                padding = tuple(before for before, _ in pairs)
            else:
                images, padding = zero_padded(images, pairs), (0, 0)
        kernel = self.kernel.permute(3, 2, 0, 1)
        try:
            return F.conv2d(images, kernel, self.bias, self.strides, padding, self.dilation_rate, self.groups)
        except RuntimeError:
            # Raises if the images are too small.
            spatial_output_shape(tuple(images.shape[2:]), self._spans, self.strides, self.padding, self.name)
            raise

    def _in_order(self, outputs: Tensor) -> Tensor:
        """Outputs in torch's order of axes, in that of the layer."""
        return outputs.permute(0, 2, 3, 1) if self.data_format == "channels_last" else outputs

    def _lay_out_kernel(self) -> None:
        """Puts the kernel's values in memory as torch's convolutions want them; its shape stays Keras's.

        Otherwise torch would copy the kernel in each call, and its gradient: for small images of many channels that
        takes longer than the convolution. The price: the kernel is not contiguous, `view(-1)` of it must be `reshape`.
        """
        values = self.kernel.data
        if self.data_format == "channels_last":
            # As one matrix: torch transposes that in blocks, three times as fast as axis by axis.
            rows = values.reshape(-1, self.filters).t().contiguous()
            self.kernel.data = rows.reshape(self.filters, *values.shape[:-1]).permute(1, 2, 3, 0)
        else:
            self.kernel.data = values.permute(3, 2, 0, 1).contiguous().permute(2, 3, 1, 0)

    def _split(self, input_shape: Shape) -> tuple[Shape, int | None]:
        """The sizes of height and width, and the number of channels."""
        if len(input_shape) != 4:
            raise InvalidInputError(
                f"layer {self.name!r} takes images with four axes, the first of which is the batch. "
                f"Received: input shape {tuple(input_shape)}"
            )
        if self.data_format == "channels_last":
            return tuple(input_shape[1:3]), input_shape[3]
        return tuple(input_shape[2:]), input_shape[1]

    def _check_combinations(self) -> None:
        if self.filters % self.groups:
            raise InvalidArgumentError(
                f"`filters` must be a multiple of `groups`. Received: filters={self.filters}, groups={self.groups}"
            )
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise InvalidArgumentError(
                "`strides` and `dilation_rate` cannot both be above 1. "
                f"Received: strides={self.strides}, dilation_rate={self.dilation_rate}"
            )
