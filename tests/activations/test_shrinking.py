"""soft_shrink, hard_shrink and tanh_shrink."""

from typing import Any

import pytest
import torch

from labkeras import activations
from labkeras.errors import InvalidArgumentError
from tests.helpers.activations import check_activation


@pytest.mark.parametrize("name", ["hard_shrink", "soft_shrink"])
@pytest.mark.parametrize("settings", [{}, {"threshold": 1.1}], ids=str)
def test_soft_and_hard_shrink_are_keras_s(name: str, settings: dict[str, Any]) -> None:
    check_activation(name, **settings)


def test_tanh_shrink_is_keras_s() -> None:
    check_activation("tanh_shrink")


def test_soft_shrink_names_a_negative_threshold() -> None:
    with pytest.raises(InvalidArgumentError, match=r"must not be negative\. Received: threshold=-1\.0"):
        activations.soft_shrink(torch.ones(2), threshold=-1.0)
