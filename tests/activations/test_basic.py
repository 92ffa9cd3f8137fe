"""linear and exponential."""

import torch

from labkeras import activations
from labkeras.graph.symbolic import KerasTensor
from tests.helpers.activations import check_activation


def test_exponential_is_keras_s() -> None:
    check_activation("exponential")


def test_linear_returns_the_very_object_it_is_given() -> None:
    for x in (torch.ones(2), KerasTensor((None, 2)), [1.0], None):
        assert activations.linear(x) is x
