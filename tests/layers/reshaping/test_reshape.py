"""Reshape, against Keras."""

import pytest
import torch

from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.graph.symbolic import KerasTensor
from labkeras.layers import Reshape
from tests.helpers.check_layer import check_layer


@pytest.mark.parametrize("target_shape", [(12,), (4, 3), (-1, 3), (2, -1, 2), [6, 2]])
def test_reshape_keeps_the_layer_contract(target_shape: tuple[int, ...]) -> None:
    check_layer(Reshape, {"target_shape": target_shape}, input_shape=(2, 3, 4))


def test_integers_stay_integers() -> None:
    assert Reshape((2, 2))(torch.ones(3, 4, dtype=torch.int64)).dtype is torch.int64
    assert Reshape((2, 2))(KerasTensor((None, 4), "int64")).dtype == "int64"


def test_one_value_an_example_can_get_axes_and_lose_them() -> None:
    assert Reshape((1, 1))(torch.ones(3)).shape == (3, 1, 1)
    assert Reshape(())(torch.ones(3, 1)).shape == (3,)


def test_none_is_what_is_left_too() -> None:
    layer = Reshape((None, 3))
    assert layer(torch.ones(2, 4, 3)).shape == (2, 4, 3)
    assert layer(KerasTensor((None, None, 3))).shape == (None, None, 3)
    assert layer.get_config()["target_shape"] == (None, 3)


def test_an_empty_batch_is_reshaped() -> None:
    assert Reshape((-1, 2))(torch.ones(0, 6)).shape == (0, 3, 2)


@pytest.mark.parametrize("target_shape", [(5,), (-1, 5)])
def test_a_shape_that_does_not_fit_names_the_layer_and_both_shapes(target_shape: tuple[int, ...]) -> None:
    layer = Reshape(target_shape, name="fold")
    for inputs in (torch.ones(2, 3, 4), KerasTensor((None, 3, 4))):
        with pytest.raises(InvalidInputError, match=r"'fold' cannot give inputs of the shape \(3, 4\).*target_shape="):
            layer(inputs)


@pytest.mark.parametrize("target_shape", [(-1, -1), (-1, None), (-2, 3), (1.5,), "12", 12])
def test_reshape_names_a_bad_target(target_shape: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`target_shape` must be.*Received: target_shape="):
        Reshape(target_shape)  # type: ignore[arg-type]
