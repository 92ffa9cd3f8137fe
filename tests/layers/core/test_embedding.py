"""Embedding, against Keras."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras.errors import InvalidArgumentError, InvalidInputError, UnsupportedArgumentError
from labkeras.graph.symbolic import KerasTensor
from labkeras.layers import Dense, Embedding
from tests.helpers.check_layer import check_layer


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32"])
def test_embedding_keeps_the_layer_contract(dtype: str) -> None:
    check_layer(
        Embedding,
        {"input_dim": 4, "output_dim": 3},
        inputs=np.array([[0, 1, 2, 3, 1], [3, 3, 0, 1, 2]]).astype(dtype),
        output_shape=(2, 5, 3),
        trainable_weights=1,
        # A float index has no gradient, and more rows of floats are made up, which are no indices.
        without=("gradients as Keras's", "gradients", "processes") if dtype == "float32" else (),
    )


def test_embedding_keeps_the_contract_with_all_its_arguments() -> None:
    kwargs = {
        "input_dim": 4,
        "output_dim": 3,
        "embeddings_initializer": "glorot_normal",
        "embeddings_regularizer": "l1",
        "embeddings_constraint": "max_norm",
        "mask_zero": True,
    }
    check_layer(
        Embedding, kwargs, input_shape=(2, 5, 3), input_dtype="int64", trainable_weights=1, supports_masking=True
    )


def test_float_indices_lose_their_fraction() -> None:
    layer = Embedding(4, 2)
    assert_close(layer(torch.tensor([[1.9, 3.2]])), layer(torch.tensor([[1, 3]])))


def test_float_indices_are_not_rounded_to_16_bits() -> None:
    layer = Embedding(5000, 1, dtype="mixed_float16")
    assert_close(layer(torch.tensor([[4097.0]])), layer(torch.tensor([[4097]])))


def test_weights_are_start_values() -> None:
    table = np.arange(6.0, dtype="float32").reshape(3, 2)
    for weights in (table, [table]):
        layer = Embedding(3, 2, weights=weights)
        assert layer.built
        assert layer(torch.tensor([2])).tolist() == [[4.0, 5.0]]
        assert "weights" not in layer.get_config()


def test_weights_of_another_shape_are_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match=r"\(3, 2\).*Received: shape=\(2, 2\)"):
        Embedding(3, 2, weights=np.zeros((2, 2)))


def test_index_zero_can_be_masked() -> None:
    layer = Embedding(4, 2, mask_zero=True)
    indices = torch.tensor([[1, 0, 3], [0, 0, 2]])
    assert layer.compute_mask(indices).tolist() == [[True, False, True], [False, False, True]]
    assert layer(indices)._keras_mask.tolist() == layer.compute_mask(indices).tolist()
    assert Embedding(4, 2).compute_mask(indices) is None


def test_a_placeholder_carries_the_mask_too() -> None:
    embedded = Embedding(4, 2, mask_zero=True)(KerasTensor((None, 3), "int64"))
    assert embedded._keras_mask.shape == (None, 3)
    assert embedded._keras_mask.dtype == "bool"
    assert Dense(2)(embedded)._keras_mask is not None


@pytest.mark.parametrize("indices", [[[1, 9]], [[-2, 1]]])
def test_an_index_out_of_range_names_layer_table_and_index(indices: list[list[int]]) -> None:
    layer = Embedding(4, 2, name="words")
    low, high = min(indices[0]), max(indices[0])
    message = rf"'words'.*indices 0 to 3 \(input_dim=4\)\. Received: indices from {low} to {high}"
    with pytest.raises(InvalidInputError, match=message):
        layer(torch.tensor(indices))


@pytest.mark.parametrize("argument", ["input_dim", "output_dim"])
@pytest.mark.parametrize("value", [0, -1, 1.5, None])
def test_embedding_names_bad_sizes(argument: str, value: object) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"`{argument}` must be a positive integer"):
        Embedding(**{"input_dim": 3, "output_dim": 2, argument: value})


@pytest.mark.parametrize("argument", ["lora_rank", "lora_alpha", "quantization_config"])
def test_embedding_refuses_what_is_not_supported_by_name(argument: str) -> None:
    with pytest.raises(UnsupportedArgumentError, match=f"does not support `{argument}` yet"):
        Embedding(3, 2, **{argument: 4})


def test_the_old_input_length_is_dropped_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="input_length"):
        layer = Embedding(10, 4, input_length=5)
    assert layer(torch.zeros(2, 5, dtype=torch.int64)).shape == (2, 5, 4)
