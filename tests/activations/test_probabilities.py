"""softmax, log_softmax and sparsemax."""

from typing import Any

import keras
import pytest
import torch
from torch.testing import assert_close

from labkeras import activations
from labkeras.graph.symbolic import KerasTensor
from tests.helpers.activations import check_activation, check_compiled, check_placeholder, gradient

AXES: list[Any] = [-1, 0, 1, (0, 2), (1, -1), (1,), None]


@pytest.mark.parametrize("name", ["log_softmax", "softmax"])
def test_probabilities_are_keras_s(name: str) -> None:
    check_activation(name)


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", ["log_softmax", "softmax"])
def test_scores_compete_along_any_axes(name: str, axis: Any) -> None:
    x = torch.randn(3, 4, 5)
    ours, theirs = getattr(activations, name), getattr(keras.activations, name)
    # Keras reads negative axes wrong when there are several.
    positive = tuple(entry % 3 for entry in axis) if isinstance(axis, tuple) else axis
    assert_close(ours(x, axis), theirs(x, axis=positive))
    assert_close(gradient(lambda x: ours(x, axis), x), gradient(lambda x: theirs(x, axis=positive), x))
    assert ours(KerasTensor((None, 4, 5)), axis).shape == (None, 4, 5)


def nearest_probabilities(x: torch.Tensor, axis: int) -> torch.Tensor:
    """The projection onto the probabilities: `max(x - τ, 0)`, τ found by bisection."""
    low, high = x.amin(axis, keepdim=True) - 1, x.amax(axis, keepdim=True)
    for _ in range(100):
        middle = (low + high) / 2
        is_low = torch.relu(x - middle).sum(axis, keepdim=True) > 1
        low, high = torch.where(is_low, middle, low), torch.where(is_low, high, middle)
    return torch.relu(x - low)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_sparsemax_gives_the_nearest_probabilities(axis: int, scale: float) -> None:
    x = scale * torch.randn(6, 7, dtype=torch.float64)
    assert_close(activations.sparsemax(x, axis), nearest_probabilities(x, axis))


def test_sparsemax_is_keras_s_where_one_score_is_in_the_support() -> None:
    x = 10 * torch.eye(5)[torch.randperm(5)]
    assert_close(activations.sparsemax(x), keras.activations.sparsemax(x))


def test_sparsemax_has_the_gradient_of_its_definition() -> None:
    x = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(activations.sparsemax, x)


def test_sparsemax_is_recorded_and_compiled() -> None:
    check_placeholder(activations.sparsemax)
    check_compiled(activations.sparsemax)


def test_sparsemax_sums_to_one_in_long_rows_of_16_bits() -> None:
    x = torch.zeros(2, 600, dtype=torch.bfloat16)
    x[:, 0] = 0.5
    expected = nearest_probabilities(x.double(), 1).to(torch.bfloat16)
    assert_close(activations.sparsemax(x), expected, rtol=0.02, atol=1e-4)


@pytest.mark.parametrize("shape", [(5,), (0,)], ids=str)
def test_softmax_takes_a_vector(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    assert_close(activations.softmax(x), torch.softmax(x, 0))


def test_softmax_warns_of_a_single_class() -> None:
    with pytest.warns(UserWarning, match=r"use 'sigmoid'\. Received: axis=-1, shape=\(3, 1\)"):
        activations.softmax(torch.randn(3, 1))


@pytest.mark.filterwarnings("ignore:softmax over an axis of size 1")
def test_softmax_of_a_single_class_compiles() -> None:
    torch.compiler.reset()
    compiled = torch.compile(activations.softmax, fullgraph=True, backend="eager")
    assert_close(compiled(torch.randn(3, 1)), torch.ones(3, 1))


def test_softmax_does_not_overflow() -> None:
    x = torch.tensor([[1e4, 0.0], [-1e4, 0.0]])
    expected = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    for axis in (-1, (1,)):
        assert_close(activations.softmax(x, axis), expected)


def test_softmax_of_one_example_does_not_warn() -> None:
    assert_close(activations.softmax(torch.zeros(1, 2)), torch.full((1, 2), 0.5))
