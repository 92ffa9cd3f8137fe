"""Diagonal systems: their discretization, their powers, convolution; against the formulas in plain loops."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from torch.testing import assert_close

from labkeras_ssm.systems import Powers, causal_convolution, discretize, powers, start_modes


@pytest.fixture
def a() -> torch.Tensor:
    return torch.complex(-torch.rand(2, 3).double() - 0.1, torch.randn(2, 3).double() * 5)


def test_lin_has_the_frequencies_of_a_fourier_series() -> None:
    decay, frequency = start_modes("lin", 4)
    assert_close(decay, torch.full((4,), 0.5))
    assert_close(frequency, torch.tensor([0, math.pi, 2 * math.pi, 3 * math.pi]))


def test_inv_has_the_frequencies_of_the_paper() -> None:
    _, frequency = start_modes("inv", 2)  # N = 4
    assert_close(frequency, torch.tensor([4 / math.pi * (4 / 1 - 1), 4 / math.pi * (4 / 3 - 1)]))


def test_zoh_is_what_a_held_input_does(a: torch.Tensor) -> None:
    dt = torch.tensor([0.1, 0.7]).double()
    factor, logarithm, drive = discretize(a, dt, "zoh")
    assert logarithm is not None
    for unit in range(2):
        for mode in range(3):
            # The exponential of [[A, B], [0, 0]] dt has both, whatever A is.
            both = expm(np.array([[complex(a[unit, mode]), 1], [0, 0]]) * float(dt[unit]))
            assert complex(factor[unit, mode]) == pytest.approx(both[0, 0])
            assert complex(drive[unit, mode]) == pytest.approx(both[0, 1])
    assert_close(torch.exp(logarithm), factor)


def test_bilinear_is_the_rule_of_trapezoids(a: torch.Tensor) -> None:
    dt = torch.tensor([0.1, 0.7]).double()
    factor, _, drive = discretize(a, dt, "bilinear")
    half = a * dt.unsqueeze(1) / 2
    state, after = torch.ones_like(a), factor * 1 + drive * 2.0  # from 1, with the input 2
    assert_close(after - state, half * (state + after) + dt.unsqueeze(1) * 2.0)


@pytest.mark.parametrize("discretization", ["zoh", "bilinear"])
def test_tiny_steps_lose_no_digits(discretization: str) -> None:
    a = torch.complex(torch.full((1, 1), -0.5), torch.full((1, 1), 0.1))
    _, _, drive = discretize(a, torch.tensor([1e-6]), discretization)
    assert_close(drive.real, torch.full((1, 1), 1e-6), rtol=1e-5, atol=0)


def test_negative_factors_have_powers() -> None:
    factor, logarithm, _ = discretize(torch.tensor([[-8.0]]), torch.tensor([1.0]), "bilinear")  # (1 - 4) / (1 + 4)
    assert logarithm is None
    found = powers(factor, logarithm, torch.arange(4.0)).flatten()
    assert_close(found, torch.tensor([1, -0.6, 0.36, -0.216]))


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 16, 17, 30])
def test_powers_as_products_are_the_powers(a: torch.Tensor, steps: int) -> None:
    factor, logarithm, _ = discretize(a, torch.tensor([0.3, 0.05]).double(), "zoh")
    all_powers = torch.stack([factor**step for step in range(steps)])
    split = Powers.of(factor, logarithm, steps)
    weights = torch.complex(torch.randn(2, 3).double(), torch.randn(2, 3).double())
    assert_close(split.responses(weights), (weights * all_powers).sum(-1).real)
    several = torch.stack([weights, 2 * weights.conj()])
    assert_close(split.responses(several), (several.unsqueeze(1) * all_powers).sum(-1).real)
    inputs = torch.randn(4, steps, 2).double()
    wanted = torch.einsum("btu,tun->bun", inputs.to(factor.dtype), all_powers.flip(0))
    assert_close(split.gathered(inputs), wanted)


@pytest.mark.parametrize("steps", [1, 2, 7, 16])
def test_the_convolution_is_a_sum_over_the_past(steps: int) -> None:
    inputs, kernel = torch.randn(3, steps, 2).double(), torch.randn(steps, 2).double()
    wanted = torch.zeros_like(inputs)
    for step in range(steps):
        for before in range(step + 1):
            wanted[:, step] += kernel[before] * inputs[:, step - before]
    assert_close(causal_convolution(inputs, kernel), wanted)
