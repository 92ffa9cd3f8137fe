"""LayerNormalization, against Keras, and against its formula where Keras on torch fails."""

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from labkeras.errors import InvalidInputError, InvalidTypeError
from labkeras.layers import LayerNormalization
from tests.helpers.check_layer import check_layer


@pytest.mark.parametrize(
    ("kwargs", "weights"),
    [
        ({}, 2),
        ({"axis": [1, 2], "epsilon": 1e-5}, 2),
        ({"axis": (-2, -1), "center": False}, 1),
        ({"scale": False, "beta_initializer": "ones", "beta_regularizer": "l1", "beta_constraint": "unit_norm"}, 1),
        ({"scale": False, "center": False}, 0),
    ],
)
def test_layer_normalization_keeps_the_layer_contract(kwargs: dict[str, Any], weights: int) -> None:
    check_layer(
        LayerNormalization,
        kwargs,
        input_shape=(3, 5, 4),
        output_shape=(3, 5, 4),
        trainable_weights=weights,
        supports_masking=True,
        # With time among its axes it cannot leave time open.
        without=("shapes", "shapes as Keras's") if "axis" in kwargs else (),
    )


@pytest.mark.parametrize("axis", [1, [1], 2, [1, 3], [-3, -1], [1, 2], [3, 1], [1, 2, 3]])
def test_any_axes_are_normalized_by_the_formula(axis: int | list[int]) -> None:
    inputs = torch.randn(2, 3, 4, 5)
    layer = LayerNormalization(axis=axis)
    outputs = layer(inputs)
    axes = [one % 4 for one in ([axis] if isinstance(axis, int) else axis)]
    mean, variance = inputs.mean(axes, keepdim=True), inputs.var(axes, correction=0, keepdim=True)
    assert_close(outputs, (inputs - mean) / torch.sqrt(variance + 1e-3))
    with torch.no_grad():
        layer.gamma.copy_(torch.rand(layer.gamma.shape))
        layer.beta.copy_(torch.rand(layer.beta.shape))
    sizes = [size if place in axes else 1 for place, size in enumerate(inputs.shape)]
    assert_close(layer(inputs), outputs * layer.gamma.reshape(sizes) + layer.beta.reshape(sizes))


def test_the_shape_of_the_weights_is_that_of_the_axes() -> None:
    layer = LayerNormalization(axis=[1, 2])
    layer.build((None, 3, 4))
    assert layer.gamma.shape == layer.beta.shape == (3, 4)


def test_the_last_axis_is_normalized_whatever_comes_before() -> None:
    layer = LayerNormalization()
    inputs = torch.randn(6, 4)
    assert_close(layer(inputs).reshape(2, 3, 4), layer(inputs.reshape(2, 3, 4)))


def test_narrow_floats_are_normalized_in_float32() -> None:
    # In float16 the variance of these would overflow.
    inputs = torch.tensor([[30000.0, -30000.0]], dtype=torch.float16)
    for policy in ("float16", "mixed_float16"):
        assert LayerNormalization(dtype=policy)(inputs).tolist() == [[1.0, -1.0]]


def test_integers_are_normalized_as_floats() -> None:
    assert_close(LayerNormalization()(torch.tensor([[1, 3]])), LayerNormalization()(torch.tensor([[1.0, 3.0]])))


def test_rms_scaling_warns_and_does_what_keras_does() -> None:
    with pytest.warns(DeprecationWarning, match="not by the root mean square"):
        layer = LayerNormalization(rms_scaling=True)
    inputs = torch.tensor([[1.0, 3.0]])
    assert_close(layer(inputs), inputs / torch.sqrt(torch.tensor(1.0 + 1e-3)))
    assert [weight.name for weight in layer.weights] == ["gamma"]


@pytest.mark.parametrize("axis", ["last", 1.5, [], [1.5], True])
def test_layer_normalization_names_a_bad_axis(axis: object) -> None:
    with pytest.raises(InvalidTypeError, match=r"`axis` must be an integer or a list of them\. Received: axis="):
        LayerNormalization(axis=axis)  # type: ignore[arg-type]


@pytest.mark.parametrize("axis", [3, [0, 0], [1, -1]])
def test_axes_that_the_input_lacks_name_the_layer(axis: int | list[int]) -> None:
    with pytest.raises(InvalidInputError, match=r"'norm' normalizes axis=.*Received: input shape \(2, 4\)"):
        LayerNormalization(axis=axis, name="norm")(torch.ones(2, 4))


def test_another_number_of_features_names_the_layer() -> None:
    layer = LayerNormalization(name="norm")
    layer(torch.ones(2, 4))
    with pytest.raises(InvalidInputError, match=r"'norm'.*axis -1 of size 4, found size 5"):
        layer(torch.ones(2, 5))
