"""gelu, silu, mish, glu."""

import pytest
import torch

from labkeras import activations
from labkeras.errors import InvalidInputError
from labkeras.graph.symbolic import KerasTensor
from tests.helpers.activations import check_activation


@pytest.mark.parametrize("name", ["hard_silu", "hard_swish", "mish", "silu", "swish"])
def test_gated_units_are_keras_s(name: str) -> None:
    check_activation(name)


@pytest.mark.parametrize("approximate", [False, True])
def test_gelu_is_keras_s(approximate: bool) -> None:
    check_activation("gelu", approximate=approximate)


def test_glu_is_keras_s() -> None:
    check_activation("glu")


def test_glu_halves_the_axis_it_is_told() -> None:
    x = torch.randn(4, 3)
    assert torch.equal(activations.glu(x, axis=0), x[:2] * torch.sigmoid(x[2:]))


@pytest.mark.parametrize("x", [torch.ones(2, 5), KerasTensor((None, 5)), torch.tensor(1.0)], ids=repr)
def test_glu_names_an_axis_that_cannot_be_halved(x: torch.Tensor) -> None:
    with pytest.raises(InvalidInputError, match=r"of even size\. Received: shape=\(.*\), axis=-1"):
        activations.glu(x)


def test_glu_takes_a_placeholder_of_unknown_size() -> None:
    assert activations.glu(KerasTensor((3, None)), axis=1).shape == (3, None)
