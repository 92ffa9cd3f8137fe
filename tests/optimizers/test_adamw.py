"""AdamW against Keras's."""

from typing import Any

import pytest

from labkeras.errors import InvalidArgumentError
from labkeras.optimizers import AdamW
from tests.helpers.check_optimizer import COMMON_ARGUMENTS, check_optimizer


@pytest.mark.parametrize("own", [{}, {"amsgrad": True}])
@pytest.mark.parametrize("common", COMMON_ARGUMENTS)
def test_adamw_keeps_the_optimizer_contract(own: dict[str, Any], common: dict[str, Any]) -> None:
    check_optimizer("AdamW", {"learning_rate": 0.01, **own, **common})


def test_adamw_has_keras_defaults() -> None:
    check_optimizer("AdamW", {})


def test_adamw_needs_a_weight_decay() -> None:
    with pytest.raises(InvalidArgumentError, match=r"use `Adam` for none\. Received: weight_decay=None"):
        AdamW(weight_decay=None)
