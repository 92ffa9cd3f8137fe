"""Dense: a learned linear map over the last axis."""

from typing import Any, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras import activations, constraints, initializers, regularizers
from labkeras.graph.symbolic import Shape
from labkeras.layers.arguments import positive_integer, refuse
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.ranges import PositiveInt

__all__ = ["Dense"]


class Dense(Layer):
    """Multiplies the last axis by a learned matrix: `activation(inputs @ kernel + bias)`.

    Args:
        units: size of the output's last axis, a positive integer.
        activation: function, or its registered name; `None` leaves the result as it is.
        use_bias: whether to add a learned vector.
        kernel_initializer: start values of `kernel`, shape (features, units).
        bias_initializer: start values of `bias`, shape (units,).
        kernel_regularizer: penalty on `kernel`, added to the loss.
        bias_regularizer: penalty on `bias`.
        activity_regularizer: penalty on the output.
        kernel_constraint: a function that `kernel` goes through after each update.
        bias_constraint: the same for `bias`.

    Shapes:
        inputs: (batch, …, features)
        output: (batch, …, units)

    Example:
        >>> Dense(3)(torch.ones(2, 5)).shape
        torch.Size([2, 3])
    """

    bias: Any  # a Variable, or None

    _optional_config = frozenset({"activity_regularizer", "lora_rank", "lora_alpha"})

    def __init__(  # type: ignore[misc]  # `activity_regularizer` has its own place, as in Keras
        self,
        units: PositiveInt,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: int | None = None,
        quantization_config: Any = None,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **base)
        refuse("Dense", lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config)
        self.units = positive_integer(units, "units")
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True
        self._transposes = False

    def build(self, input_shape: Shape) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: input_shape[-1]})
        # Many features and few columns, as in a classifier's head: on the CPU the products with the kernel as it lies
        # take two to four times as long as those with a transposed copy, which is small.
        self._transposes = self.use_bias and self.units < 32 and (input_shape[-1] or 0) >= 256

    def call(self, inputs: Tensor) -> Tensor:
        if not inputs.is_floating_point():
            inputs = inputs.to(self.dtype_policy.torch_compute_dtype)
        if not self.use_bias:
            return self.activation(torch.matmul(inputs, self.kernel))
        if self._transposes:
            return self.activation(F.linear(inputs, self.kernel.t().contiguous(), self.bias))
        if inputs.ndim == 2:
            return self.activation(torch.addmm(self.bias, inputs, self.kernel))
        return self.activation(torch.matmul(inputs, self.kernel) + self.bias)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)
