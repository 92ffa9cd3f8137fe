"""GRU: a recurrent layer with two gates and no memory beside its output."""

from typing import Any, Self, Unpack

import torch
from torch import Tensor

from labkeras import activations
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.layer import LayerOptions
from labkeras.layers.rnn.gates import checked_use_cudnn, run_gated, settings_of
from labkeras.layers.rnn.gru_cell import GRUCell
from labkeras.layers.rnn.rnn import RNN
from labkeras.layers.signature import config_of_arguments
from labkeras.ranges import Fraction, PositiveInt

__all__ = ["GRU"]


class GRU(RNN):
    """Gated recurrent unit: goes through a sequence, and at each step mixes its last output with a new one.

    With the default activations, `reset_after`, no `recurrent_dropout` and no mask, or one that is False only at the
    ends of samples, all steps are one call of torch's kernel (cuDNN on a GPU); otherwise they run one by one.

    Args:
        units: number of features of the output, a positive integer.
        activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
        kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint,
        bias_constraint, dropout, recurrent_dropout, seed, reset_after: as of `GRUCell`.
        activity_regularizer: penalty on the output.
        return_sequences, return_state, go_backwards, stateful, unroll: as of `RNN`.
        use_cudnn: whether torch's kernel is used: "auto", False, or True, which is an error where it is not possible.

    Shapes:
        sequences: (batch, steps, features)
        output: (batch, units); with `return_sequences` (batch, steps, units); with `return_state` followed by the last
            output, (batch, units)

    Raises:
        InvalidArgumentError: if an argument is out of its range.

    Reference:
        Cho et al. (2014), Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
        Translation.

    Example:
        >>> GRU(4)(torch.ones(2, 5, 3)).shape
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
        reset_after: bool = True,
        use_cudnn: str | bool = "auto",
        *,
        zero_output_for_mask: bool = False,
        **base: Unpack[LayerOptions],
    ) -> None:
        cell = GRUCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
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
            reset_after=reset_after,
            seed=seed,
            dtype=base.get("dtype"),
            trainable=base.get("trainable", True),
            name="gru_cell",
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
        cell: GRUCell = self.cell
        usual = cell.activation is activations.tanh and cell.recurrent_activation is activations.sigmoid
        return usual and cell.reset_after and self.use_cudnn is not False and type(cell).step is GRUCell.step

    def _run_kernel(self, sequences: Tensor, states: list[Any]) -> tuple[Tensor, list[Any]]:
        """All steps at once, with torch's order of the gates."""
        cell: GRUCell = self.cell
        weights = [_torch_order(cell.kernel.t()), _torch_order(cell.recurrent_kernel.t())]
        if cell.bias is not None:
            weights += [_torch_order(bias) for bias in cell.bias.unbind(0)]
        outputs, last = torch._VF.gru(  # as torch.nn.GRU does
            sequences, states[0].unsqueeze(0), weights, cell.bias is not None, 1, 0.0, False, False, True
        )
        return outputs, [last[0]]

    def __getattr__(self, name: str) -> Any:
        # `gru.units`, `gru.activation` and so on are the cell's.
        if name in _OF_THE_CELL and "cell" in self.__dict__.get("_modules", {}):
            return getattr(self._modules["cell"], name)
        return super().__getattr__(name)

    def get_config(self) -> dict[str, Any]:
        own = config_of_arguments(self)
        own["seed"] = own.pop("seed")  # Keras has it last
        config = {**super().get_config(), **own}
        del config["cell"], config["use_cudnn"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        del custom_objects  # everything in the config is a plain argument
        return cls(**config)


def _torch_order(weights: Tensor) -> Tensor:
    """The rows for Keras's keep, reset, candidate as torch has them: reset, keep, candidate."""
    keep, reset, candidate = weights.chunk(3)
    return torch.cat([reset, keep, candidate])


_OF_THE_CELL = settings_of(GRUCell)
