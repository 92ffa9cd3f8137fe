"""RMSprop against Keras's."""

from typing import Any

import pytest

from labkeras.errors import InvalidArgumentError
from labkeras.optimizers import RMSprop
from tests.helpers.check_optimizer import COMMON_ARGUMENTS, check_optimizer

OWN_ARGUMENTS: list[dict[str, Any]] = [
    {},
    {"momentum": 0.9},
    {"centered": True, "epsilon": 1e-3},
    {"rho": 0.5, "momentum": 0.5, "centered": True, "epsilon": 1e-3},
]


@pytest.mark.parametrize("own", OWN_ARGUMENTS)
@pytest.mark.parametrize("common", COMMON_ARGUMENTS)
def test_rmsprop_keeps_the_optimizer_contract(own: dict[str, Any], common: dict[str, Any]) -> None:
    check_optimizer("RMSprop", {"learning_rate": 0.01, **own, **common})


def test_rmsprop_has_keras_defaults() -> None:
    check_optimizer("RMSprop", {})


@pytest.mark.parametrize("name", ["rho", "momentum"])
def test_rmsprop_names_an_argument_out_of_range(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"`{name}` must be in \[0, 1\]\. Received: {name}=2\.0"):
        RMSprop(**{name: 2.0})
