"""Conv2D, against Keras."""

import copy
import pickle
from typing import Any

import keras
import pytest
import torch
from torch.testing import assert_close

from labkeras import config
from labkeras.errors import InvalidArgumentError, InvalidInputError, UnsupportedArgumentError
from labkeras.graph.symbolic import KerasTensor
from labkeras.layers import Conv2D, Convolution2D
from tests.helpers.check_layer import check_layer


def test_conv2d_keeps_the_layer_contract() -> None:
    check_layer(
        Conv2D,
        {"filters": 6, "kernel_size": 3},
        input_shape=(2, 7, 6, 4),
        output_shape=(2, 5, 4, 6),
        trainable_weights=2,
    )


@pytest.mark.parametrize(
    "kwargs",
    [
        {"kernel_size": (2, 3), "padding": "same", "activation": "relu", "kernel_regularizer": "l2"},
        {"kernel_size": (4, 3), "padding": "SAME", "strides": (2, 3), "bias_constraint": "non_neg"},
        {"kernel_size": [3, 2], "padding": "same", "dilation_rate": 2, "use_bias": False},
        {"kernel_size": 2, "strides": 2, "groups": 2, "kernel_initializer": "he_uniform"},
        {"kernel_size": 3, "dilation_rate": (2, 1), "bias_initializer": "ones", "activity_regularizer": "l1"},
    ],
)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_conv2d_keeps_the_contract_with_its_arguments(kwargs: dict[str, Any], data_format: str) -> None:
    shape = (2, 7, 6, 4) if data_format == "channels_last" else (2, 4, 7, 6)
    kwargs = {"filters": 4, "data_format": data_format, **kwargs}
    weights = 1 if kwargs.get("use_bias") is False else 2
    check_layer(Conv2D, kwargs, input_shape=shape, trainable_weights=weights)


@pytest.mark.parametrize("size", [4, 5, 6, 7])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(1, 3, 1), (2, 1, 1), (3, 2, 1), (4, 3, 1), (5, 4, 1), (2, 1, 3)]
)
def test_same_padding_is_kerass_for_every_size(size: int, kernel: int, stride: int, dilation: int) -> None:
    kwargs = {"strides": stride, "dilation_rate": dilation, "padding": "same", "name": "checked"}
    ours, theirs = Conv2D(2, kernel, **kwargs), keras.layers.Conv2D(2, kernel, **kwargs)
    inputs = torch.randn(1, size, size, 1)
    expected = theirs(inputs)
    ours.build(inputs.shape)
    ours.set_weights(theirs.get_weights())
    assert_close(ours(inputs), expected)
    assert ours.compute_output_shape((None, size, None, 1)) == (None, expected.shape[1], None, 2)


def test_images_of_integers_are_computed_in_the_compute_type() -> None:
    layer = Conv2D(2, 2)
    pixels = torch.randint(0, 256, (1, 4, 4, 3), dtype=torch.uint8)
    assert_close(layer(pixels), layer(pixels.float()))


def test_no_copy_is_made_of_images_with_channels_last() -> None:
    images = torch.randn(2, 5, 5, 3)
    seen = []
    layer = Conv2D(2, 3)
    layer.activation = lambda outputs: seen.append(outputs) or outputs
    layer(images)
    # What torch calls channels_last memory is, in Keras's order of axes, contiguous.
    assert seen[0].is_contiguous()


@pytest.mark.parametrize(
    ("data_format", "memory"),
    [("channels_last", torch.channels_last), ("channels_first", torch.contiguous_format)],
)
def test_the_kernel_lies_in_memory_as_torch_wants_it(data_format: str, memory: torch.memory_format) -> None:
    layer = Conv2D(5, 3, data_format=data_format)
    inputs = torch.randn(2, 6, 6, 6)
    layer(inputs).sum().backward()
    loaded = Conv2D(5, 3, data_format=data_format)
    loaded.build(inputs.shape)
    loaded.load_state_dict(layer.state_dict())
    for one in (layer, loaded, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer).double()):
        assert one.kernel.shape == (3, 3, 6, 5)
        assert one.kernel.permute(3, 2, 0, 1).is_contiguous(memory_format=memory)
    # The gradient lies alike, so that optimizers need not copy it either.
    assert layer.kernel.grad.stride() == layer.kernel.stride()


def test_the_data_format_is_the_global_one_unless_given() -> None:
    config.set_image_data_format("channels_first")
    layer = Conv2D(2, 3)
    assert layer.data_format == "channels_first"
    assert layer(torch.ones(1, 4, 5, 5)).shape == (1, 2, 3, 3)


def test_convolution2d_is_the_same_class() -> None:
    assert Convolution2D is Conv2D


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"filters": 0}, r"`filters` must be a positive integer\. Received: filters=0"),
        ({"filters": 2.5}, r"Received: filters=2\.5"),
        ({"kernel_size": 0}, r"`kernel_size` must be a positive integer or a tuple of 2.*Received: kernel_size=0"),
        ({"kernel_size": (3, 3, 3)}, r"Received: kernel_size=\(3, 3, 3\)"),
        ({"kernel_size": "33"}, r"Received: kernel_size='33'"),
        ({"strides": (1, 0)}, r"`strides` must be.*Received: strides=\(1, 0\)"),
        ({"dilation_rate": -1}, r"`dilation_rate` must be"),
        ({"strides": 2, "dilation_rate": 2}, r"strides=\(2, 2\), dilation_rate=\(2, 2\)"),
        ({"groups": 0}, r"`groups` must be a positive integer"),
        ({"filters": 3, "groups": 2}, r"filters=3, groups=2"),
        ({"padding": "full"}, r"`padding` must be 'valid' or 'same'\. Received: padding='full'"),
        ({"padding": (1, 1)}, r"Received: padding=\(1, 1\)"),
        ({"data_format": "NHWC"}, r"Received: data_format='NHWC'"),
    ],
)
def test_conv2d_names_bad_arguments(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        Conv2D(**{"filters": 4, "kernel_size": 3, **kwargs})


@pytest.mark.parametrize("argument", ["lora_rank", "lora_alpha"])
def test_conv2d_refuses_what_is_not_supported_by_name(argument: str) -> None:
    with pytest.raises(UnsupportedArgumentError, match=f"does not support `{argument}` yet"):
        Conv2D(3, 3, **{argument: 4})


@pytest.mark.parametrize(
    ("kwargs", "shape", "message"),
    [
        ({}, (2, 8, 8), "expected ndim=4, found ndim=3"),
        ({}, (2, 2, 8, 3), r"'eye' is smaller than its window, which spans \(3, 3\).*spatial sizes \(2, 8\)"),
        ({"groups": 2}, (2, 8, 8, 3), r"'eye' splits its input's channels into groups=2.*Received: 3 channels"),
    ],
)
def test_conv2d_names_itself_and_the_inputs_that_do_not_fit(
    kwargs: dict[str, Any], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Conv2D(4, 3, name="eye", **kwargs)(torch.ones(shape))
    with pytest.raises(InvalidInputError, match=message):
        Conv2D(4, 3, name="eye", **kwargs)(KerasTensor(shape))


def test_conv2d_must_know_the_number_of_channels() -> None:
    with pytest.raises(InvalidInputError, match=r"'eye' needs to know the number of channels"):
        Conv2D(4, 3, name="eye")(KerasTensor((None, 8, 8, None)))
