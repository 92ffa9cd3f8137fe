"""elu, celu and selu."""

import pytest
import torch

from labkeras import activations
from labkeras.errors import InvalidArgumentError
from tests.helpers.activations import check_activation


@pytest.mark.parametrize("name", ["celu", "elu"])
@pytest.mark.parametrize("alpha", [1.0, 0.3, 2.0])
def test_elu_and_celu_are_keras_s(name: str, alpha: float) -> None:
    check_activation(name, alpha=alpha)


def test_selu_is_keras_s() -> None:
    check_activation("selu")


def test_celu_names_an_alpha_of_zero() -> None:
    with pytest.raises(InvalidArgumentError, match=r"must not be zero\. Received: alpha=0\.0"):
        activations.celu(torch.ones(2), alpha=0.0)
