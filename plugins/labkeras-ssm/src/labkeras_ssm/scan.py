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
        # What reaches h_t is its own gradient and, by the factor of the next step, what reaches h_{t+1}.
        following = torch.cat([factors[:, 1:], torch.zeros_like(factors[:, :1])], 1)
        reaching = linear_scan(following.flip(1), gradient.flip(1)).flip(1)
        before = torch.cat([torch.zeros_like(result[:, :1]), result[:, :-1]], 1)
        return reaching * before, reaching


def _scan(factors: Tensor, inputs: Tensor) -> Tensor:
    is_wide = inputs[:, 0].numel() >= _WIDE and inputs.device.type == "cpu" and not torch.compiler.is_compiling()
    return _by_steps(factors, inputs) if is_wide else _by_halves(factors, inputs)


def _by_steps(factors: Tensor, inputs: Tensor) -> Tensor:
    state, states = inputs[:, 0], [inputs[:, 0]]
    for factor, one in zip(factors.unbind(1)[1:], inputs.unbind(1)[1:], strict=True):
        state = torch.addcmul(one, factor, state)
        states.append(state)
    return torch.stack(states, 1)


def _by_halves(factors: Tensor, inputs: Tensor) -> Tensor:
    steps = inputs.shape[1]
    if steps == 1:
        return inputs
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
