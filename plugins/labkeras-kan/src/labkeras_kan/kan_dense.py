"""KANDense: a layer whose edges carry learned splines."""

from collections.abc import Sequence
from typing import Annotated, Any, Unpack

import torch
from torch import Tensor

from labkeras import activations, constraints, initializers, regularizers
from labkeras.errors import InvalidInputError
from labkeras.graph.convert import as_tensor
from labkeras.layers import Layer
from labkeras.layers.arguments import fraction, positive_integer
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.layer import LayerOptions
from labkeras.ranges import NonNegative, PositiveInt, Range
from labkeras_kan.arguments import initializer_or, interval, not_negative
from labkeras_kan.edges import complexity, edge_sums, edge_values
from labkeras_kan.splines import adapted_knots, fitted_coefficients, spline_basis, uniform_knots

__all__ = ["KANDense"]

Shape = tuple[int | None, ...]


class KANDense(Layer):
    """Sums learned functions of the features: `activation(Σ_f φ_fu(inputs_f))`, each a spline and a fixed curve.

    `φ(x) = w · base_activation(x) + Σ_b c_b · B_b(x)`: `w` is in `base_kernel`, the `c` are in `spline_kernel`, and the
    `B` are the B-splines of a grid of knots. Outside the grid the splines are zero, and the first term is what is left.
    What the paper has as a factor of each spline is part of its coefficients here.

    Args:
        units: size of the output's last axis, a positive integer.
        activation: function, or its registered name, that the sums go through; the paper has none.
        use_bias: whether to add a learned vector; within the grid, splines can add constants themselves.
        grid_size: number of intervals between `grid_range`, a positive integer.
        spline_order: degree of the splines' polynomials, a positive integer.
        grid_range: the lowest and the highest input that splines are made for; `update_grid` fits it to data.
        base_activation: the fixed curve, or its registered name.
        base_initializer: start values of `base_kernel`, shape (features, units).
        spline_initializer: start values of `spline_kernel`, shape (features, grid_size + spline_order, units); None:
            normal with a standard deviation of 0.1, as in the paper.
        bias_initializer: start values of `bias`, shape (units,).
        base_regularizer, spline_regularizer, bias_regularizer: penalties on weights, added to the loss.
        activity_regularizer: penalty on the output.
        base_constraint, spline_constraint, bias_constraint: functions that weights go through after each update.
        edge_l1: weight of the paper's penalty on the mean magnitude of each edge, at least 0. With it or the next one,
            training computes the value of each edge for each sample.
        edge_entropy: weight of the paper's penalty on the entropy of those magnitudes, at least 0.

    Shapes:
        inputs: (batch, …, features)
        output: (batch, …, units)

    Reference:
        Z. Liu et al. (2024), "KAN: Kolmogorov-Arnold Networks", https://arxiv.org/abs/2404.19756

    Example:
        >>> KANDense(3)(torch.ones(2, 5)).shape
        torch.Size([2, 3])
    """

    bias: Any  # a Variable, or None

    def __init__(  # type: ignore[misc]  # `activity_regularizer` has its own place, as in Dense
        self,
        units: PositiveInt,
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
        edge_l1: NonNegative = 0.0,
        edge_entropy: NonNegative = 0.0,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self.units = positive_integer(units, "units")
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
        self.edge_l1 = not_negative(edge_l1, "edge_l1")
        self.edge_entropy = not_negative(edge_entropy, "edge_entropy")
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
        self.spline_kernel = self.add_weight(
            name="spline_kernel",
            shape=(features, self.grid_size + self.spline_order, self.units),
            initializer=self.spline_initializer,
            regularizer=self.spline_regularizer,
            constraint=self.spline_constraint,
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
        self.grid = self.add_weight(
            name="grid",
            shape=(features, self.grid_size + 2 * self.spline_order + 1),
            initializer=self._start_knots,
            trainable=False,
            autocast=False,
        )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        base, basis = self._functions(inputs)
        if training and (self.edge_l1 or self.edge_entropy):
            edges = edge_values(base, basis, self.base_kernel, self.spline_kernel)
            self.add_loss(complexity(edges, self.edge_l1, self.edge_entropy))
        return self.activation(edge_sums(base, basis, self.base_kernel, self.spline_kernel, self.bias))

    def edges(self, inputs: Any) -> Tensor:
        """The value of each edge's function, which the layer sums up.

        Shapes:
            inputs: (…, features)
            output: (…, features, units)
        """
        return edge_values(*self._functions(as_tensor(inputs)), self.base_kernel, self.spline_kernel)

    @torch.no_grad()
    def update_grid(
        self,
        inputs: Any,
        adaptivity: Annotated[float, Range(0, 1)] = 0.98,
        margin: NonNegative = 0.01,
    ) -> None:
        """Moves the knots to where the inputs are, and fits the splines anew, so that they stay what they were there.

        Features whose inputs are all the same keep their knots.

        Args:
            inputs: what the layer is called on, some hundred samples at least.
            adaptivity: 0 for knots at equal distances, 1 for equally many samples between them, in [0, 1].
            margin: by which the grid goes beyond the samples, as a fraction of their range, at least 0.

        Shapes:
            inputs: (batch, …, features)

        Raises:
            InvalidInputError: if the layer is not built for as many features, or there are fewer than two samples.

        Reference:
            Liu et al. (2024), section 2.4 and appendix.

        Example:
            >>> layer = KANDense(3)
            >>> layer.build((None, 2))
            >>> layer.update_grid(torch.rand(500, 2) * 8)
            >>> bool(layer.grid[:, 3].abs().max() < 0.2)
            True
        """
        fraction(adaptivity, "adaptivity")
        not_negative(margin, "margin")
        # In double precision: where knots lie close together, the fit would lose what is left of single precision.
        samples = as_tensor(inputs).detach().to(self.grid.device, torch.float64).reshape(-1, self.grid.shape[0])
        if len(samples) < 2 or as_tensor(inputs).shape[-1] != self.grid.shape[0]:
            raise InvalidInputError(
                f"the grid of layer {self.name!r} needs at least two samples of {self.grid.shape[0]} features. "
                f"Received: inputs of the shape {tuple(as_tensor(inputs).shape)}"
            )
        spread = samples.amax(0) - samples.amin(0)
        varies = spread > 1e-6 * samples.abs().amax(0).clamp(min=1e-6)
        if not bool(varies.any()):
            return
        samples, old_knots = samples[:, varies], self.grid[varies].double()
        before = (
            spline_basis(samples, old_knots, self.spline_order).transpose(0, 1) @ self.spline_kernel[varies].double()
        )
        # Knots and coefficients that are kept in single precision must fit each other.
        knots = adapted_knots(samples, self.grid_size, self.spline_order, adaptivity, margin).to(self.grid.dtype)
        basis = spline_basis(samples, knots.double(), self.spline_order).transpose(0, 1)
        self.spline_kernel[varies] = fitted_coefficients(basis, before).to(self.spline_kernel.dtype)
        self.grid[varies] = knots

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def _functions(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The fixed curve and the basis functions: (…, features) and (…, features, basis functions)."""
        dtype = self.dtype_policy.torch_compute_dtype
        if not inputs.is_floating_point():
            inputs = inputs.to(dtype)
        # In the type of the knots: differences of inputs and knots of half precision would have few digits left.
        exact = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
        basis = spline_basis(exact, self.grid.to(exact.dtype), self.spline_order)
        return self.base_activation(inputs), basis.to(inputs.dtype)

    def _start_knots(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        knots = uniform_knots(*self.grid_range, self.grid_size, self.spline_order)
        return knots.repeat(shape[0], 1)
