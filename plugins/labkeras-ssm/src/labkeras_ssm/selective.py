"""Linear systems whose step length, input and output depend on the input itself: they choose what to remember.

`h_t = exp(dt_t A) h_{t-1} + dt_t u_t B_t`, `y_t = C_t · h_t`. Letters in names of tensors: B batch, T steps, U units, N
modes of a unit.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from labkeras_ssm.scan import linear_scan

__all__ = ["selective_scan", "selective_state"]

# Values of the states that are worked on at once: what a processor's caches hold; what is little for an accelerator.
_AT_ONCE = {"cpu": 2**20}
_AT_ONCE_ELSEWHERE = 2**27

_Start = Tensor | None


def selective_scan(
    inputs_BTU: Tensor, dt_BTU: Tensor, a_UN: Tensor, entry_BTN: Tensor, exit_BTN: Tensor, start_BUN: _Start
) -> tuple[Tensor, Tensor]:
    """The outputs of all steps, and the last state.

    The states of all steps would be `N` times as large as the inputs. They are made for a part of the steps at a time,
    and once more for the gradient, so that no more than a part of them is ever kept.

    Args:
        inputs_BTU: `u`.
        dt_BTU: lengths of the steps, not negative; a step of length 0 leaves the state as it is.
        a_UN: the diagonal of `A`, negative.
        entry_BTN: `B`.
        exit_BTN: `C`.
        start_BUN: the state before the first step; None for zeros.

    Shapes:
        output: (batch, steps, units), and (batch, units, modes)
    """
    parts, state = [], start_BUN
    length = _length_of_parts(inputs_BTU, a_UN)
    # By `split`, whose gradient is put together once; that of each slice would be as long as the sequence.
    for rows in zip(*(torch.split(one, length, 1) for one in (inputs_BTU, dt_BTU, entry_BTN, exit_BTN)), strict=True):
        outputs, state = _again_for_gradient(_scanned, length < inputs_BTU.shape[1], *rows, a_UN, state)
        parts.append(outputs)
    assert state is not None
    return (parts[0] if len(parts) == 1 else torch.cat(parts, 1)), state


def selective_state(inputs_BTU: Tensor, dt_BTU: Tensor, a_UN: Tensor, entry_BTN: Tensor, start_BUN: _Start) -> Tensor:
    """The state after the last step, without those before it: each input's part in it is known by itself.

    It is `exp(A Σ dt)` over the steps that follow, times the input: a sum, and no recurrence.

    Args:
        inputs_BTU, dt_BTU, a_UN, entry_BTN, start_BUN: as of `selective_scan`.

    Shapes:
        output: (batch, units, modes)
    """
    following = torch.cat([dt_BTU[:, 1:], torch.zeros_like(dt_BTU[:, :1])], 1)
    left_BTU = following.flip(1).cumsum(1).flip(1)
    total: Any = 0
    length = _length_of_parts(inputs_BTU, a_UN)
    for rows in zip(*(torch.split(one, length, 1) for one in (inputs_BTU * dt_BTU, left_BTU, entry_BTN)), strict=True):
        total = total + _again_for_gradient(_left, length < inputs_BTU.shape[1], *rows, a_UN)
    if start_BUN is None:
        return total  # type: ignore[no-any-return]  # a tensor by now
    return total + torch.exp(dt_BTU.sum(1).unsqueeze(-1) * a_UN) * start_BUN  # type: ignore[no-any-return]  # likewise


def _scanned(
    inputs_BTU: Tensor, dt_BTU: Tensor, entry_BTN: Tensor, exit_BTN: Tensor, a_UN: Tensor, start_BUN: _Start
) -> tuple[Tensor, Tensor]:
    factors = torch.exp(dt_BTU.unsqueeze(-1) * a_UN)
    driven = (dt_BTU * inputs_BTU).unsqueeze(-1) * entry_BTN.unsqueeze(2)
    if start_BUN is not None:
        driven = torch.cat([driven[:, :1] + factors[:, :1] * start_BUN.unsqueeze(1), driven[:, 1:]], 1)
    states = linear_scan(factors, driven)
    return (states @ exit_BTN.unsqueeze(-1)).squeeze(-1), states[:, -1]


def _left(driven_BTU: Tensor, left_BTU: Tensor, entry_BTN: Tensor, a_UN: Tensor) -> Tensor:
    weights = torch.exp(left_BTU.unsqueeze(-1) * a_UN)
    return (weights * driven_BTU.unsqueeze(-1) * entry_BTN.unsqueeze(2)).sum(1)


def _length_of_parts(inputs_BTU: Tensor, a_UN: Tensor) -> int:
    """How many steps are worked on together; all of them for a compiler, which does its own planning."""
    batch, steps, _ = inputs_BTU.shape
    wanted = _AT_ONCE.get(inputs_BTU.device.type, _AT_ONCE_ELSEWHERE) // max(batch * a_UN.numel(), 1)
    return steps if torch.compiler.is_compiling() else min(max(wanted, 16), steps)


def _again_for_gradient(function: Callable[..., Any], is_part: bool, *arguments: Tensor | None) -> Any:
    """Runs a function; where it takes only a part of the steps, its intermediate values are made again, not kept."""
    if not is_part or not torch.is_grad_enabled():
        return function(*arguments)
    return checkpoint(function, *arguments, use_reentrant=False, preserve_rng_state=False)
