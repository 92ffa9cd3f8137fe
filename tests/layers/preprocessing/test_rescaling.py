"""Rescaling, against Keras."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras import config
from labkeras.errors import InvalidArgumentError
from labkeras.graph.symbolic import KerasTensor
from labkeras.layers import Rescaling
from tests.helpers.check_layer import check_layer


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64"])
def test_rescaling_keeps_the_layer_contract(dtype: str) -> None:
    check_layer(
        Rescaling,
        {"scale": 1 / 127.5, "offset": -1},
        input_shape=(2, 3, 4, 3),
        input_dtype=dtype,
        supports_masking=True,
    )


@pytest.mark.parametrize("values", [[0.5, 2.0, 3.0], (1, 2, 3), np.array([1.0, 0.5, 0.25])])
def test_rescaling_takes_a_number_for_each_channel(values: object) -> None:
    kwargs = {"scale": values, "offset": [1.0, 2.0, 3.0]}
    check_layer(Rescaling, kwargs, input_shape=(2, 3, 4, 3), supports_masking=True)


def test_with_channels_first_the_numbers_are_for_the_third_axis_from_the_end() -> None:
    config.set_image_data_format("channels_first")
    scaled = Rescaling([1.0, 2.0], offset=[0.0, 10.0])(torch.ones(1, 2, 3, 3))
    assert_close(scaled[0, :, 0, 0], torch.tensor([1.0, 12.0]))


def test_bytes_become_the_compute_type() -> None:
    assert Rescaling(1 / 255, dtype="float16")(torch.tensor([0, 255], dtype=torch.uint8)).dtype is torch.float16
    assert Rescaling(1 / 255)(KerasTensor((None, 2), "uint8")).dtype == "float32"


def test_its_constants_are_neither_weights_nor_saved_but_move_with_it() -> None:
    layer = Rescaling([1.0, 2.0])
    assert (layer.variables, list(layer.state_dict())) == ([], [])
    assert layer.double()(torch.ones(1, 2)).dtype is torch.float64


@pytest.mark.parametrize("value", ["a", ["b"], None])
def test_rescaling_names_bad_numbers(value: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`scale` must be a number.*Received: scale="):
        Rescaling(value)  # type: ignore[arg-type]
