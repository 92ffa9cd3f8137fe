"""GlobalAveragePooling2D, against Keras."""

import pytest
import torch

from labkeras.layers import GlobalAveragePooling2D, GlobalAvgPool2D
from tests.helpers.check_layer import check_layer


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_global_average_pooling2d_keeps_the_layer_contract(keepdims: bool, data_format: str) -> None:
    kwargs = {"keepdims": keepdims, "data_format": data_format}
    check_layer(GlobalAveragePooling2D, kwargs, input_shape=(2, 5, 3, 4))


def test_integers_are_averaged_as_floats() -> None:
    assert GlobalAveragePooling2D()(torch.tensor([[[[1], [2]]]])).tolist() == [[1.5]]


def test_global_avg_pool2d_is_the_same_class() -> None:
    assert GlobalAvgPool2D is GlobalAveragePooling2D
