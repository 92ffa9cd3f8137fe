"""sigmoid, tanh and their kin."""

import pytest
import torch

from labkeras import activations
from tests.helpers.activations import check_activation

NAMES = ["hard_sigmoid", "hard_tanh", "log_sigmoid", "sigmoid", "softsign", "sparse_sigmoid", "tanh"]


@pytest.mark.parametrize("name", NAMES)
def test_bounded_functions_are_keras_s(name: str) -> None:
    check_activation(name)


def test_log_sigmoid_does_not_overflow() -> None:
    assert activations.log_sigmoid(torch.tensor(-1e4)).item() == -1e4
