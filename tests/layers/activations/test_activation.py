"""Activation, against Keras."""

import pytest
import torch

from labkeras.errors import UnknownComponentError
from labkeras.layers import Activation
from tests.helpers.check_layer import check_layer


@pytest.mark.parametrize("activation", ["relu", "softmax", "linear", None])
def test_activation_keeps_the_layer_contract(activation: str | None) -> None:
    check_layer(Activation, {"activation": activation}, input_shape=(2, 3, 4), supports_masking=True)


def test_activation_takes_a_function() -> None:
    assert Activation(torch.relu)(torch.tensor([-1.0, 2.0])).tolist() == [0.0, 2.0]
    assert Activation(torch.relu).get_config()["activation"] == "relu"


def test_activation_names_the_nearest_of_an_unknown_name() -> None:
    with pytest.raises(UnknownComponentError, match=r"'rleu'.*relu"):
        Activation("rleu")
