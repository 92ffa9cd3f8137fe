"""LSTM: a recurrent layer whose cell decides what to forget, to take in and to put out."""

from collections.abc import Sequence
from typing import Any, Self, Unpack

import torch
from torch import Tensor

from labkeras import activations, constraints, initializers, regularizers
from labkeras.graph.symbolic import Shape
from labkeras.layers.arguments import fraction, positive_integer
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.layers.rnn.gates import Masks, checked_use_cudnn, dropout_mask, gated_product, run_gated, settings_of
from labkeras.layers.rnn.rnn import RNN
from labkeras.layers.rnn.stacked_rnn_cells import zero_states
from labkeras.layers.signature import config_of_arguments
from labkeras.random import SeedGenerator
from labkeras.ranges import Fraction, PositiveInt

__all__ = ["LSTM", "LSTMCell"]


class LSTMCell(Layer):
    """One step of an LSTM.

    Args:
        units: number of features of the output and of each of the two states, a positive integer.
        activation: function, or its name, of what is taken in and of what is put out.
        recurrent_activation: that of the gates.
        use_bias: whether to add a learned vector.
        kernel_initializer: start values of `kernel`, shape (features, 4 · units), for the inputs: the gates for taking
            in, forgetting, the candidate, putting out, in this order.
        recurrent_initializer: the same of `recurrent_kernel`, shape (units, 4 · units), for the output before.
        bias_initializer: start values of `bias`, shape (4 · units,).
        unit_forget_bias: whether the forget gate's bias starts at 1 all the same.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties, added to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: functions that weights go through after each update.
        dropout: fraction of the inputs that training drops, in [0, 1].
        recurrent_dropout: the same of the output before, for each gate anew.
        seed: start of the stream of random numbers.

    Shapes:
        inputs: (batch, features)
        states: [output before, memory before], each (batch, units)
        output: (batch, units), and the two new states

    Reference:
        Hochreiter and Schmidhuber (1997), Long Short-Term Memory; Gers et al. (2000) for the forget gate.

    Example:
        >>> cell = LSTMCell(4)
        >>> output, states = cell(torch.ones(2, 3), cell.get_initial_state(2))
        >>> output.shape
        torch.Size([2, 4])
    """

    bias: Any  # a Variable, or None

    def __init__(
        self,
        units: PositiveInt,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
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
        self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.unit_forget_bias = unit_forget_bias
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
        self.state_size = [self.units, self.units]
        self.output_size = self.units

    def build(self, input_shape: Shape) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], 4 * self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, 4 * self.units),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(4 * self.units,),
                initializer=self._first_bias if self.unit_forget_bias else self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(
        self, inputs: Tensor, states: Sequence[Tensor], training: bool = False, masks: Masks | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        if masks is None:
            masks = self.dropout_masks(inputs, states) if training else (None, None)
        return self.step(self.project(inputs, masks[0]), states, masks[1])

    def project(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        """What the inputs bring to the gates; also of all steps at once.

        Shapes:
            inputs: (batch, …, features)
            mask: (batch, features) or (batch, 4 · features)
            output: (batch, …, 4 · units)
        """
        if mask is not None and inputs.ndim == 3:
            mask = mask.unsqueeze(1)
        products = gated_product(inputs, mask, self.kernel, 4)
        return products if self.bias is None else products + self.bias

    def step(self, projected: Tensor, states: Sequence[Tensor], mask: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """One step, with inputs that are projected already.

        Shapes:
            projected: (batch, 4 · units)
            states: two of (batch, units)
            mask: (batch, 4 · units)
            output: (batch, units), and the new states
        """
        before, memory = states
        gates = projected + gated_product(before, mask, self.recurrent_kernel, 4)
        take, forget, candidate, put = gates.chunk(4, dim=-1)
        memory = self.recurrent_activation(forget) * memory + self.recurrent_activation(take) * self.activation(
            candidate
        )
        output = self.recurrent_activation(put) * self.activation(memory)
        return output, [output, memory]

    def dropout_masks(self, inputs: Tensor, states: Sequence[Tensor]) -> Masks:
        """What training drops, for all steps of a batch."""
        # With dropout of the states, each gate has its own: four side by side.
        count = 4 if self.recurrent_dropout else 1
        return (
            dropout_mask(inputs, self.dropout, count, self.seed_generator),
            dropout_mask(states[0], self.recurrent_dropout, count, self.seed_generator),
        )

    def _first_bias(self, shape: Shape, dtype: Any = None) -> Tensor:
        start: Any = self.bias_initializer
        parts = [
            start((self.units,), dtype=dtype),
            torch.ones(self.units),
            start((2 * self.units,), dtype=dtype),
        ]
        return torch.cat([part.to(parts[0].dtype) for part in parts])

    def get_initial_state(self, batch_size: int) -> list[Tensor]:
        """Two states of zeros.

        Args:
            batch_size: the number of samples.
        """
        states: list[Tensor] = zero_states(self.state_size, batch_size, self)
        return states

    def compute_output_shape(self, input_shape: Shape, states_shape: Any = None) -> Any:
        del states_shape
        state = (input_shape[0], self.units)
        return state, [state, state]


class LSTM(RNN):
    """Long short-term memory: goes through a sequence with a memory, and gates that let in, keep and let out.

    With the default activations, no `recurrent_dropout` and no mask, or one that is False only at the ends of samples,
    all steps are one call of torch's kernel (cuDNN on a GPU); otherwise they run one by one.

    Args:
        units: number of features of the output and of the memory, a positive integer.
        activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
        unit_forget_bias, kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
        recurrent_constraint, bias_constraint, dropout, recurrent_dropout, seed: as of `LSTMCell`.
        activity_regularizer: penalty on the output.
        return_sequences, return_state, go_backwards, stateful, unroll: as of `RNN`.
        use_cudnn: whether torch's kernel is used: "auto", False, or True, which is an error where it is not possible.

    Shapes:
        sequences: (batch, steps, features)
        output: (batch, units); with `return_sequences` (batch, steps, units); with `return_state` followed by the last
            output and the last memory, (batch, units) each

    Raises:
        InvalidArgumentError: if an argument is out of its range.

    Reference:
        Hochreiter and Schmidhuber (1997), Long Short-Term Memory.

    Example:
        >>> LSTM(4)(torch.ones(2, 5, 3)).shape
        torch.Size([2, 4])
    """

    def __init__(  # type: ignore[misc]  # `activity_regularizer` has its own place, as in Keras
        self,
        units: PositiveInt,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: Fraction = 0.0,
        recurrent_dropout: Fraction = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: str | bool = "auto",
        *,
        zero_output_for_mask: bool = False,
        **base: Unpack[LayerOptions],
    ) -> None:
        cell = LSTMCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
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
            name="lstm_cell",
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            zero_output_for_mask,
            activity_regularizer=activity_regularizer,
            **base,
        )
        self.use_cudnn = checked_use_cudnn(use_cudnn)
        self.input_spec = InputSpec(ndim=3)

    def _run_steps(
        self, sequences: Tensor, states: list[Any], mask: Tensor | None, training: bool
    ) -> tuple[Tensor, list[Any]]:
        return run_gated(self, sequences, states, mask, training)

    @property
    def _has_kernel(self) -> bool:
        """Whether torch's kernel computes what this layer does; activations can be changed."""
        cell: LSTMCell = self.cell
        usual = cell.activation is activations.tanh and cell.recurrent_activation is activations.sigmoid
        return usual and self.use_cudnn is not False and type(cell).step is LSTMCell.step

    def _run_kernel(self, sequences: Tensor, states: list[Any]) -> tuple[Tensor, list[Any]]:
        """All steps at once. torch's order of the gates is Keras's, its kernels are these, transposed."""
        cell: LSTMCell = self.cell
        weights = [cell.kernel.t(), cell.recurrent_kernel.t()]
        if cell.bias is not None:
            # Not the variable itself: a compiler that saves it for the backward pass wants a plain tensor.
            weights += [cell.bias.view(-1), torch.zeros_like(cell.bias)]
        start = (states[0].unsqueeze(0), states[1].unsqueeze(0))
        outputs, last, memory = torch._VF.lstm(  # as torch.nn.LSTM does
            sequences, start, weights, cell.bias is not None, 1, 0.0, False, False, True
        )
        return outputs, [last[0], memory[0]]

    def __getattr__(self, name: str) -> Any:
        # `lstm.units`, `lstm.activation` and so on are the cell's.
        if name in _OF_THE_CELL and "cell" in self.__dict__.get("_modules", {}):
            return getattr(self._modules["cell"], name)
        return super().__getattr__(name)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **config_of_arguments(self)}
        del config["cell"], config["use_cudnn"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        del custom_objects  # everything in the config is a plain argument
        return cls(**config)


_OF_THE_CELL = settings_of(LSTMCell)
