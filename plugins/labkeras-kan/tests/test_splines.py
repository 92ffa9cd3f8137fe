"""The B-splines, against SciPy's."""

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline
from torch import Tensor
from torch.testing import assert_close

from labkeras_kan.splines import adapted_knots, fitted_coefficients, spline_basis, uniform_knots


def scipy_basis(x: np.ndarray, knots: np.ndarray, order: int) -> np.ndarray:
    count = len(knots) - order - 1
    elements = [BSpline(knots, np.eye(count)[index], order, extrapolate=False)(x) for index in range(count)]
    # Outside the interval on which the splines add up to one, SciPy has no values.
    return np.stack(elements, -1)


def uneven_knots(order: int) -> Tensor:
    steps = torch.rand(8 + 2 * order, dtype=torch.float64, generator=torch.Generator().manual_seed(order)) + 0.05
    return steps.cumsum(0) - steps.sum() / 2


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("even", [True, False])
def test_they_are_those_of_scipy(order: int, even: bool) -> None:
    knots = uniform_knots(-1, 1, 6, order).double() if even else uneven_knots(order)
    low, high = float(knots[order]), float(knots[-order - 1])
    x = np.linspace(low, high, 200)[:-1]  # SciPy closes the last interval, these splines go on
    found = spline_basis(torch.tensor(x).unsqueeze(1), knots.unsqueeze(0), order)[:, 0]
    assert_close(found, torch.tensor(scipy_basis(x, knots.numpy(), order)), rtol=1e-12, atol=1e-12)


def test_each_feature_has_its_own_knots() -> None:
    knots = torch.stack([uniform_knots(-1, 1, 4, 2), uniform_knots(0, 10, 4, 2)])
    x = torch.tensor([[0.3, 7.0], [-0.9, 0.1]])
    both = spline_basis(x, knots, 2)
    for feature in range(2):
        assert_close(both[:, feature], spline_basis(x[:, feature : feature + 1], knots[feature : feature + 1], 2)[:, 0])


def test_they_add_up_to_one_within_the_grid_and_vanish_far_away() -> None:
    knots = uniform_knots(-1, 1, 5, 3).unsqueeze(0)
    assert_close(spline_basis(torch.linspace(-1, 1, 50).unsqueeze(1), knots, 3).sum(-1), torch.ones(50, 1))
    assert not spline_basis(torch.tensor([[-3.0], [3.0], [1e30]]), knots, 3).any()


def test_equal_knots_give_finite_values_and_gradients() -> None:
    knots = torch.tensor([[0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 2.0, 2.0]])
    x = torch.tensor([[0.0], [0.5], [1.0], [1.5]], requires_grad=True)
    basis = spline_basis(x, knots, 3)
    assert_close(basis.sum(-1), torch.ones(4, 1))
    basis.square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_their_gradients_are_those_of_small_steps() -> None:
    knots = uneven_knots(3).unsqueeze(0).repeat(2, 1)
    x = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: spline_basis(values, knots, 3), x)
    assert torch.autograd.gradgradcheck(lambda values: spline_basis(values, knots, 3), x)


@pytest.mark.parametrize("adaptivity", [0.0, 1.0])
def test_adapted_knots_lie_evenly_or_as_the_samples_do(adaptivity: float) -> None:
    samples = torch.rand(1001, 1, dtype=torch.float64).square() * 4  # more of them near 0
    knots = adapted_knots(samples, 4, 2, adaptivity, 0.0)[0]
    low, high = float(samples.min()), float(samples.max())
    inner = knots[2:-2].numpy()
    wanted = np.linspace(low, high, 5) if adaptivity == 0 else np.quantile(samples.numpy(), np.linspace(0, 1, 5))
    np.testing.assert_allclose(inner, wanted, rtol=1e-9)
    assert_close(knots.diff()[:2], torch.full((2,), (high - low) / 4, dtype=torch.float64))
    assert_close(knots.diff()[-2:], torch.full((2,), (high - low) / 4, dtype=torch.float64))


def test_a_fit_finds_the_coefficients_that_made_the_values() -> None:
    knots = uniform_knots(-1, 1, 5, 3).double().unsqueeze(0)
    basis = spline_basis(torch.rand(300, 1, dtype=torch.float64) * 2 - 1, knots, 3).transpose(0, 1)
    coefficients = torch.randn(1, 8, 4, dtype=torch.float64)
    assert_close(fitted_coefficients(basis, basis @ coefficients), coefficients)
