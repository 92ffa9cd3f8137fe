"""GlobalAveragePooling1D, against Keras."""

import keras
import numpy as np
import pytest
import torch

from labkeras import layers, models
from labkeras.layers import GlobalAveragePooling1D
from tests.helpers.check_layer import check_layer


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_it_keeps_the_layer_contract(data_format: str, keepdims: bool) -> None:
    kwargs = {"data_format": data_format, "keepdims": keepdims}
    # That step gives masks of the first two axes, which are not those of the steps with channels first.
    without = ["masks as Keras's", "masks"] if data_format == "channels_first" else []
    check_layer(GlobalAveragePooling1D, kwargs, input_shape=(2, 5, 3), supports_masking=True, without=without)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_masked_steps_do_not_count(data_format: str) -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    mask = np.array([[True, True, False, False, True], [True, False, False, False, False]])
    if data_format == "channels_first":
        x = x.transpose(0, 2, 1)
    ours = GlobalAveragePooling1D(data_format)(torch.tensor(x), mask=torch.tensor(mask))
    theirs = keras.layers.GlobalAveragePooling1D(data_format)(torch.tensor(x), mask=torch.tensor(mask))
    torch.testing.assert_close(ours, theirs)


def test_nan_in_a_masked_step_stays_there() -> None:
    x = torch.tensor([[[1.0], [torch.nan]]])
    assert GlobalAveragePooling1D()(x, mask=torch.tensor([[True, False]])).tolist() == [[1.0]]


def test_the_mask_of_an_embedding_is_used_and_ends_here() -> None:
    model = models.Sequential(
        [layers.Input((4,), dtype="int64"), layers.Embedding(9, 2, mask_zero=True), GlobalAveragePooling1D()]
    )
    tokens = torch.tensor([[3, 4, 0, 0]])
    vectors = model.layers[0].embeddings
    torch.testing.assert_close(model(tokens)[0], vectors[[3, 4]].mean(0))
    assert getattr(model.outputs[0], "_keras_mask", None) is None
