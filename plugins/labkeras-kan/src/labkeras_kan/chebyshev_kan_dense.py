"""ChebyshevKANDense: a layer whose edges carry learned polynomials."""

from typing import Any, Unpack

import torch
from torch import Tensor

from labkeras import activations, constraints, initializers, regularizers
from labkeras.layers import Layer
from labkeras.layers.arguments import positive_integer
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.layer import LayerOptions
from labkeras.ranges import PositiveInt

__all__ = ["ChebyshevKANDense"]

Shape = tuple[int | None, ...]


class ChebyshevKANDense(Layer):
    """Sums learned polynomials of the features: `activation(Σ_f Σ_d kernel[f, d, u] · T_d(tanh(inputs_f)))`.

    `T_d` is the Chebyshev polynomial of degree `d`; the hyperbolic tangent puts inputs into the interval on which these
    are orthogonal. There is no grid, so none that inputs could leave.

    Args:
        units: size of the output's last axis, a positive integer.
        activation: function, or its registered name, that the sums go through.
        degree: the highest degree of the polynomials, a positive integer.
        kernel_initializer: start values of `kernel`, shape (features, degree, units); None: normal with a standard
            deviation of 1 / (features · (degree + 1)), as in the reference.
        use_bias: whether to add a learned vector: the polynomials of degree 0 of all edges together.
        bias_initializer: start values of `bias`, shape (units,).
        kernel_regularizer, bias_regularizer: penalties on weights, added to the loss.
        activity_regularizer: penalty on the output.
        kernel_constraint, bias_constraint: functions that weights go through after each update.

    Shapes:
        inputs: (batch, …, features)
        output: (batch, …, units)

    Reference:
        S. SS et al. (2024), "Chebyshev Polynomial-Based Kolmogorov-Arnold Networks", https://arxiv.org/abs/2405.07200

    Example:
        >>> ChebyshevKANDense(3)(torch.ones(2, 5)).shape
        torch.Size([2, 3])
    """

    bias: Any  # a Variable, or None

    def __init__(  # type: ignore[misc]  # `activity_regularizer` has its own place, as in Dense
        self,
        units: PositiveInt,
        activation: Any = None,
        use_bias: bool = True,
        degree: PositiveInt = 4,
        kernel_initializer: Any = None,
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self.units = positive_integer(units, "units")
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.degree = positive_integer(degree, "degree")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        features = input_shape[-1]
        initializer = self.kernel_initializer
        if initializer is None and features is not None:
            initializer = initializers.RandomNormal(stddev=1 / (features * (self.degree + 1)))
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features, self.degree, self.units),
            initializer=initializer,
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
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})

    def call(self, inputs: Tensor) -> Tensor:
        polynomials = self._polynomials(inputs).flatten(-2)
        kernel = self.kernel.flatten(0, 1)
        if self.bias is None:
            return self.activation(polynomials @ kernel)
        if polynomials.ndim == 2:
            return self.activation(torch.addmm(self.bias, polynomials, kernel))
        return self.activation(polynomials @ kernel + self.bias)

    def edges(self, inputs: Tensor) -> Tensor:
        """The value of each edge's polynomial, without the constant term.

        Shapes:
            inputs: (…, features)
            output: (…, features, units)
        """
        return torch.einsum("...fd,fdu->...fu", self._polynomials(inputs), self.kernel)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def _polynomials(self, inputs: Tensor) -> Tensor:
        """T_1 … T_degree: (…, features, degree), by T_d = 2 x T_{d-1} - T_{d-2}."""
        if not inputs.is_floating_point():
            inputs = inputs.to(self.dtype_policy.torch_compute_dtype)
        x = torch.tanh(inputs.to(torch.promote_types(inputs.dtype, torch.float32)))
        found, doubled = [torch.ones_like(x), x], 2 * x
        for _ in range(1, self.degree):
            found.append(doubled * found[-1] - found[-2])
        return torch.stack(found[1:], -1).to(inputs.dtype)
