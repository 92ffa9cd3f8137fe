"""SimpleRNN: a recurrent layer without gates, whose output goes back in."""

from typing import Any, Self, Unpack

import torch
from torch import Tensor

from labkeras import activations
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.layer import LayerOptions
from labkeras.layers.rnn.gates import run_gated, settings_of
from labkeras.layers.rnn.rnn import RNN
from labkeras.layers.rnn.simple_rnn_cell import SimpleRNNCell
from labkeras.layers.signature import config_of_arguments
from labkeras.ranges import Fraction, PositiveInt

__all__ = ["SimpleRNN"]


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
