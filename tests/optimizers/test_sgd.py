"""SGD against Keras's."""

from typing import Any

import pytest
import torch

from labkeras.errors import InvalidArgumentError
from labkeras.optimizers import SGD
from tests.helpers.check_optimizer import COMMON_ARGUMENTS, check_optimizer


@pytest.mark.parametrize("own", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}])
@pytest.mark.parametrize("common", COMMON_ARGUMENTS)
def test_sgd_keeps_the_optimizer_contract(own: dict[str, Any], common: dict[str, Any]) -> None:
    check_optimizer("SGD", {"learning_rate": 0.05, **own, **common})


def test_sgd_has_keras_defaults() -> None:
    check_optimizer("SGD", {})


def test_sgd_follows_a_changed_learning_rate_as_keras_does() -> None:
    # The velocity holds steps, not gradients: a new learning rate must not rescale the old ones.
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = SGD(1.0, momentum=0.5)
    optimizer.apply([torch.tensor([1.0])], [weight])
    optimizer.learning_rate = 0.0
    optimizer.apply([torch.tensor([1.0])], [weight])
    assert weight.item() == 1.0 - 1.0 - 0.5


@pytest.mark.parametrize("momentum", [-0.1, 1.5])
def test_sgd_names_a_momentum_out_of_range(momentum: float) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"`momentum` must be in \[0, 1\]\. Received: momentum={momentum}"):
        SGD(momentum=momentum)
