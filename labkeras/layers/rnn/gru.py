"""GRU: a recurrent layer with two gates and no memory beside its output."""

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

__all__ = ["GRU", "GRUCell"]


class GRUCell(Layer):
    """One step of a gated recurrent unit: its output is also its state, and one gate mixes the old with the new.

    Args:
        units: number of features of the output, a positive integer.
        activation: function, or its name, of what could become the new output.
        recurrent_activation: that of the gates.
        use_bias: whether to add learned vectors.
        kernel_initializer: start values of `kernel`, shape (features, 3 · units), for the inputs: the gates for
            keeping and resetting, and the candidate, in this order.
        recurrent_initializer: the same of `recurrent_kernel`, shape (units, 3 · units), for the output before.
        bias_initializer: start values of `bias`, shape (2, 3 · units): for the inputs and for the output before; with
            `reset_after=False` shape (3 · units,).
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties, added to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: functions that weights go through after each update.
        dropout: fraction of the inputs that training drops, in [0, 1].
        recurrent_dropout: the same of the output before, for each gate anew.
        reset_after: whether the output before is reset after its product with the kernel, as cuDNN and torch do, not
            before it, as in the paper.
        seed: start of the stream of random numbers.

    Shapes:
        inputs: (batch, features)
        states: [output before], or that tensor alone: (batch, units)
        output: (batch, units), and the new state, in a list if it came in one

    Reference:
        Cho et al. (2014), Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
        Translation.

    Example:
        >>> cell = GRUCell(4)
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
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: Fraction = 0.0,
        recurrent_dropout: Fraction = 0.0,
        reset_after: bool = True,
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
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = fraction(dropout, "dropout")
        self.recurrent_dropout = fraction(recurrent_dropout, "recurrent_dropout")
        self.reset_after = reset_after
        self.seed = seed
        self.seed_generator = SeedGenerator(seed)
        self.state_size = self.units
        self.output_size = self.units

    def build(self, input_shape: Shape) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], 3 * self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, 3 * self.units),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(2, 3 * self.units) if self.reset_after else (3 * self.units,),
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
        """What the inputs bring to the gates and the candidate; also of all steps at once.

        Shapes:
            inputs: (batch, …, features)
            mask: (batch, features) or (batch, 3 · features)
            output: (batch, …, 3 · units)
        """
        if mask is not None and inputs.ndim == 3:
            mask = mask.unsqueeze(1)
        products = gated_product(inputs, mask, self.kernel, 3)
        if self.bias is None:
            return products
        bias: Tensor = self.bias[0] if self.reset_after else self.bias
        return products + bias

    def step(self, projected: Tensor, states: Sequence[Tensor], mask: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """One step, with inputs that are projected already.

        Shapes:
            projected: (batch, 3 · units)
            states: one of (batch, units)
            mask: (batch, 3 · units)
            output: (batch, units), and the new state in a list
        """
        before = states[0]
        keep, candidate = (self._reset_after if self.reset_after else self._reset_before)(projected, before, mask)
        output = torch.lerp(self.activation(candidate), before, keep)
        return output, [output]

    def _reset_after(self, projected: Tensor, before: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """The gate that keeps, and the candidate before its activation."""
        recurrent = gated_product(before, mask, self.recurrent_kernel, 3)
        if self.bias is not None:
            recurrent = recurrent + self.bias[1]
        gates = self.recurrent_activation(projected[..., : 2 * self.units] + recurrent[..., : 2 * self.units])
        keep, reset = gates.chunk(2, -1)
        return keep, projected[..., 2 * self.units :] + reset * recurrent[..., 2 * self.units :]

    def _reset_before(self, projected: Tensor, before: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        both, kernel = 2 * self.units, self.recurrent_kernel
        gates_mask, own_mask = (None, None) if mask is None else (mask[..., :both], mask[..., both:])
        recurrent = gated_product(before, gates_mask, kernel[:, :both], 2)
        keep, reset = self.recurrent_activation(projected[..., :both] + recurrent).chunk(2, -1)
        return keep, projected[..., both:] + gated_product(reset * before, own_mask, kernel[:, both:], 1)

    def dropout_masks(self, inputs: Tensor, states: Sequence[Tensor]) -> Masks:
        """What training drops, for all steps of a batch."""
        # With dropout of the states, each gate has its own: three side by side.
        count = 3 if self.recurrent_dropout else 1
        return (
            dropout_mask(inputs, self.dropout, count, self.seed_generator),
            dropout_mask(states[0], self.recurrent_dropout, count, self.seed_generator),
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
