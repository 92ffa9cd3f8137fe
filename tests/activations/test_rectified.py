"""relu and its kin."""

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from labkeras import activations
from tests.helpers.activations import check_activation


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"negative_slope": 0.2},
        {"negative_slope": -0.1},
        {"max_value": 6},
        {"max_value": 2.5},
        {"max_value": 0},
        {"max_value": -1.0},
        {"threshold": 1.1},
        {"threshold": -1.1},
        {"threshold": -1.1, "max_value": 0.5},
        {"negative_slope": 0.2, "max_value": 3.05},
        {"negative_slope": 0.2, "threshold": 1.1},
        {"negative_slope": 0.2, "threshold": -1.1},
        {"negative_slope": 0.1, "max_value": 2.05, "threshold": 1.1},
    ],
    ids=str,
)
def test_relu_is_keras_s_in_all_settings(settings: dict[str, Any]) -> None:
    check_activation("relu", **settings)


def test_relu_follows_its_formula_where_everything_is_set() -> None:
    y = activations.relu(torch.tensor([-3.0, 0.5, 1.5, 9.0]), negative_slope=0.1, max_value=2.0, threshold=1.0)
    assert_close(y, torch.tensor([-0.4, -0.05, 1.5, 2.0]))


def test_relu_keeps_integers() -> None:
    assert activations.relu(torch.tensor([-1, 2])).tolist() == [0, 2]


def test_relu6_is_keras_s() -> None:
    check_activation("relu6")


@pytest.mark.parametrize("settings", [{}, {"negative_slope": 0.01}], ids=str)
def test_leaky_relu_is_keras_s(settings: dict[str, Any]) -> None:
    check_activation("leaky_relu", **settings)


def test_threshold_is_keras_s() -> None:
    check_activation("threshold", 1.1, -0.5)
