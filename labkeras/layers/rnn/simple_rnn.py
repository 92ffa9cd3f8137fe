"""SimpleRNN: a recurrent layer without gates, whose output goes back in."""

from collections.abc import Sequence
from typing import Any, Self, Unpack

import torch
from torch import Tensor

from labkeras import activations, constraints, initializers, regularizers
from labkeras.graph.symbolic import Shape
from labkeras.layers.arguments import fraction, positive_integer
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.layers.rnn.gates import Masks, dropout_mask, run_gated, settings_of
from labkeras.layers.rnn.rnn import RNN
from labkeras.layers.rnn.stacked_rnn_cells import zero_states
from labkeras.layers.signature import config_of_arguments
from labkeras.random import SeedGenerator
from labkeras.ranges import Fraction, PositiveInt

__all__ = ["SimpleRNN", "SimpleRNNCell"]


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


class SimpleRNN(RNN):
    """Goes through a sequence; the output of a step is one of the inputs of the next.

    What it learns about steps far back fades or explodes with their distance; `LSTM` and `GRU` are made against that.

    With tanh or relu, no `recurrent_dropout` and no mask, or one that is False only at the ends of samples, all steps
    are one call of torch's kernel (cuDNN on a GPU); otherwise they run one by one.

    Args:
        units: number of features of the output, a positive integer.
        activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer, kernel_regularizer,
        recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint, bias_constraint, dropout,
        recurrent_dropout, seed: as of `SimpleRNNCell`.
        activity_regularizer: penalty on the output.
        return_sequences, return_state, go_backwards, stateful, unroll: as of `RNN`.

    Shapes:
        sequences: (batch, steps, features)
        output: (batch, units); with `return_sequences` (batch, steps, units); with `return_state` followed by the last
            output, (batch, units)

    Raises:
        InvalidArgumentError: if an argument is out of its range.

    Reference:
        Elman (1990), Finding Structure in Time.

    Example:
        >>> SimpleRNN(4)(torch.ones(2, 5, 3)).shape
        torch.Size([2, 4])
    """

    def __init__(  # type: ignore[misc]  # `activity_regularizer` has its own place, as in Keras
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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: Fraction = 0.0,
        recurrent_dropout: Fraction = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        *,
        zero_output_for_mask: bool = False,
        **base: Unpack[LayerOptions],
    ) -> None:
        cell = SimpleRNNCell(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            dtype=base.get("dtype"),
            trainable=base.get("trainable", True),
            name="simple_rnn_cell",
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            zero_output_for_mask,
            # Differs from Keras: it takes this argument of SimpleRNN, and then penalizes nothing.
            activity_regularizer=activity_regularizer,
            **base,
        )
        self.input_spec = InputSpec(ndim=3)

    def _run_steps(
        self, sequences: Tensor, states: list[Any], mask: Tensor | None, training: bool
    ) -> tuple[Tensor, list[Any]]:
        return run_gated(self, sequences, states, mask, training)

    @property
    def _has_kernel(self) -> bool:
        """Whether torch's kernel computes what this layer does; activations can be changed."""
        cell: SimpleRNNCell = self.cell
        is_known = cell.activation is activations.tanh or cell.activation is activations.relu
        return is_known and type(cell).step is SimpleRNNCell.step

    def _run_kernel(self, sequences: Tensor, states: list[Any]) -> tuple[Tensor, list[Any]]:
        """All steps at once."""
        cell: SimpleRNNCell = self.cell
        weights = [cell.kernel.t(), cell.recurrent_kernel.t()]
        if cell.bias is not None:
            # Not the variable itself: a compiler that saves it for the backward pass wants a plain tensor.
            weights += [cell.bias.view(-1), torch.zeros_like(cell.bias)]
        kernel = torch._VF.rnn_tanh if cell.activation is activations.tanh else torch._VF.rnn_relu
        outputs, last = kernel(  # as torch.nn.RNN does
            sequences, states[0].unsqueeze(0), weights, cell.bias is not None, 1, 0.0, False, False, True
        )
        return outputs, [last[0]]

    def __getattr__(self, name: str) -> Any:
        # `simple_rnn.units`, `simple_rnn.activation` and so on are the cell's.
        if name in _OF_THE_CELL and "cell" in self.__dict__.get("_modules", {}):
            return getattr(self._modules["cell"], name)
        return super().__getattr__(name)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **config_of_arguments(self)}
        del config["cell"], config["seed"]  # as in Keras: a layer made from it draws from the global generator
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        del custom_objects  # everything in the config is a plain argument
        return cls(**config)


_OF_THE_CELL = settings_of(SimpleRNNCell)
