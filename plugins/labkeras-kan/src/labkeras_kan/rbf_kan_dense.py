"""RBFKANDense: a layer whose edges carry sums of bells, which are cheaper than splines."""

from collections.abc import Sequence
from typing import Annotated, Any, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras import activations, constraints, initializers, regularizers
from labkeras.errors import InvalidArgumentError
from labkeras.layers import Layer
from labkeras.layers.arguments import positive_integer
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.layer import LayerOptions
from labkeras.ranges import PositiveInt, Range
from labkeras_kan.arguments import initializer_or, interval
from labkeras_kan.edges import edge_sums, edge_values

__all__ = ["RBFKANDense"]

Shape = tuple[int | None, ...]


class RBFKANDense(Layer):
    """Sums learned functions of the features, each a sum of Gaussian bells at fixed places and a fixed curve.

    `φ(x) = w · base_activation(x) + Σ_b c_b · exp(-((z - center_b) / h)²)`, where `h` is the distance of the centers
    and `z` the features of a sample brought to mean 0 and variance 1 (layer normalization), which keeps them where the
    bells are. `w` is in `base_kernel`, the `c` are in `kernel`.

    Args:
        units: size of the output's last axis, a positive integer.
        activation: function, or its registered name, that the sums go through.
        use_bias: whether to add a learned vector.
        grid_size: number of bells, at least 2.
        grid_range: the lowest and the highest center.
        normalize: whether to normalize the features first; without it the bells see the features themselves.
        base_activation: the fixed curve, or its registered name.
        base_initializer: start values of `base_kernel`, shape (features, units).
        kernel_initializer: start values of `kernel`, shape (features, grid_size, units); None: normal with a standard
            deviation of 0.1.
        bias_initializer: start values of `bias`, shape (units,).
        base_regularizer, kernel_regularizer, bias_regularizer: penalties on weights, added to the loss.
        activity_regularizer: penalty on the output.
        base_constraint, kernel_constraint, bias_constraint: functions that weights go through after each update.

    Shapes:
        inputs: (batch, …, features)
        output: (batch, …, units)

    Reference:
        Z. Li (2024), "Kolmogorov-Arnold Networks are Radial Basis Function Networks", https://arxiv.org/abs/2405.06721

    Example:
        >>> RBFKANDense(3)(torch.ones(2, 5)).shape
        torch.Size([2, 3])
    """

    bias: Any  # a Variable, or None

    def __init__(  # type: ignore[misc]  # `activity_regularizer` has its own place, as in Dense
        self,
        units: PositiveInt,
        activation: Any = None,
        use_bias: bool = True,
        grid_size: Annotated[int, Range(2)] = 8,
        grid_range: Sequence[float] = (-2.0, 2.0),
        normalize: bool = True,
        base_activation: Any = "silu",
        base_initializer: Any = "glorot_uniform",
        kernel_initializer: Any = None,
        bias_initializer: Any = "zeros",
        base_regularizer: Any = None,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        base_constraint: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self.units = positive_integer(units, "units")
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.grid_size = positive_integer(grid_size, "grid_size")
        if self.grid_size == 1:
            raise InvalidArgumentError(f"there must be at least 2 bells. Received: grid_size={grid_size!r}")
        self.grid_range = interval(grid_range, "grid_range")
        self.normalize = normalize
        self.base_activation = activations.get(base_activation)
        self.base_initializer = initializers.get(base_initializer)
        self.kernel_initializer = initializer_or(kernel_initializer, 0.1)
        self.bias_initializer = initializers.get(bias_initializer)
        self.base_regularizer = regularizers.get(base_regularizer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.base_constraint = constraints.get(base_constraint)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        features = input_shape[-1]
        self.base_kernel = self.add_weight(
            name="base_kernel",
            shape=(features, self.units),
            initializer=self.base_initializer,
            regularizer=self.base_regularizer,
            constraint=self.base_constraint,
        )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features, self.grid_size, self.units),
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
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})

    def call(self, inputs: Tensor) -> Tensor:
        return self.activation(edge_sums(*self._functions(inputs), self.base_kernel, self.kernel, self.bias))

    def edges(self, inputs: Tensor) -> Tensor:
        """The value of each edge's function; with `normalize` it depends on the other features as well.

        Shapes:
            inputs: (…, features)
            output: (…, features, units)
        """
        return edge_values(*self._functions(inputs), self.base_kernel, self.kernel)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def _functions(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The fixed curve and the bells: (…, features) and (…, features, bells)."""
        if not inputs.is_floating_point():
            inputs = inputs.to(self.dtype_policy.torch_compute_dtype)
        exact = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
        if self.normalize:
            exact = F.layer_norm(exact, (exact.shape[-1],))
        low, high = self.grid_range
        scale = (self.grid_size - 1) / (high - low)
        places = torch.arange(self.grid_size, dtype=exact.dtype, device=exact.device)
        # In units of the distance between bells: one subtraction a bell, and no weights for the places.
        distances = ((exact - low) * scale).unsqueeze(-1) - places
        return self.base_activation(inputs), torch.exp(-distances.square()).to(inputs.dtype)
