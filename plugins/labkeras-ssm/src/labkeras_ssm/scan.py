"""Linear recurrences, `h_t = a_t h_{t-1} + b_t`, without a step of Python for each `t`.

Nothing is divided and no logarithm is taken: with factors of at most 1, no intermediate value is larger than the sum of
what goes in.
"""

from typing import Any

import torch
from torch import Tensor

__all__ = ["linear_scan"]

# From so many values a step on, a processor is faster if it goes from step to step, which reads and writes each value
# once; below, what it takes to start an operation counts, and fewer of them are better.
_WIDE = 4_096


def linear_scan(factors: Tensor, inputs: Tensor) -> Tensor:
    """`h_t = factors_t · h_{t-1} + inputs_t` along axis 1, from `h_{-1} = 0`.

    On accelerators, in compiled programs and for narrow sequences by halves: the recurrence of every second step is one
    of half the length, so that it takes about 2 log₂ T rounds of operations on the whole. The gradient is such a
    recurrence from the end to the beginning, and keeps nothing but `factors` and the result.

    Shapes:
        factors: (batch, steps, …)
        inputs: the same
        output: the same

    Reference:
        G. E. Blelloch (1990), "Prefix Sums and Their Applications"; E. Martin and C. Cundy (2018), "Parallelizing
        Linear Recurrent Neural Nets Over Sequence Length", https://arxiv.org/abs/1709.04057

    Example:
        >>> linear_scan(torch.full((1, 4), 0.5), torch.ones(1, 4))
        tensor([[1.0000, 1.5000, 1.7500, 1.8750]])
    """
    result: Tensor = _LinearScan.apply(factors, inputs)  # type: ignore[no-untyped-call]  # torch's
    return result


class _LinearScan(torch.autograd.Function):
    """The recurrence, with its gradient."""

    generate_vmap_rule = True

    @staticmethod
    def forward(factors: Tensor, inputs: Tensor) -> Tensor:
        return _scan(factors, inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        factors, result = ctx.saved_tensors
        reaching: Tensor = _ReturningScan.apply(factors, gradient)  # type: ignore[no-untyped-call]  # torch's
        return _times_before(reaching, result), reaching


class _ReturningScan(torch.autograd.Function):
    """`g_t = gradients_t + factors_{t+1} · g_{t+1}` from the end on: what reaches `h_t` by all that comes after it."""

    generate_vmap_rule = True

    @staticmethod
    def forward(factors: Tensor, gradients: Tensor) -> Tensor:
        if _is_wide(gradients):
            return _by_steps_returning(factors, gradients)
        following = torch.cat([factors[:, 1:], torch.zeros_like(factors[:, :1])], 1)
        return _by_halves(following.flip(1), gradients.flip(1)).flip(1)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        factors, result = ctx.saved_tensors
        reaching = linear_scan(factors, gradient)
        return _times_before(result, reaching), reaching


def _times_before(values: Tensor, others: Tensor) -> Tensor:
    """`values_t · others_{t-1}`; zero in the first step."""
    return torch.cat([torch.zeros_like(values[:, :1]), values[:, 1:] * others[:, :-1]], 1)


def _scan(factors: Tensor, inputs: Tensor) -> Tensor:
    return _by_steps(factors, inputs) if _is_wide(inputs) else _by_halves(factors, inputs)


def _is_wide(inputs: Tensor) -> bool:
    is_for_steps = inputs.device.type == "cpu" and not torch.compiler.is_compiling()
    return is_for_steps and inputs[:, 0].numel() >= _WIDE


def _by_steps(factors: Tensor, inputs: Tensor) -> Tensor:
    state, states = inputs[:, 0], [inputs[:, 0]]
    for factor, one in zip(factors.unbind(1)[1:], inputs.unbind(1)[1:], strict=True):
        state = torch.addcmul(one, factor, state)
        states.append(state)
    return torch.stack(states, 1)


def _by_steps_returning(factors: Tensor, gradients: Tensor) -> Tensor:
    state, states = gradients[:, -1], [gradients[:, -1]]
    for factor, one in zip(factors.unbind(1)[:0:-1], gradients.unbind(1)[-2::-1], strict=True):
        state = torch.addcmul(one, factor, state)
        states.append(state)
    return torch.stack(states[::-1], 1)


def _by_halves(factors: Tensor, inputs: Tensor) -> Tensor:
    steps = inputs.shape[1]
    if steps == 1:
        return inputs.clone()  # torch wants a result to be another tensor than what goes in
    half = steps // 2
    even_factors, odd_factors = factors[:, 0::2], factors[:, 1::2]
    even_inputs, odd_inputs = inputs[:, 0::2], inputs[:, 1::2]
    # Two steps as one: from an odd step to the next odd one.
    pair_factors = odd_factors * even_factors[:, :half]
    pair_inputs = torch.addcmul(odd_inputs, odd_factors, even_inputs[:, :half])
    odd = _by_halves(pair_factors, pair_inputs)
    even = torch.addcmul(even_inputs[:, 1:], even_factors[:, 1:], odd[:, : steps - half - 1])
    even = torch.cat([even_inputs[:, :1], even], 1)
    together = torch.stack([even[:, :half], odd], 2).flatten(1, 2)
    return together if steps == 2 * half else torch.cat([together, even[:, half:]], 1)
