"""SimpleRNNCell: one step of a recurrent layer without gates."""

from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor

from labkeras import activations, constraints, initializers, regularizers
from labkeras.graph.symbolic import Shape
from labkeras.layers.arguments import fraction, positive_integer
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.layers.rnn.gates import Masks, dropout_mask
from labkeras.layers.rnn.stacked_rnn_cells import zero_states
from labkeras.random import SeedGenerator
from labkeras.ranges import Fraction, PositiveInt

__all__ = ["SimpleRNNCell"]


class SimpleRNNCell(Layer):
    """One step without gates: `activation(inputs @ kernel + output_before @ recurrent_kernel + bias)`.

    Args:
        units: number of features of the output, a positive integer.
        activation: function, or its name, of the output.
        use_bias: whether to add a learned vector.
        kernel_initializer: start values of `kernel`, shape (features, units), for the inputs.
        recurrent_initializer: the same of `recurrent_kernel`, shape (units, units), for the output before.
        bias_initializer: start values of `bias`, shape (units,).
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties, added to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: functions that weights go through after each update.
        dropout: fraction of the inputs that training drops, in [0, 1].
        recurrent_dropout: the same of the output before.
        seed: start of the stream of random numbers.

    Shapes:
        inputs: (batch, features)
        states: [output before], or that tensor alone: (batch, units)
        output: (batch, units), and the new state, in a list if it came in one

    Reference:
        Elman (1990), Finding Structure in Time.

    Example:
        >>> cell = SimpleRNNCell(4)
        >>> output, states = cell(torch.ones(2, 3), cell.get_initial_state(2))
        >>> output.shape
        torch.Size([2, 4])
    """

    bias: Any  # a Variable, or None

    def __init__(
        self,
        units: PositiveInt,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: Fraction = 0.0,
        recurrent_dropout: Fraction = 0.0,
        seed: int | None = None,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**base)
        self.units = positive_integer(units, "units")
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = fraction(dropout, "dropout")
        self.recurrent_dropout = fraction(recurrent_dropout, "recurrent_dropout")
        self.seed = seed
        self.seed_generator = SeedGenerator(seed)
        self.state_size = self.units
        self.output_size = self.units

    def build(self, input_shape: Shape) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, self.units),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
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

    def call(
        self, inputs: Tensor, states: Any, training: bool = False, masks: Masks | None = None
    ) -> tuple[Tensor, Any]:
        listed = list(states) if isinstance(states, list | tuple) else [states]
        if masks is None:
            masks = self.dropout_masks(inputs, listed) if training else (None, None)
        output, after = self.step(self.project(inputs, masks[0]), listed, masks[1])
        return output, after if isinstance(states, list | tuple) else output

    def project(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        """What the inputs bring to the output; also of all steps at once.

        Shapes:
            inputs: (batch, …, features)
            mask: (batch, features)
            output: (batch, …, units)
        """
        if mask is not None:
            inputs = inputs * (mask.unsqueeze(1) if inputs.ndim == 3 else mask)
        products = torch.matmul(inputs, self.kernel)
        return products if self.bias is None else products + self.bias

    def step(self, projected: Tensor, states: Sequence[Tensor], mask: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """One step, with inputs that are projected already.

        Shapes:
            projected: (batch, units)
            states: one of (batch, units)
            mask: (batch, units)
            output: (batch, units), and the new state in a list
        """
        before = states[0] if mask is None else states[0] * mask
        output = self.activation(torch.addmm(projected, before, self.recurrent_kernel))
        return output, [output]

    def dropout_masks(self, inputs: Tensor, states: Sequence[Tensor]) -> Masks:
        """What training drops, for all steps of a batch."""
        return (
            dropout_mask(inputs, self.dropout, 1, self.seed_generator),
            dropout_mask(states[0], self.recurrent_dropout, 1, self.seed_generator),
        )

    def get_initial_state(self, batch_size: int) -> list[Tensor]:
        """A state of zeros.

        Args:
            batch_size: the number of samples.
        """
        states: list[Tensor] = zero_states([self.state_size], batch_size, self)
        return states

    def compute_output_shape(self, input_shape: Shape, states_shape: Any = None) -> Any:
        state = (input_shape[0], self.units)
        # Shapes of several states come as a list, that of one as it is.
        is_list = states_shape is None or not isinstance(states_shape[0], int | type(None))
        return state, [state] if is_list else state
