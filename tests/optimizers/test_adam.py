"""Adam against Keras's."""

from typing import Any

import keras
import pytest
import torch

from labkeras.errors import InvalidArgumentError
from labkeras.optimizers import Adam
from tests.helpers.check_optimizer import COMMON_ARGUMENTS, check_optimizer


@pytest.mark.parametrize("own", [{}, {"amsgrad": True}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}])
@pytest.mark.parametrize("common", COMMON_ARGUMENTS)
def test_adam_keeps_the_optimizer_contract(own: dict[str, Any], common: dict[str, Any]) -> None:
    check_optimizer("Adam", {"learning_rate": 0.01, **own, **common})


def test_adam_has_keras_defaults() -> None:
    check_optimizer("Adam", {})


def test_adam_adds_epsilon_where_keras_does() -> None:
    # With tiny gradients all depends on epsilon: torch's place for it gives another step.
    ours, theirs = torch.nn.Parameter(torch.zeros(1)), keras.Variable([0.0])
    Adam(1.0).apply([torch.tensor([1e-7])], [ours])
    keras.optimizers.Adam(1.0).apply([torch.tensor([1e-7])], [theirs])
    assert ours.item() == pytest.approx(theirs.numpy().item(), rel=1e-4)


def test_adam_decays_only_what_is_not_excluded() -> None:
    weights = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    optimizer = Adam(0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[weights[1]])
    optimizer.apply([torch.zeros(2), torch.zeros(2)], weights)
    assert weights[0].tolist() == [0.75, 0.75]
    assert weights[1].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("name", ["beta_1", "beta_2"])
def test_adam_names_a_beta_out_of_range(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"`{name}` must be in \[0, 1\)\. Received: {name}=1\.0"):
        Adam(**{name: 1.0})
