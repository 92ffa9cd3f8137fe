"""Dense, against Keras."""

import keras
import pytest
import torch
from torch.testing import assert_close

from labkeras.errors import InvalidArgumentError, InvalidInputError, NotBuiltError, UnsupportedArgumentError
from labkeras.layers import Dense
from tests.helpers.check_layer import check_layer


@pytest.mark.parametrize("shape", [(2, 5), (2, 4, 5)])
def test_dense_keeps_the_layer_contract(shape: tuple[int, ...]) -> None:
    check_layer(
        Dense,
        {"units": 3},
        input_shape=shape,
        output_shape=(*shape[:-1], 3),
        trainable_weights=2,
        supports_masking=True,
    )


def test_dense_keeps_the_contract_with_all_its_arguments() -> None:
    kwargs = {
        "units": 4,
        "activation": "relu",
        "use_bias": False,
        "kernel_initializer": "he_normal",
        "kernel_regularizer": "l2",
        "kernel_constraint": "non_neg",
    }
    check_layer(Dense, kwargs, input_shape=(3, 2, 5), trainable_weights=1, supports_masking=True)


def test_dense_applies_to_the_last_axis() -> None:
    layer = Dense(3, use_bias=False)
    inputs = torch.randn(2, 7, 5)
    assert_close(layer(inputs), torch.einsum("btf,fu->btu", inputs, layer.kernel))


@pytest.mark.parametrize("shape", [(2, 256), (2, 7, 300)])
def test_a_head_with_few_columns_computes_the_same(shape: tuple[int, ...]) -> None:
    layer = Dense(3, bias_initializer="ones")
    inputs = torch.randn(shape, requires_grad=True)
    output = layer(inputs)
    assert_close(output, inputs @ layer.kernel + layer.bias)
    assert_close(
        torch.autograd.grad(output.square().sum(), [inputs, layer.kernel, layer.bias]),
        torch.autograd.grad((inputs @ layer.kernel + layer.bias).square().sum(), [inputs, layer.kernel, layer.bias]),
        rtol=1e-4,
        atol=1e-4,
    )


def test_dense_takes_integers() -> None:
    layer = Dense(3)
    inputs = torch.arange(10).reshape(2, 5)
    assert_close(layer(inputs), layer(inputs.float()))


def test_dense_starts_like_keras_says() -> None:
    layer = Dense(50)
    layer.build((None, 100))
    assert layer.bias.count_nonzero() == 0
    # Glorot uniform: ± sqrt(6 / (in + out)).
    assert 0.19 < layer.kernel.abs().max() <= 0.2


@pytest.mark.parametrize("units", [0, -3, 2.5, "3", True, None])
def test_dense_names_the_bad_units(units: object) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"positive integer\. Received: units={units!r}"):
        Dense(units)  # type: ignore[arg-type]


@pytest.mark.parametrize("argument", ["lora_rank", "lora_alpha", "quantization_config"])
def test_dense_refuses_what_is_not_supported_by_name(argument: str) -> None:
    with pytest.raises(UnsupportedArgumentError, match=f"does not support `{argument}` yet"):
        Dense(3, **{argument: 4})


def test_dense_names_itself_and_the_size_that_does_not_fit() -> None:
    layer = Dense(3, name="head")
    layer(torch.ones(2, 5))
    with pytest.raises(InvalidInputError, match=r"'head'.*axis -1 of size 5, found size 6"):
        layer(torch.ones(2, 6))
    with pytest.raises(InvalidInputError, match="min_ndim=2"):
        layer(torch.ones(5))


def test_an_unbuilt_dense_says_when_its_kernel_is_made() -> None:
    with pytest.raises(NotBuiltError, match=r"'head' \(Dense\) has no 'kernel', as yet"):
        _ = Dense(3, name="head").kernel
    assert not hasattr(Dense(3), "kernel")


def test_old_words_are_taken_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="units"):
        layer = Dense(output_dim=4, input_dim=3)
    assert layer.units == 4
    assert layer.get_config().keys() == keras.layers.Dense(4).get_config().keys()
