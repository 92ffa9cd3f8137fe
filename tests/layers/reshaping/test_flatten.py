"""Flatten, against Keras."""

import pytest
import torch

from labkeras.graph.symbolic import KerasTensor
from labkeras.layers import Flatten
from tests.helpers.check_layer import check_layer


@pytest.mark.parametrize("shape", [(2,), (2, 5), (2, 3, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_flatten_keeps_the_layer_contract(shape: tuple[int, ...], data_format: str) -> None:
    check_layer(Flatten, {"data_format": data_format}, input_shape=shape)


def test_both_layouts_of_an_image_flatten_alike() -> None:
    image = torch.randn(2, 3, 4, 5)
    channels_first = Flatten(data_format="channels_first")(image.movedim(-1, 1))
    assert torch.equal(channels_first, Flatten()(image))


def test_integers_stay_integers() -> None:
    assert Flatten()(torch.ones(2, 3, 4, dtype=torch.int64)).dtype is torch.int64
    assert Flatten()(KerasTensor((None, 3, 4), "int64")).dtype == "int64"


def test_an_empty_batch_flattens() -> None:
    assert Flatten()(torch.ones(0, 3, 4)).shape == (0, 12)
