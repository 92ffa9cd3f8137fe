"""Mamba: a recurrent layer whose linear systems choose, by what they read, what to remember."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras import activations, initializers, regularizers
from labkeras.errors import InvalidArgumentError
from labkeras.initializers import RandomUniform
from labkeras.layers import Layer
from labkeras.layers.arguments import positive_integer
from labkeras.layers.layer import LayerOptions
from labkeras.layers.rnn.gates import settings_of
from labkeras.ranges import Positive, PositiveInt, Range
from labkeras_ssm.arguments import step_range
from labkeras_ssm.masks import Aligned, align, spread
from labkeras_ssm.parallel_rnn import ParallelRNN
from labkeras_ssm.selective import selective_scan, selective_state

__all__ = ["Mamba", "MambaCell"]

Shape = tuple[int | None, ...]


class MambaCell(Layer):
    """One step of a selective state-space model.

    `u, gate = split(inputs @ kernel)`; `u = activation(convolution of the last u)`; the length of the step, what enters
    the systems and what is read from them are linear in `u`; the output is `(y + skip · u) · activation(gate)`, times
    `output_kernel`. Where the step is short, the state stays and the input is passed over.

    Args:
        units: number of features of the output, a positive integer.
        state_dim: number of modes of each inner unit's system, a positive integer.
        expand: how many inner units there are, `expand · units`, a positive integer.
        conv_size: how many steps the convolution sees, at least 2.
        dt_rank: rank of the matrix that gives step lengths, a positive integer, or "auto": units / 16, rounded up.
        dt_min, dt_max: range of the step lengths that inner units start with, evenly on a logarithmic scale.
        activation: function, or its name, of the convolution and of the gate.
        use_bias: whether to add learned vectors to the first and the last product.
        use_conv_bias: whether to add one to the convolution.
        kernel_initializer: start values of `kernel`, shape (features, 2 · expand · units).
        output_initializer: start values of `output_kernel`, shape (expand · units, units).
        kernel_regularizer, output_regularizer: penalties, added to the loss.

    Shapes:
        inputs: (batch, features)
        states: [what the convolution still sees, modes]: (batch, (conv_size - 1) · expand · units) and
            (batch, expand · units · state_dim); zeros unless given
        output: (batch, units), and the new states, in a list

    Reference:
        A. Gu and T. Dao (2023), "Mamba: Linear-Time Sequence Modeling with Selective State Spaces",
        https://arxiv.org/abs/2312.00752

    Example:
        >>> cell = MambaCell(4)
        >>> output, states = cell(torch.ones(2, 3), cell.get_initial_state(2))
        >>> output.shape
        torch.Size([2, 4])
    """

    settings: ClassVar[frozenset[str]]
    bias: Any  # a Variable, or None
    conv_bias: Any
    output_bias: Any

    def __init__(
        self,
        units: PositiveInt,
        state_dim: PositiveInt = 16,
        expand: PositiveInt = 2,
        conv_size: Annotated[int, Range(2)] = 4,
        dt_rank: PositiveInt | str = "auto",
        dt_min: Positive = 0.001,
        dt_max: Positive = 0.1,
        activation: Any = "silu",
        use_bias: bool = False,
        use_conv_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        output_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        output_regularizer: Any = None,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**base)
        self.units = positive_integer(units, "units")
        self.state_dim = positive_integer(state_dim, "state_dim")
        self.expand = positive_integer(expand, "expand")
        self.conv_size = positive_integer(conv_size, "conv_size")
        if self.conv_size == 1:
            raise InvalidArgumentError("`conv_size` must be at least 2. Received: conv_size=1")
        self.dt_rank = dt_rank if dt_rank == "auto" else positive_integer(dt_rank, "dt_rank")  # type: ignore[arg-type]
        self.dt_min, self.dt_max = step_range(dt_min, dt_max)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.use_conv_bias = use_conv_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.output_initializer = initializers.get(output_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.output_regularizer = regularizers.get(output_regularizer)
        self.inner_units = self.expand * self.units
        self.state_size = [(self.conv_size - 1) * self.inner_units, self.inner_units * self.state_dim]
        self.output_size = self.units

    def build(self, input_shape: Shape) -> None:
        inner, modes = self.inner_units, self.state_dim
        rank = math.ceil(self.units / 16) if self.dt_rank == "auto" else int(self.dt_rank)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], 2 * inner),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        bound = 1 / math.sqrt(self.conv_size)
        self.conv_kernel = self.add_weight(
            name="conv_kernel", shape=(self.conv_size, inner), initializer=RandomUniform(-bound, bound)
        )
        self.selection_kernel = self.add_weight(name="selection_kernel", shape=(inner, rank + 2 * modes))
        bound = 1 / math.sqrt(rank)
        self.step_kernel = self.add_weight(
            name="step_kernel", shape=(rank, inner), initializer=RandomUniform(-bound, bound)
        )
        # Not cast to half precision: errors of a step length and of a decay would add up over the sequence.
        self.step_bias = self.add_weight(
            name="step_bias", shape=(inner,), initializer=self._start_steps, autocast=False
        )
        self.log_decay = self.add_weight(
            name="log_decay", shape=(inner, modes), initializer=_start_decays, autocast=False
        )
        self.skip = self.add_weight(name="skip", shape=(inner,), initializer="ones")
        self.output_kernel = self.add_weight(
            name="output_kernel",
            shape=(inner, self.units),
            initializer=self.output_initializer,
            regularizer=self.output_regularizer,
        )
        self.bias = self.conv_bias = self.output_bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(2 * inner,), initializer="zeros")
            self.output_bias = self.add_weight(name="output_bias", shape=(self.units,), initializer="zeros")
        if self.use_conv_bias:
            self.conv_bias = self.add_weight(name="conv_bias", shape=(inner,), initializer="zeros")

    def call(self, inputs: Tensor, states: Any = None, training: bool = False) -> tuple[Tensor, list[Tensor]]:
        del training  # for RNN's sake
        if states is None:
            states = [inputs.new_zeros((inputs.shape[0], size), dtype=self.state_dtype) for size in self.state_size]
        raw, gate = self._project(inputs)
        window = torch.cat([self._window(states[0]).to(raw.dtype), raw.unsqueeze(1)], 1)
        driven = self.activation(self._convolve(window)[:, 0])
        dt, entry, reading, a = self._select(driven)
        exact = driven.to(dt.dtype)
        modes = torch.exp(dt.unsqueeze(-1) * a) * self._modes(states[1]).to(dt.dtype)
        modes = modes + (dt * exact).unsqueeze(-1) * entry.unsqueeze(1)
        values = (modes @ reading.unsqueeze(-1)).squeeze(-1)
        return self._finish(values, driven, gate), [window[:, 1:].flatten(1).to(dt.dtype), modes.flatten(1)]

    def run(
        self,
        sequences: Tensor,
        states: Sequence[Tensor] | None,
        mask: Tensor | None,
        all_outputs: bool,
        zero_masked: bool,
        wants_states: bool,
    ) -> tuple[Tensor, list[Tensor]]:
        """All steps at once.

        Args:
            sequences: shape (batch, steps, features).
            states: before the first step, or None for zeros.
            mask: shape (batch, steps), False where a step is passed over; or None.
            all_outputs: whether the outputs of all steps are wanted, not the last alone.
            zero_masked: whether the output of a step that is masked out is zero, not that of the step before.
            wants_states: whether the states after the last step are wanted.

        Returns:
            The outputs, and the states, an empty list unless they are wanted.
        """
        # At the beginning: the convolution then sees what came before the sequence, and no gaps.
        aligned = None if mask is None else align(sequences, mask, at_end=False)
        raw, gate = self._project(sequences if aligned is None else aligned.values)
        before = raw.new_zeros((raw.shape[0], self.conv_size - 1, self.inner_units))
        window = torch.cat([before if states is None else self._window(states[0]).to(raw.dtype), raw], 1)
        driven = self.activation(self._convolve(window))
        dt, entry, reading, a = self._select(driven)
        if aligned is not None:  # in a step of length 0 nothing happens
            dt = dt * aligned.is_kept.unsqueeze(-1)
        start = None if states is None else self._modes(states[1]).to(dt.dtype)
        exact = driven.to(dt.dtype)
        if all_outputs:
            values, modes = selective_scan(exact, dt, a, entry, reading, start)
            outputs = self._finish(values, driven, gate)
            if aligned is not None and mask is not None:
                outputs = spread(outputs, mask, aligned.starts, zero_masked)
        else:
            modes = selective_state(exact, dt, a, entry, start)
            reading, driven, gate = (_last(one, aligned) for one in (reading, driven, gate))
            outputs = self._finish((modes @ reading.unsqueeze(-1)).squeeze(-1), driven, gate)
            if aligned is not None and mask is not None:
                silent = ~mask[:, -1] if zero_masked else aligned.counts == 0
                outputs = outputs.masked_fill(silent.unsqueeze(1), 0)
        if not wants_states:
            return outputs, []
        return outputs, [self._seen(window, aligned).flatten(1).to(dt.dtype), modes.flatten(1)]

    def get_initial_state(self, batch_size: int) -> list[Tensor]:
        """Zeros, in a type that is precise enough for what is added up over many steps.

        Args:
            batch_size: the number of samples.
        """
        return [torch.zeros((batch_size, size), dtype=self.state_dtype) for size in self.state_size]

    @property
    def state_dtype(self) -> torch.dtype:
        """The data type of the states."""
        return torch.promote_types(self.dtype_policy.torch_compute_dtype, torch.float32)

    def _project(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        if not inputs.is_floating_point():
            inputs = inputs.to(self.dtype_policy.torch_compute_dtype)
        projected = inputs @ self.kernel
        both = projected if self.bias is None else projected + self.bias
        values, gate = both.chunk(2, -1)
        return values, gate

    def _convolve(self, window: Tensor) -> Tensor:
        """Each unit by itself, over a window that is `conv_size - 1` steps longer than what comes out."""
        steps = window.shape[1] - self.conv_size + 1
        sums = window[:, :steps] * self.conv_kernel[0]
        for place in range(1, self.conv_size):
            sums = torch.addcmul(sums, window[:, place : place + steps], self.conv_kernel[place])
        return sums if self.conv_bias is None else sums + self.conv_bias

    def _select(self, driven: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The step lengths, what enters, what is read, and the diagonal of A; in single precision at least."""
        exact = torch.promote_types(driven.dtype, torch.float32)
        sizes = [self.step_kernel.shape[0], self.state_dim, self.state_dim]
        ranked, entry, reading = torch.split(driven @ self.selection_kernel, sizes, -1)
        dt = F.softplus((ranked @ self.step_kernel).to(exact) + self.step_bias.to(exact))
        return dt, entry.to(exact), reading.to(exact), -torch.exp(self.log_decay.to(exact))

    def _finish(self, values: Tensor, driven: Tensor, gate: Tensor) -> Tensor:
        gated = (values.to(driven.dtype) + self.skip * driven) * self.activation(gate)
        outputs = gated @ self.output_kernel
        return outputs if self.output_bias is None else outputs + self.output_bias

    def _window(self, state: Tensor) -> Tensor:
        return state.reshape(-1, self.conv_size - 1, self.inner_units)

    def _modes(self, state: Tensor) -> Tensor:
        return state.reshape(-1, self.inner_units, self.state_dim)

    def _seen(self, window: Tensor, aligned: Aligned | None) -> Tensor:
        """What the convolution still sees after the sequence: the last steps that count, or what was before them."""
        kept = self.conv_size - 1
        if aligned is None:
            return window[:, window.shape[1] - kept :]
        places = aligned.counts.unsqueeze(1) + torch.arange(kept, device=window.device)
        return window.gather(1, places.unsqueeze(-1).expand(-1, -1, window.shape[-1]))

    def _start_steps(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        """What `softplus` makes step lengths of that lie evenly on a logarithmic scale."""
        dt = torch.exp(RandomUniform(math.log(self.dt_min), math.log(self.dt_max))(shape, "float32"))
        return dt + torch.log(-torch.expm1(-dt))


class Mamba(ParallelRNN):
    """Reads sequences by a selective state-space model: a Mamba block, without the normalization and the sum around it.

    What it computes is what `RNN(MambaCell(…))` does step by step, in a number of rounds that grows with the logarithm
    of the length. For one step at a time call the cell: `output, states = layer.cell(inputs, states)`, or use
    `stateful=True` with sequences of length 1.

    Args:
        units: number of features of the output, a positive integer.
        state_dim, expand, conv_size, dt_rank, dt_min, dt_max, activation, use_bias, use_conv_bias: as of `MambaCell`.
        kernel_initializer, output_initializer, kernel_regularizer, output_regularizer: as of `MambaCell`.
        activity_regularizer: penalty on the output.
        return_sequences: whether to return the outputs of all steps, not the last alone.
        return_state: whether to return the last states as well.
        go_backwards: whether to begin with the last step; outputs then come in that order.
        stateful: whether a batch begins with the states that the last one left, sample by sample.
        zero_output_for_mask: whether the output of a step that is masked out is zero, not that of the step before.

    Shapes:
        sequences: (batch, steps, features)
        initial_state: as the states of `MambaCell`; zeros unless given
        mask: (batch, steps), False where a step is passed over, wherever that is
        output: (batch, units) or, with `return_sequences`, (batch, steps, units); with `return_state` followed by the
            two states

    Reference:
        A. Gu and T. Dao (2023), "Mamba: Linear-Time Sequence Modeling with Selective State Spaces",
        https://arxiv.org/abs/2312.00752

    Example:
        >>> Mamba(4, return_sequences=True)(torch.ones(2, 5, 3)).shape
        torch.Size([2, 5, 4])
    """

    def __init__(  # type: ignore[misc]  # `activity_regularizer` has its own place, as in LSTM
        self,
        units: PositiveInt,
        state_dim: PositiveInt = 16,
        expand: PositiveInt = 2,
        conv_size: Annotated[int, Range(2)] = 4,
        dt_rank: PositiveInt | str = "auto",
        dt_min: Positive = 0.001,
        dt_max: Positive = 0.1,
        activation: Any = "silu",
        use_bias: bool = False,
        use_conv_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        output_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        output_regularizer: Any = None,
        activity_regularizer: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        zero_output_for_mask: bool = False,
        **base: Unpack[LayerOptions],
    ) -> None:
        cell = MambaCell(
            units,
            state_dim,
            expand,
            conv_size,
            dt_rank,
            dt_min,
            dt_max,
            activation,
            use_bias,
            use_conv_bias,
            kernel_initializer,
            output_initializer,
            kernel_regularizer,
            output_regularizer,
            dtype=base.get("dtype"),
            trainable=base.get("trainable", True),
            name="mamba_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            zero_output_for_mask=zero_output_for_mask,
            activity_regularizer=activity_regularizer,
            **base,
        )


MambaCell.settings = settings_of(MambaCell)


def _start_decays(shape: tuple[int, ...], dtype: Any = None) -> Tensor:
    """The logarithms of 1, 2, …: the modes of "real" in `labkeras_ssm.systems.start_modes`."""
    return torch.arange(1, shape[1] + 1, dtype=torch.float32).log().repeat(shape[0], 1)


def _last(values: Tensor, aligned: Aligned | None) -> Tensor:
    """The values of the last step that counts: (batch, …)."""
    if aligned is None:
        return values[:, -1]
    places = (aligned.counts - 1).clamp(min=0).reshape(-1, 1, 1)
    return values.gather(1, places.expand(-1, -1, values.shape[-1])).squeeze(1)
