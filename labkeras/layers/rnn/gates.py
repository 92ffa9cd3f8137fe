"""What recurrent layers with gates share: dropout of all steps, one call of torch's kernel, or step after step."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.layers.rnn.rnn import RNN, Steps
from labkeras.random import SeedGenerator

__all__ = [
    "Masks",
    "checked_use_cudnn",
    "dropout_mask",
    "gated_product",
    "outputs_within",
    "run_gated",
    "settings_of",
]

Masks = tuple[Tensor | None, Tensor | None]
"""What dropout takes off the inputs and off the states: factors for one gate, or for all in a row, or None."""


def run_gated(
    layer: Any, sequences: Tensor, states: list[Any], mask: Tensor | None, training: bool
) -> tuple[Tensor, list[Any]]:
    """Runs all steps: in one call of torch's kernel where that computes the same, else one by one.

    Args:
        layer: an RNN whose cell has `dropout_masks`, `project` and `step`, and which has `_has_kernel` and
            `_run_kernel`; `use_cudnn` is True if it must be the kernel.
        sequences: shape (batch, steps, features).
        states: those before the first step.
        mask: shape (batch, steps), False where a step is passed over; or None.
        training: whether dropout drops.

    Returns:
        The outputs, of all steps if the layer returns them, and the last states.
    """
    cell = layer.cell
    inputs_mask, states_mask = cell.dropout_masks(sequences[:, 0], states) if training else (None, None)
    lengths = None if mask is None else _lengths(layer, mask)
    fits = states_mask is None and (mask is None or lengths is not None)
    if fits and layer._has_kernel and not _cannot_be_traced(sequences):
        if inputs_mask is not None:
            sequences = sequences * inputs_mask.unsqueeze(1)
        outputs, last = layer._run_kernel(sequences, states)
        return outputs_within(outputs, lengths, layer.return_sequences), last
    if getattr(layer, "use_cudnn", None) is True:
        raise InvalidArgumentError(
            f"layer {layer.name!r} cannot use torch's kernel with these arguments, masks or `recurrent_dropout`. "
            "Received: use_cudnn=True; 'auto' takes it where it can"
        )
    collected = Steps(layer.return_sequences, layer.zero_output_for_mask)
    for index, projected in enumerate(cell.project(sequences, inputs_mask).unbind(1)):
        output, after = cell.step(projected, states, states_mask)
        states = collected.add(output, states, after, None if mask is None else mask[:, index])
    return collected.outputs(), states


def checked_use_cudnn(value: str | bool) -> str | bool:
    """`use_cudnn`, if it is one of the three values."""
    if value not in ("auto", True, False):
        raise InvalidArgumentError(f"`use_cudnn` must be 'auto', True or False. Received: use_cudnn={value!r}")
    return value


def dropout_mask(like: Tensor, rate: float, count: int, generator: SeedGenerator) -> Tensor | None:
    """Factors for `count` gates in a row, 0 where a feature is dropped; None if nothing is.

    Shapes:
        like: (batch, features)
        output: (batch, count · features)
    """
    if not 0 < rate < 1:
        return None
    ones = torch.ones((like.shape[0], count * like.shape[-1]), dtype=like.dtype, device=like.device)
    if generator.seed is None:
        return F.dropout(ones, rate)
    return (generator.uniform(ones.shape, like.device) < 1 - rate).to(like.dtype) / (1 - rate)


def gated_product(values: Tensor, mask: Tensor | None, kernel: Tensor, gates: int) -> Tensor:
    """`values @ kernel`, with a mask of its own for each gate where the mask has as many parts.

    Shapes:
        values: (batch, …, features)
        mask: (batch, …, features) or (batch, …, gates · features)
        kernel: (features, gates · units)
        output: (batch, …, gates · units)
    """
    if mask is None:
        return torch.matmul(values, kernel)
    if mask.shape[-1] == values.shape[-1]:
        return torch.matmul(values * mask, kernel)
    parts = zip(mask.chunk(gates, -1), kernel.chunk(gates, -1), strict=True)
    return torch.cat([torch.matmul(values * part, columns) for part, columns in parts], -1)


def outputs_within(outputs: Tensor, lengths: Tensor | None, all_steps: bool) -> Tensor:
    """The outputs of the kernel as a layer returns them: those of all steps, or that of each sample's last one.

    Steps after the end have the output of the last one before; without any it is zero.

    Shapes:
        outputs: (batch, steps, units)
        lengths: (batch,), or None if no sample ends early
        output: (batch, steps, units) or (batch, units)
    """
    if lengths is None:
        return outputs if all_steps else outputs[:, -1]
    ends = (lengths - 1).clamp(min=0)
    if all_steps:
        places = torch.arange(outputs.shape[1], device=outputs.device)
        rows = torch.minimum(places[None], ends[:, None])
        picked = outputs.gather(1, rows[..., None].expand(-1, -1, outputs.shape[2]))
    else:
        picked = outputs[torch.arange(len(ends), device=ends.device), ends]
    empty = (lengths == 0).reshape(-1, *(1,) * (picked.ndim - 1))
    return torch.where(empty, 0, picked)


def settings_of(cell: type) -> frozenset[str]:
    """The names of a cell's own arguments, which its layer shows as well: `lstm.units`, `lstm.activation`."""
    parameters: Sequence[inspect.Parameter] = list(inspect.signature(cell).parameters.values())
    return frozenset(one.name for one in parameters if one.kind is not inspect.Parameter.VAR_KEYWORD)


def _lengths(layer: RNN, mask: Tensor) -> Tensor | None:
    """How many steps each sample has, if it is masked at its end alone, which the kernel can do; else None."""
    only_outputs = not layer.return_state and not layer.stateful and not layer.zero_output_for_mask
    # To look at a mask's values is nothing that a compiler could record.
    if not only_outputs or torch.compiler.is_compiling() or type(mask) is not Tensor:
        return None
    return mask.sum(1) if bool((mask[:, 1:] <= mask[:, :-1]).all()) else None


def _cannot_be_traced(sequences: Tensor) -> bool:
    """Whether `torch.compile` would fail on the kernel: on the CPU it cannot keep what the gradient needs."""
    return torch.compiler.is_dynamo_compiling() and torch.is_grad_enabled() and sequences.device.type == "cpu"
