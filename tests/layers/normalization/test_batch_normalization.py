"""BatchNormalization, against Keras."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.layers import BatchNormalization
from tests.helpers.check_layer import check_layer


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((6, 4), -1), ((6, 3, 4), -1), ((6, 3, 4), 1), ((4, 3, 5, 4), -1), ((4, 3, 5, 4), 1), ((4, 3, 5, 4), 2)],
)
def test_batch_normalization_keeps_the_layer_contract(shape: tuple[int, ...], axis: int) -> None:
    check_layer(
        BatchNormalization,
        {"axis": axis},
        input_shape=shape,
        output_shape=shape,
        trainable_weights=2,
        non_trainable_weights=2,
        supports_masking=True,
        # Processes have statistics of their own unless synchronized. Keras counts a mask's last axis as the channels',
        # whatever `axis` says.
        without=["processes"] if axis == -1 else ["processes", "masks as Keras's"],
    )


@pytest.mark.parametrize("shape", [(3, 2, 4, 5, 4), (3, 2, 2, 2, 2, 4)])
def test_videos_and_beyond_are_normalized(shape: tuple[int, ...]) -> None:
    inputs = torch.randn(shape)
    expected = keras.layers.BatchNormalization()(inputs, training=True)
    assert_close(BatchNormalization()(inputs, training=True), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("kwargs", "trainable", "non_trainable"),
    [
        ({"scale": False, "momentum": 0.5, "epsilon": 1e-5}, 1, 2),
        ({"center": False, "gamma_regularizer": "l2", "gamma_constraint": "non_neg"}, 1, 2),
        ({"scale": False, "center": False, "moving_variance_initializer": "zeros"}, 0, 2),
        ({"renorm": True}, 2, 5),
        ({"renorm": True, "renorm_clipping": {"rmax": 1.5, "rmin": 0.7, "dmax": 0.2}, "renorm_momentum": 0.8}, 2, 5),
        ({"renorm": True, "renorm_clipping": {"rmin": 0.9}, "scale": False}, 1, 5),
    ],
)
def test_batch_normalization_keeps_the_contract_with_its_arguments(
    kwargs: dict[str, Any], trainable: int, non_trainable: int
) -> None:
    check_layer(
        BatchNormalization,
        kwargs,
        input_shape=(5, 3, 4),
        trainable_weights=trainable,
        non_trainable_weights=non_trainable,
        supports_masking=True,
        without=["processes"],  # each has statistics of its own unless synchronized
    )


def test_the_moving_variance_is_that_of_the_biased_estimate_through_many_batches() -> None:
    ours, theirs = BatchNormalization(momentum=0.8), keras.layers.BatchNormalization(momentum=0.8)
    for seed in range(10):
        inputs = torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(seed))
        assert_close(ours(inputs, training=True), theirs(inputs, training=True), rtol=1e-4, atol=1e-5)
    assert_close(ours.moving_variance.detach(), theirs.moving_variance.value.detach())
    assert_close(ours.moving_mean.detach(), theirs.moving_mean.value.detach())
    # By the definition: the last batch's share is 0.2 times the biased variance.
    before = ours.moving_variance.clone()
    ours(inputs, training=True)
    assert_close(ours.moving_variance.detach(), 0.8 * before + 0.2 * inputs.var((0, 1), correction=0))


@pytest.mark.parametrize("shape", [(1, 4), (1, 1, 1, 4)])
def test_one_value_a_channel_has_variance_zero(shape: tuple[int, ...]) -> None:
    ours, theirs = BatchNormalization(), keras.layers.BatchNormalization()
    inputs = torch.randn(shape)
    assert_close(ours(inputs, training=True), theirs(inputs, training=True))
    assert_close(ours.moving_variance.detach(), theirs.moving_variance.value.detach())


@pytest.mark.parametrize("training", [True, False])
def test_masked_values_do_not_count(training: bool) -> None:
    ours, theirs = BatchNormalization(), keras.layers.BatchNormalization()
    inputs = torch.randn(3, 5, 4)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0]], dtype=torch.bool)
    for _ in range(2):
        found, expected = ours(inputs, mask=mask, training=training), theirs(inputs, mask=mask, training=training)
        assert_close(found, expected)
    assert_close(ours.moving_mean.detach(), theirs.moving_mean.value.detach())
    assert_close(ours.moving_variance.detach(), theirs.moving_variance.value.detach())


def test_a_mask_that_rides_on_the_input_counts_too() -> None:
    inputs, mask = torch.randn(2, 3, 4), torch.tensor([[True, False, False], [True, True, False]])
    expected = BatchNormalization()(inputs, mask=mask, training=True)
    inputs._keras_mask = mask
    assert_close(BatchNormalization()(inputs, training=True), expected)


def test_a_single_channel_can_be_masked() -> None:
    inputs, mask = torch.randn(2, 3, 1), torch.tensor([[True, False, False], [True, True, False]])
    layer = BatchNormalization(momentum=0.0)
    layer(inputs, mask=mask, training=True)
    assert_close(layer.moving_mean.detach(), inputs[mask].mean(0))


def test_the_layer_can_be_called_twice_before_the_backward_pass() -> None:
    layer, inputs = BatchNormalization(), torch.randn(4, 3, requires_grad=True)
    (layer(inputs, training=True).square().sum() + layer(inputs * 2, training=True).sum()).backward()
    assert inputs.grad is not None


def test_a_frozen_layer_uses_and_keeps_the_averages() -> None:
    layer = BatchNormalization()
    inputs = torch.randn(8, 4)
    layer(inputs, training=True)
    layer.trainable = False
    state = [weight.clone() for weight in layer.weights]
    assert_close(layer(inputs, training=True), layer(inputs, training=False))
    assert all(torch.equal(weight, old) for weight, old in zip(layer.weights, state, strict=True))


def test_the_averages_move_in_a_compiled_layer_too() -> None:
    for dynamic in (False, True):
        torch._dynamo.reset()
        layer, same = BatchNormalization(), BatchNormalization()
        layer.build((None, 4))
        same.build((None, 4))
        compiled = torch.compile(same, fullgraph=True, backend="aot_eager", dynamic=dynamic)
        for size in (5, 6):
            inputs = torch.randn(size, 4)
            assert_close(compiled(inputs, training=True), layer(inputs, training=True))
        assert_close(same.moving_variance.detach(), layer.moving_variance.detach())


def test_inference_is_one_affine_map() -> None:
    layer = BatchNormalization(epsilon=0.5)
    layer.build((None, 2))
    layer.set_weights([np.array(values, "float32") for values in ([2.0, 3.0], [1.0, 0.0], [5.0, 6.0], [1.5, 3.5])])
    # gamma * (x - mean) / sqrt(variance + epsilon) + beta
    assert_close(layer(torch.tensor([[6.0, 8.0]])), torch.tensor([[2 / 2**0.5 + 1, 3 * 2 / 2.0]]))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"axis": [1]}, r"`axis` must be an integer\. Received: axis=\[1\]"),
        ({"momentum": 1.5}, r"`momentum` must be a number in \[0, 1\]"),
        ({"renorm": True, "renorm_clipping": {"r": 1}}, r"takes the keys.*Received: renorm_clipping=\{'r': 1\}"),
        ({"renorm": True, "renorm_clipping": {"rmin": 2, "rmax": 1}}, "rmin ≤ rmax"),
        ({"renorm": True, "renorm_clipping": {"dmax": -1}}, "dmax ≥ 0"),
    ],
)
def test_batch_normalization_names_bad_arguments(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        BatchNormalization(**kwargs)


def test_synchronized_in_one_process_changes_nothing() -> None:
    x = torch.randn(6, 5)
    plain, synchronized = BatchNormalization(), BatchNormalization(synchronized=True)
    torch.testing.assert_close(synchronized(x, training=True), plain(x, training=True), rtol=0, atol=0)
    assert synchronized.get_config()["synchronized"] is True


def test_batch_normalization_names_itself_and_what_does_not_fit() -> None:
    with pytest.raises(InvalidInputError, match=r"'norm' normalizes axis=3.*Received: input shape \(2, 4\)"):
        BatchNormalization(axis=3, name="norm")(torch.ones(2, 4))
    with pytest.raises(InvalidInputError, match=r"mask of layer 'norm' must have one axis less"):
        BatchNormalization(name="norm")(torch.ones(2, 3, 4), mask=torch.ones(2))
