"""RNN: runs a cell over the steps of a sequence."""

from collections.abc import Mapping, Sequence
from typing import Any, Self, Unpack

import torch
from torch import Tensor

from labkeras import serialization
from labkeras.dtypes import standardize_dtype
from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.graph.symbolic import KerasTensor, Shape
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.layers.rnn.stacked_rnn_cells import StackedRNNCells, zero_states
from labkeras.nest import flatten, map_structure, pack
from labkeras.variable import Variable

__all__ = ["RNN"]


class RNN(Layer):
    """Runs a cell over the steps of a sequence: each step gets its inputs and the states that the last one left.

    Args:
        cell: a layer with `call(inputs, states, training=…)`, which returns the output of a step and the new states,
            and an attribute `state_size`: a number of features, or a list of them, one for each state. It may have
            `output_size`, `get_initial_state(batch_size)`, and `state_dtype`, a type of torch's in which states are
            kept if that of the computation is not precise enough. A list of cells is stacked, each on the one before.
        return_sequences: whether to return the outputs of all steps, not the last alone.
        return_state: whether to return the last states as well.
        go_backwards: whether to begin with the last step; outputs then come in that order.
        stateful: whether a batch begins with the states that the last one left, sample by sample.
        unroll: taken for Keras's sake: the steps are always run one by one.
        zero_output_for_mask: whether the output of a step that is masked out is zero, not that of the step before.

    Shapes:
        sequences: (batch, steps, …)
        initial_state: (batch, size) for each state; zeros unless given
        mask: (batch, steps), False where a step is passed over: states stay as they are
        output: (batch, features) or, with `return_sequences`, (batch, steps, features); with `return_state` followed by
            the states

    Raises:
        InvalidArgumentError: if the cell has no `state_size`.

    Example:
        >>> RNN(LSTMCell(4), return_sequences=True)(torch.ones(2, 5, 3)).shape
        torch.Size([2, 5, 4])
    """

    def __init__(  # type: ignore[misc]  # `activity_regularizer` has its own place
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        *,
        activity_regularizer: Any = None,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **base)
        cell = StackedRNNCells(cell) if isinstance(cell, list | tuple) else cell
        if not callable(getattr(cell, "call", None)):
            raise InvalidArgumentError(
                f"`cell` must have `call(inputs, states)` and `state_size`. Received: cell={cell!r}"
            )
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.supports_masking = True
        self.states: Any = None
        size = getattr(cell, "state_size", None)
        sizes = [size] if isinstance(size, int) else list(size) if isinstance(size, list | tuple) else []
        if not sizes or not all(isinstance(one, int) for one in flatten(sizes)):
            raise InvalidArgumentError(
                "the attribute `state_size` of an RNN's cell must be an integer, or a list of them, one for each "
                f"state. Received: cell={cell!r}, state_size={size!r}"
            )
        self.state_size = sizes

    def build(self, sequences_shape: Shape, initial_state_shape: Any = None) -> None:
        del initial_state_shape
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
        if self.stateful:
            if sequences_shape[0] is None:
                raise InvalidInputError(
                    f"the states of the stateful layer {self.name!r} belong to the samples of a batch, whose number "
                    "must be known: give `Input(batch_shape=…)`, or `batch_size=…`. "
                    f"Received: input shape {tuple(sequences_shape)}"
                )
            self._make_states(sequences_shape[0])

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
    ) -> Any:
        states = self._begin(sequences, initial_state)
        if isinstance(mask, list | tuple):
            mask = mask[0]
        steps = sequences.flip(1) if self.go_backwards else sequences
        if mask is not None:
            mask = mask.bool().flip(1) if self.go_backwards else mask.bool()
        outputs, states = self._run_steps(steps, states, mask, bool(training))
        if self.states is not None:
            with torch.no_grad():
                for variable, state in zip(flatten(self.states), flatten(states), strict=True):
                    variable.copy_(state)
        return (outputs, *states) if self.return_state else outputs

    def _run_steps(
        self, sequences: Tensor, states: list[Any], mask: Tensor | None, training: bool
    ) -> tuple[Tensor, list[Any]]:
        """The outputs, of all steps if they are wanted, and the last states."""
        options = self._cell_options(sequences, states, training)
        collected = Steps(self.return_sequences, self.zero_output_for_mask)
        for index, inputs in enumerate(sequences.unbind(1)):
            output, new_states = self.cell(inputs, states, **options)
            new_states = list(new_states) if isinstance(new_states, list | tuple) else [new_states]
            states = collected.add(output, states, new_states, None if mask is None else mask[:, index])
        return collected.outputs(), states

    def _cell_options(self, sequences: Tensor, states: list[Any], training: bool) -> dict[str, Any]:
        spec = getattr(self.cell, "_call_spec", None)
        options: dict[str, Any] = {"training": training} if spec is not None and spec.takes_training else {}
        if training and hasattr(self.cell, "dropout_masks"):
            # Drawn once: the same features are dropped in all steps.
            options["masks"] = self.cell.dropout_masks(sequences[:, 0], states)
        return options

    def _begin(self, sequences: Tensor, initial_state: Any) -> list[Any]:
        batch = sequences.shape[0]
        if self.states is not None and flatten(self.states)[0].shape[0] != batch:
            raise InvalidInputError(
                f"the stateful layer {self.name!r} has states of {flatten(self.states)[0].shape[0]} samples; each "
                f"batch must have as many. Received: {batch} samples"
            )
        if initial_state is None:
            given = [state.clone() for state in flatten(self.states)] if self.states is not None else None
            states = self.get_initial_state(batch) if given is None else pack(self.states, given)
        else:
            states = initial_state
        states = list(states) if isinstance(states, list | tuple) else [states]
        leaves, sizes = flatten(states), flatten(self.state_size)
        if len(leaves) != len(sizes) or any(
            leaf.ndim < 2 or leaf.shape[-1] != size for leaf, size in zip(leaves, sizes, strict=False)
        ):
            raise InvalidInputError(
                f"layer {self.name!r} has states of the sizes {self.state_size}. "
                f"Received: initial states of the shapes {[tuple(leaf.shape) for leaf in leaves]}"
            )
        dtype = self._state_dtype
        return list(map_structure(lambda state: state.to(device=sequences.device, dtype=dtype), states))

    @property
    def _state_dtype(self) -> torch.dtype:
        dtype: torch.dtype = getattr(self.cell, "state_dtype", None) or self.dtype_policy.torch_compute_dtype
        return dtype

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states that a batch begins with: the cell's, or zeros.

        Args:
            batch_size: the number of samples.
        """
        own = getattr(self.cell, "get_initial_state", None)
        if own is not None:
            states = own(batch_size=batch_size)
            return list(states) if isinstance(states, list | tuple) else [states]
        return list(zero_states(self.state_size, batch_size, self))

    def reset_state(self) -> None:
        """Sets the states of a stateful layer to zero."""
        if self.states is not None:
            with torch.no_grad():
                for state in flatten(self.states):
                    state.zero_()

    reset_states = reset_state

    def _make_states(self, batch_size: int) -> None:
        states = map_structure(
            lambda value: Variable(value, trainable=False, name="rnn_state"), self.get_initial_state(batch_size)
        )
        # Not registered: they are no weights, and not saved. What device they are on does not matter.
        object.__setattr__(self, "states", states)

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        mask = flatten(mask)[0] if isinstance(mask, list | tuple) else mask
        output_mask = mask if self.return_sequences else None
        return [output_mask, *(None for _ in self.state_size)] if self.return_state else output_mask

    def compute_output_shape(self, sequences_shape: Shape, initial_state_shape: Any = None) -> Any:
        del initial_state_shape
        batch, steps = sequences_shape[:2]
        size = getattr(self.cell, "output_size", None) or flatten(self.state_size)[0]
        output = (batch, steps, size) if self.return_sequences else (batch, size)
        if not self.return_state:
            return output
        return (output, *(map_structure(lambda one: (batch, one), size) for size in self.state_size))

    def compute_output_spec(self, sequences: KerasTensor, *args: Any, **kwargs: Any) -> Any:
        del args, kwargs  # states, masks and flags, which change no shape
        batch, steps = sequences.shape[:2]
        size = getattr(self.cell, "output_size", None) or flatten(self.state_size)[0]
        shape = (batch, steps, size) if self.return_sequences else (batch, size)
        output = KerasTensor(shape, self.compute_dtype)
        if not self.return_state:
            return output
        dtype = standardize_dtype(self._state_dtype)
        return (output, *map_structure(lambda one: KerasTensor((batch, one), dtype), self.state_size))

    def get_config(self) -> dict[str, Any]:
        names = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask")
        own = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **own, "cell": serialization.serialize_keras_object(self.cell)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        config = dict(config)
        cell = serialization.deserialize_keras_object(config.pop("cell"), custom_objects, kind="layers")
        return cls(cell, **config)


class Steps:
    """Collects the outputs of steps, and says which states go on.

    Args:
        all_outputs: whether all are wanted, not the last alone.
        zero_output_for_mask: whether the output of a step that is masked out is zero, not the one before.
    """

    def __init__(self, all_outputs: bool, zero_output_for_mask: bool) -> None:
        self._wants_all = all_outputs
        self._zeroes = zero_output_for_mask
        self._all: list[Tensor] = []
        self._last: Tensor | None = None

    def add(self, output: Tensor, before: Sequence[Any], after: Sequence[Any], kept: Tensor | None) -> list[Any]:
        """Takes the output of a step; returns the states for the next one.

        Args:
            output: shape (batch, features).
            before, after: the states before and after the step, nested alike.
            kept: shape (batch,), False for samples that pass the step over; None if none does.
        """
        states = list(after)
        if kept is not None:
            other = torch.zeros_like(output) if self._last is None or self._zeroes else self._last
            states = [
                map_structure(lambda new, old: _where(kept, new, old), *pair)
                for pair in zip(after, before, strict=True)
            ]
            output = _where(kept, output, other)
        self._last = output
        if self._wants_all:
            self._all.append(output)
        return states

    def outputs(self) -> Tensor:
        """(batch, steps, features), or (batch, features) of the last step."""
        if self._wants_all:
            return torch.stack(self._all, 1)
        assert self._last is not None
        return self._last


def _where(kept: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(kept.reshape(-1, *(1,) * (new.ndim - 1)), new, old)
