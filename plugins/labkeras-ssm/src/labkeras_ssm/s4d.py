"""S4D: a recurrent layer whose memory is a diagonal linear system, so that a whole sequence is one convolution."""

import functools
import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras import activations, initializers, regularizers
from labkeras.initializers import RandomNormal, RandomUniform
from labkeras.layers import Layer
from labkeras.layers.arguments import positive_integer
from labkeras.layers.layer import LayerOptions
from labkeras.layers.rnn.gates import settings_of
from labkeras.ranges import Positive, PositiveInt
from labkeras_ssm.arguments import one_of, step_range
from labkeras_ssm.masks import Aligned, align, spread
from labkeras_ssm.parallel_rnn import ParallelRNN
from labkeras_ssm.systems import (
    DISCRETIZATIONS,
    INITIALIZATIONS,
    Powers,
    causal_convolution,
    discretize,
    powers,
    start_modes,
)

__all__ = ["S4D", "S4DCell"]

Shape = tuple[int | None, ...]


class S4DCell(Layer):
    """One step of a diagonal state-space model: each unit remembers its input by a linear system of its own.

    `u = inputs @ kernel + bias`; each unit's modes go on as `s = Ā s + B̄ u`; `y = 2 Re(C · s) + skip · u`; the
    output is `activation(y)`, mixed by a gated linear unit.

    Args:
        units: number of features of the output, a positive integer.
        state_dim: number of modes of a unit's system, a positive integer; complex ones, each with its conjugate, unless
            `initialization` is "real".
        initialization: start of the modes: "lin", "inv" or "real" (see `labkeras_ssm.systems.start_modes`).
        discretization: how the system is put into steps, "zoh" or "bilinear".
        dt_min, dt_max: range of the step lengths that units start with, evenly on a logarithmic scale; a unit remembers
            about 1 / dt steps.
        activation: function, or its name, that the systems' outputs go through.
        use_glu: whether a gated linear unit, `a · sigmoid(b)` of two dense layers, mixes the units at the end.
        use_bias: whether to add learned vectors.
        kernel_initializer: start values of `kernel`, shape (features, units).
        output_initializer: start values of `output_kernel`, shape (units, 2 · units).
        bias_initializer: start values of `bias`, shape (units,), and `output_bias`, shape (2 · units,).
        kernel_regularizer, output_regularizer: penalties, added to the loss.

    Shapes:
        inputs: (batch, features)
        states: [modes], or that tensor alone: (batch, 2 · units · state_dim), real and imaginary parts; with "real"
            (batch, units · state_dim); zeros unless given
        output: (batch, units), and the new state, in a list if it came in one

    Reference:
        A. Gu et al. (2022), "On the Parameterization and Initialization of Diagonal State Space Models",
        https://arxiv.org/abs/2206.11893

    Example:
        >>> cell = S4DCell(4)
        >>> output, states = cell(torch.ones(2, 3), cell.get_initial_state(2))
        >>> output.shape
        torch.Size([2, 4])
    """

    settings: ClassVar[frozenset[str]]
    bias: Any  # a Variable, or None
    output_bias: Any

    def __init__(
        self,
        units: PositiveInt,
        state_dim: PositiveInt = 32,
        initialization: str = "lin",
        discretization: str = "zoh",
        dt_min: Positive = 0.001,
        dt_max: Positive = 0.1,
        activation: Any = "gelu",
        use_glu: bool = True,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        output_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        output_regularizer: Any = None,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**base)
        self.units = positive_integer(units, "units")
        self.state_dim = positive_integer(state_dim, "state_dim")
        self.initialization = one_of(initialization, INITIALIZATIONS, "initialization")
        self.discretization = one_of(discretization, DISCRETIZATIONS, "discretization")
        self.dt_min, self.dt_max = step_range(dt_min, dt_max)
        self.activation = activations.get(activation)
        self.use_glu = use_glu
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.output_initializer = initializers.get(output_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.output_regularizer = regularizers.get(output_regularizer)
        self.is_complex = initialization != "real"
        self.state_size = self.units * self.state_dim * (2 if self.is_complex else 1)
        self.output_size = self.units

    def build(self, input_shape: Shape) -> None:
        self._build_system()
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        self.bias = self.output_bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.units,), initializer=self.bias_initializer)
        if self.use_glu:
            self.output_kernel = self.add_weight(
                name="output_kernel",
                shape=(self.units, 2 * self.units),
                initializer=self.output_initializer,
                regularizer=self.output_regularizer,
            )
            if self.use_bias:
                self.output_bias = self.add_weight(
                    name="output_bias", shape=(2 * self.units,), initializer=self.bias_initializer
                )

    def call(self, inputs: Tensor, states: Any = None, training: bool = False) -> tuple[Tensor, Any]:
        del training  # for RNN's sake
        if states is None:
            states = [inputs.new_zeros((inputs.shape[0], self.state_size), dtype=self.state_dtype)]
        before = states[0] if isinstance(states, list | tuple) else states
        projected = self._project(inputs)
        system = self._system(projected.dtype)
        driven = projected.to(system.skip.dtype)
        modes = system.factor * self._modes(before, system) + system.drive * driven.unsqueeze(-1)
        outputs = self._mix(_real_sum(system.readout * modes) + system.skip * driven, projected.dtype)
        after = self._flat(modes)
        return outputs, [after] if isinstance(states, list | tuple) else after

    def run(
        self,
        sequences: Tensor,
        states: Sequence[Tensor] | None,
        mask: Tensor | None,
        all_outputs: bool,
        zero_masked: bool,
        wants_states: bool,
    ) -> tuple[Tensor, list[Tensor]]:
        """All steps at once: by a convolution, or by one weighted sum if the last output is enough.

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
        projected = self._project(sequences)
        system = self._system(projected.dtype)
        driven = projected.to(system.skip.dtype)
        # At the end: there the last output is that of the last step, and what counts comes after zeros.
        aligned = None if mask is None else align(driven, mask, at_end=True)
        driven = driven if aligned is None else aligned.values
        begun = None if states is None else self._modes(states[0], system)
        past = _Past(driven, begun, aligned, Powers.of(system.factor, system.logarithm, driven.shape[1]))
        values = _all_steps(past, system) if all_outputs else _last_step(past, system)
        outputs = self._mix(values, projected.dtype)
        if aligned is not None and mask is not None:
            if all_outputs:
                outputs = spread(outputs, mask, aligned.starts, zero_masked)
            else:
                silent = ~mask[:, -1] if zero_masked else aligned.counts == 0
                outputs = outputs.masked_fill(silent.unsqueeze(1), 0)
        return outputs, [self._flat(_last_modes(past, system))] if wants_states else []

    def get_initial_state(self, batch_size: int) -> list[Tensor]:
        """Zeros, in a type that is precise enough for what is added up over many steps.

        Args:
            batch_size: the number of samples.
        """
        return [torch.zeros((batch_size, self.state_size), dtype=self.state_dtype)]

    @property
    def state_dtype(self) -> torch.dtype:
        """The data type of the states."""
        return torch.promote_types(self.dtype_policy.torch_compute_dtype, torch.float32)

    def _build_system(self) -> None:
        decay, frequency = start_modes(self.initialization, self.state_dim)
        modes = (self.units, self.state_dim)
        # Not cast to half precision: a step length's error would add up over the sequence.
        self.log_step = self.add_weight(
            name="log_step",
            shape=(self.units,),
            initializer=RandomUniform(math.log(self.dt_min), math.log(self.dt_max)),
            autocast=False,
        )
        self.log_decay = self.add_weight(
            name="log_decay", shape=modes, initializer=_repeated(decay.log()), autocast=False
        )
        if self.is_complex:
            self.frequency = self.add_weight(
                name="frequency", shape=modes, initializer=_repeated(frequency), autocast=False
            )
        # Variance 1 of a complex number: one half for each part.
        self.readout = self.add_weight(
            name="readout",
            shape=(*modes, 2) if self.is_complex else modes,
            initializer=RandomNormal(stddev=math.sqrt(0.5) if self.is_complex else 1.0),
            autocast=False,
        )
        self.skip = self.add_weight(name="skip", shape=(self.units,), initializer=RandomNormal(stddev=1.0))

    def _system(self, dtype: torch.dtype) -> "_System":
        exact = torch.promote_types(dtype, torch.float32)
        a = -torch.exp(self.log_decay.to(exact))
        readout = self.readout.to(exact)
        if self.is_complex:
            a = torch.complex(a, self.frequency.to(exact))
            # The conjugate modes add the same real part once more.
            readout = 2 * torch.complex(readout[..., 0], readout[..., 1])
        factor, logarithm, drive = discretize(a, torch.exp(self.log_step.to(exact)), self.discretization)
        return _System(factor, logarithm, drive, readout, self.skip.to(exact))

    def _project(self, inputs: Tensor) -> Tensor:
        if not inputs.is_floating_point():
            inputs = inputs.to(self.dtype_policy.torch_compute_dtype)
        projected = inputs @ self.kernel
        return projected if self.bias is None else projected + self.bias

    def _mix(self, values: Tensor, dtype: torch.dtype) -> Tensor:
        values = self.activation(values.to(dtype))
        if not self.use_glu:
            return values
        values = values @ self.output_kernel
        return F.glu(values if self.output_bias is None else values + self.output_bias, -1)

    def _modes(self, state: Tensor, system: "_System") -> Tensor:
        """A state as its modes: (batch, units, modes)."""
        state = state.to(system.skip.dtype)
        if not self.is_complex:
            return state.reshape(-1, self.units, self.state_dim)
        parts = state.reshape(-1, self.units, self.state_dim, 2)
        return torch.complex(parts[..., 0], parts[..., 1])

    def _flat(self, modes: Tensor) -> Tensor:
        return (torch.view_as_real(modes) if self.is_complex else modes).flatten(1)


class S4D(ParallelRNN):
    """Reads sequences by a diagonal state-space model: long memories, and all steps of a sequence at once.

    What it computes is what `RNN(S4DCell(…))` does step by step. A sequence is read by a convolution, with a kernel as
    long as the sequence; for the last output alone that is one weighted sum. For one step at a time, as when a sequence
    is made, call the cell: `output, states = layer.cell(inputs, states)`, or use `stateful=True` with sequences of
    length 1.

    Args:
        units: number of features of the output, a positive integer.
        state_dim, initialization, discretization, dt_min, dt_max, activation, use_glu, use_bias: as of `S4DCell`.
        kernel_initializer, output_initializer, bias_initializer: as of `S4DCell`.
        kernel_regularizer, output_regularizer: as of `S4DCell`.
        activity_regularizer: penalty on the output.
        return_sequences: whether to return the outputs of all steps, not the last alone.
        return_state: whether to return the last state as well.
        go_backwards: whether to begin with the last step; outputs then come in that order.
        stateful: whether a batch begins with the state that the last one left, sample by sample.
        zero_output_for_mask: whether the output of a step that is masked out is zero, not that of the step before.

    Shapes:
        sequences: (batch, steps, features)
        initial_state: as the states of `S4DCell`; zeros unless given
        mask: (batch, steps), False where a step is passed over, wherever that is
        output: (batch, units) or, with `return_sequences`, (batch, steps, units); with `return_state` followed by the
            state

    Reference:
        A. Gu et al. (2022), "On the Parameterization and Initialization of Diagonal State Space Models",
        https://arxiv.org/abs/2206.11893

    Example:
        >>> S4D(4, return_sequences=True)(torch.ones(2, 5, 3)).shape
        torch.Size([2, 5, 4])
    """

    def __init__(  # type: ignore[misc]  # `activity_regularizer` has its own place, as in LSTM
        self,
        units: PositiveInt,
        state_dim: PositiveInt = 32,
        initialization: str = "lin",
        discretization: str = "zoh",
        dt_min: Positive = 0.001,
        dt_max: Positive = 0.1,
        activation: Any = "gelu",
        use_glu: bool = True,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        output_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
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
        cell = S4DCell(
            units,
            state_dim,
            initialization,
            discretization,
            dt_min,
            dt_max,
            activation,
            use_glu,
            use_bias,
            kernel_initializer,
            output_initializer,
            bias_initializer,
            kernel_regularizer,
            output_regularizer,
            dtype=base.get("dtype"),
            trainable=base.get("trainable", True),
            name="s4d_cell",
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


S4DCell.settings = settings_of(S4DCell)


class _System(NamedTuple):
    """What a step does: `s = factor · s + drive · u`, `y = Re(readout · s) + skip · u`."""

    factor: Tensor
    logarithm: Tensor | None
    drive: Tensor
    readout: Tensor
    skip: Tensor


class _Past(NamedTuple):
    """A sequence as the systems see it.

    Args:
        driven: (batch, steps, units), zero in steps that do not count.
        begun: the modes before it: (batch, units, modes); None if they are zero.
        aligned: which steps count; None if all do.
        powers: what is left of a mode after so many steps.
    """

    driven: Tensor
    begun: Tensor | None
    aligned: Aligned | None
    powers: Powers


def _all_steps(past: _Past, system: _System) -> Tensor:
    """The outputs of all steps: (batch, steps, units)."""
    kernel = past.powers.responses(system.readout * system.drive)
    values = causal_convolution(past.driven, kernel) + system.skip * past.driven
    if past.begun is None:
        return values
    rest = past.powers.responses(system.readout * system.factor * past.begun)
    if past.aligned is not None:  # the k-th step that counts is not the k-th of the aligned sequence
        places = torch.arange(rest.shape[1], device=rest.device) - past.aligned.starts.unsqueeze(1)
        rest = rest.gather(1, places.clamp(min=0).unsqueeze(-1).expand_as(rest))
    return values + rest


def _last_step(past: _Past, system: _System) -> Tensor:
    """The output of the last step: (batch, units)."""
    kernel = past.powers.responses(system.readout * system.drive)
    values = torch.einsum("btu,tu->bu", past.driven, kernel.flip(0)) + system.skip * past.driven[:, -1]
    if past.begun is None:
        return values
    return values + _real_sum(system.readout * _faded(past, system) * past.begun)


def _last_modes(past: _Past, system: _System) -> Tensor:
    """The modes after the last step: (batch, units, modes)."""
    modes = past.powers.gathered(past.driven) * system.drive
    return modes if past.begun is None else modes + _faded(past, system) * past.begun


def _faded(past: _Past, system: _System) -> Tensor:
    """What is left of the first modes at the end: (batch or 1, units, modes)."""
    if past.aligned is None:
        steps = torch.full((1,), past.driven.shape[1], device=past.driven.device)
    else:
        steps = past.aligned.counts
    return powers(system.factor, system.logarithm, steps.to(system.skip.dtype))


def _real_sum(modes: Tensor) -> Tensor:
    return (modes.real if modes.is_complex() else modes).sum(-1)


def _repeated(row: Tensor) -> Any:
    """An initializer that gives each unit the same modes."""
    return functools.partial(_repeat, row)


def _repeat(row: Tensor, shape: Sequence[int], dtype: Any = None) -> Tensor:
    return row.repeat(shape[0], 1)
