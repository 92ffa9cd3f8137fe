"""MaxPooling2D, against Keras."""

from itertools import product
from typing import Any

import keras
import pytest
import torch
from torch.testing import assert_close

from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.layers import MaxPool2D, MaxPooling2D
from tests.helpers.check_layer import check_layer


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"pool_size": 3, "strides": 2, "padding": "same"},
        {"pool_size": (2, 3), "strides": 1, "padding": "same"},
        {"pool_size": [3, 2], "strides": (1, 2)},
    ],
)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_max_pooling2d_keeps_the_layer_contract(kwargs: dict[str, Any], data_format: str) -> None:
    check_layer(MaxPooling2D, {"data_format": data_format, **kwargs}, input_shape=(2, 5, 6, 4))


@pytest.mark.parametrize("size", range(1, 8))
def test_same_padding_is_kerass_for_every_size(size: int) -> None:
    inputs = torch.randn(1, size, size, 2) - 5  # all below zero: padding with zeros would show
    for window, stride in product(range(1, 6), range(1, 5)):
        kwargs = {"pool_size": (window, 2), "strides": (stride, 1), "padding": "same"}
        ours, theirs = MaxPooling2D(**kwargs), keras.layers.MaxPooling2D(**kwargs)
        assert_close(ours(inputs), theirs(inputs))


def test_integers_stay_integers() -> None:
    assert MaxPooling2D()(torch.arange(16).reshape(1, 4, 4, 1)).flatten().tolist() == [5, 7, 13, 15]


def test_max_pool2d_is_the_same_class() -> None:
    assert MaxPool2D is MaxPooling2D


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"pool_size": 0}, r"`pool_size` must be.*Received: pool_size=0"),
        ({"strides": (2, 2, 2)}, r"`strides` must be.*Received: strides=\(2, 2, 2\)"),
        ({"padding": "causal"}, r"`padding` must be 'valid' or 'same'"),
    ],
)
def test_max_pooling2d_names_bad_arguments(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        MaxPooling2D(**kwargs)


def test_an_image_smaller_than_the_window_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match=r"'pool' is smaller than its window"):
        MaxPooling2D(3, name="pool")(torch.ones(1, 2, 2, 1))
