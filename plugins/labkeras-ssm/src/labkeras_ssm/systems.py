"""Diagonal linear systems: how they start, how they are put into steps, and what they do to a whole sequence.

`s' = A s + B u, y = C s`, with a diagonal `A`; in steps of length `dt` it is `s_k = Ā s_{k-1} + B̄ u_k`. `B` is 1: it
and `C` matter by their product alone. Letters in names of tensors: B batch, T steps, U units, N modes of a unit.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "DISCRETIZATIONS",
    "INITIALIZATIONS",
    "Powers",
    "causal_convolution",
    "discretize",
    "powers",
    "start_modes",
]

INITIALIZATIONS = ("lin", "inv", "real")
DISCRETIZATIONS = ("zoh", "bilinear")


def start_modes(initialization: str, count: int) -> tuple[Tensor, Tensor]:
    """Decay and frequency of a unit's modes, `A = -decay + i · frequency`.

    Args:
        initialization: "lin", frequencies πn, as of a Fourier series; "inv", frequencies (N / π)(N / (2n + 1) - 1),
            which are close to the system that remembers all of its past; both with decay 1/2. Or "real", decay n + 1
            and frequency zero.
        count: how many modes; each complex one stands for itself and its conjugate, so that `N` is twice as much.

    Reference:
        A. Gu et al. (2022), "On the Parameterization and Initialization of Diagonal State Space Models", section 4,
        https://arxiv.org/abs/2206.11893

    Example:
        >>> start_modes("real", 3)
        (tensor([1., 2., 3.]), tensor([0., 0., 0.]))
    """
    n = torch.arange(count, dtype=torch.float32)
    if initialization == "real":
        return n + 1, torch.zeros(count)
    size = 2 * count
    frequency = math.pi * n if initialization == "lin" else size / math.pi * (size / (2 * n + 1) - 1)
    return torch.full((count,), 0.5), frequency


def discretize(a: Tensor, dt: Tensor, discretization: str) -> tuple[Tensor, Tensor | None, Tensor]:
    """`Ā`, its logarithm, and `B̄`; no logarithm if `Ā` can be negative.

    Args:
        a: the diagonal of `A`, real or complex.
        dt: length of a step, of each unit.
        discretization: "zoh": inputs are held over a step, Ā = exp(dt A), B̄ = (Ā - 1) / A; or "bilinear":
            Ā = (1 + dt A / 2) / (1 - dt A / 2), B̄ = dt / (1 - dt A / 2).

    Shapes:
        a: (units, modes)
        dt: (units,)
    """
    scaled = a * dt.unsqueeze(1)
    if discretization == "zoh":
        return torch.exp(scaled), scaled, _expm1(scaled) / a
    factor = (1 + scaled / 2) / (1 - scaled / 2)
    return factor, torch.log(factor) if a.is_complex() else None, dt.unsqueeze(1) / (1 - scaled / 2)


def powers(factor: Tensor, logarithm: Tensor | None, exponents: Tensor) -> Tensor:
    """`Ā` to whole powers.

    Args:
        factor: `Ā`.
        logarithm: of it, which is more precise where it is close to 1, if there is one.
        exponents: whole numbers of at least 0.

    Shapes:
        factor, logarithm: (units, modes)
        exponents: (times,)
        output: (times, units, modes)
    """
    times = exponents.reshape(-1, 1, 1)
    return torch.pow(factor, times) if logarithm is None else torch.exp(logarithm * times)


class Powers(NamedTuple):
    """`Ā` to the powers 0, 1, …, T - 1, as products: that to i · L + j is `coarse_i · fine_j`.

    With L = √T these are 2√T powers in place of T, and what is summed over the modes becomes a product of matrices.

    Args:
        fine: (L, units, modes).
        coarse: (T / L, rounded up; units, modes).
        steps: T.
    """

    fine: Tensor
    coarse: Tensor
    steps: int

    @classmethod
    def of(cls, factor: Tensor, logarithm: Tensor | None, steps: int) -> "Powers":
        """For so many steps.

        Args:
            factor, logarithm: as of `powers`.
            steps: at least 1.
        """
        length = math.isqrt(steps - 1) + 1
        dtype = factor.real.dtype if factor.is_complex() else factor.dtype
        places = torch.arange(length, device=factor.device, dtype=dtype)
        rows = torch.arange(-(-steps // length), device=factor.device, dtype=dtype) * length
        return cls(powers(factor, logarithm, places), powers(factor, logarithm, rows), steps)

    def responses(self, weights: Tensor) -> Tensor:
        """`Re Σ_n weights_n Ā_n^t` for each step.

        Shapes:
            weights: (…, units, modes)
            output: (…, steps, units)
        """
        rows = self.coarse.transpose(0, 1) * weights.unsqueeze(-2)
        columns = self.fine.permute(1, 2, 0)
        # Of complex numbers the real part of the product, in half its work.
        is_real = not weights.is_complex()
        table = rows @ columns if is_real else rows.real @ columns.real - rows.imag @ columns.imag
        return table.flatten(-2)[..., : self.steps].transpose(-1, -2)

    def gathered(self, inputs_BTU: Tensor) -> Tensor:
        """`Σ_t Ā^(T - 1 - t) inputs_t`: (batch, units, modes)."""
        rows, length = len(self.coarse), len(self.fine)
        # The last step first; what is missing to a full table comes before the sequence, and is zero.
        latest = F.pad(inputs_BTU.flip(1), (0, 0, 0, rows * length - self.steps))
        table = latest.reshape(-1, rows, length, latest.shape[-1]).permute(0, 3, 1, 2)  # batch, units, rows, columns
        sums = table.to(self.fine.dtype) @ self.fine.transpose(0, 1)
        return (sums * self.coarse.transpose(0, 1)).sum(-2)


def causal_convolution(inputs_BTU: Tensor, kernel_TU: Tensor) -> Tensor:
    """`y_k = Σ_j kernel_j · inputs_{k-j}` of each unit, by Fourier transforms: T log T in place of T².

    Shapes:
        inputs_BTU: (batch, steps, units)
        kernel_TU: (steps, units)
        output: (batch, steps, units)
    """
    steps = inputs_BTU.shape[1]
    # Twice as long, so that the end does not come round to the beginning; even, which the inverse takes for granted.
    length = 2 * steps
    # Side by side in memory, steps are transformed in half the time.
    inputs, kernel = inputs_BTU.transpose(1, 2).contiguous(), kernel_TU.t().contiguous()
    outputs: Tensor = torch.fft.irfft(torch.fft.rfft(inputs, length) * torch.fft.rfft(kernel, length), length)
    return outputs[..., :steps].transpose(1, 2)


def _expm1(z: Tensor) -> Tensor:
    """exp(z) - 1 without loss of digits near zero; torch has it for real numbers alone."""
    if not z.is_complex():
        return torch.expm1(z)
    grown, half = torch.expm1(z.real), torch.sin(z.imag / 2)
    real = grown * torch.cos(z.imag) - 2 * half * half
    return torch.complex(real, (grown + 1) * torch.sin(z.imag))
