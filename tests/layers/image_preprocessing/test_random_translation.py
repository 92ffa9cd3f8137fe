"""RandomTranslation: what moves where against Keras, how far by its definition."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras import Input, config
from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.layers import RandomTranslation
from labkeras.models import Sequential
from tests.helpers.check_layer import check_layer

IMAGES = np.random.default_rng(0).normal(size=(4, 6, 5, 2)).astype("float32")
DISTANCES = torch.tensor([[1.0, -2.0], [0.3, 0.0], [-7.6, 2.25], [13.0, -20.5]])
DRAWN: dict[str, Any] = {"translations": DISTANCES, "input_shape": IMAGES.shape}


@pytest.mark.parametrize("fill_mode", ["reflect", "wrap", "constant", "nearest"])
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_images_are_moved_as_in_keras(fill_mode: str, interpolation: str, data_format: str) -> None:
    options: dict[str, Any] = {"interpolation": interpolation, "data_format": data_format, "fill_value": -3.0}
    images = torch.tensor(IMAGES if data_format == "channels_last" else np.moveaxis(IMAGES, -1, 1).copy())
    ours, theirs = (kind(0.2, 0.2, fill_mode, **options) for kind in (RandomTranslation, _keras()))
    drawn = {**DRAWN, "input_shape": tuple(images.shape)}
    expected = theirs.transform_images(images, drawn)
    assert_close(ours.transform_images(images, drawn), expected, rtol=1e-4, atol=1e-5)


def _keras() -> Any:
    return keras.layers.RandomTranslation


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_it_keeps_the_layer_contract(interpolation: str) -> None:
    check_layer(
        RandomTranslation,
        {"height_factor": 0.2, "width_factor": (-0.1, 0.3), "fill_mode": "constant", "interpolation": interpolation},
        input_shape=(2, 6, 5, 3),
        output_shape=(2, 6, 5, 3),
        seed_generators=1,
        is_random=True,
        # Alone and without a flag it moves images, as Keras's does: eval() is no flag.
        without=["modes", "export"],
    )


@pytest.mark.parametrize("seed", [None, 4])
def test_distances_are_even_over_their_range(seed: int | None) -> None:
    layer = RandomTranslation((-0.1, 0.3), 0.5, seed=seed)
    drawn = layer.get_random_transformation(torch.zeros(20_000, 10, 4, 1))["translations"]
    right, down = drawn.unbind(1)
    for values, low, high in ((right, -2, 2), (down, -1, 3)):
        assert (values.min(), values.max()) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.05)
        assert values.std() == pytest.approx((high - low) / 12**0.5, abs=0.05)
    assert abs(torch.corrcoef(drawn.T)[0, 1]) < 0.03


def test_each_image_moves_by_a_distance_of_its_own() -> None:
    images = torch.rand(1, 8, 8, 1).expand(2, -1, -1, -1)
    moved = RandomTranslation(0.3, 0.3)(images, training=True)
    assert not torch.equal(moved[0], moved[1])


def test_whole_pixels_move_as_they_are() -> None:
    images = torch.arange(12.0).reshape(1, 3, 4, 1)
    moved = RandomTranslation((1 / 3, 1 / 3), (-0.25, -0.25), fill_mode="constant", fill_value=9.0)(images)
    assert_close(moved[0, ..., 0], torch.tensor([[9.0, 9, 9, 9], [1, 2, 3, 9], [5, 6, 7, 9]]))


def test_inference_leaves_images_alone_and_a_call_by_itself_is_training() -> None:
    layer, images = RandomTranslation(0.3, 0.3), torch.rand(2, 6, 6, 1)
    assert torch.equal(layer(images, training=False), images)
    assert not torch.equal(layer(images), images)
    assert torch.equal(RandomTranslation(0, 0.0)(images, training=True), images)


def test_a_model_moves_images_in_training_alone() -> None:
    model, images = Sequential([Input((6, 6, 1)), RandomTranslation(0.3, 0.3)]), torch.rand(2, 6, 6, 1)
    assert torch.equal(model(images), images)
    assert torch.equal(model.eval()(images), images)
    assert not torch.equal(model(images, training=True), images)
    assert not torch.equal(model.train()(images), images)
    exported = torch.export.export(model.eval(), (images,)).module()
    assert torch.equal(exported(images), images)


def test_one_image_and_bytes_are_taken_as_in_keras() -> None:
    layer = RandomTranslation(0.3, 0.3)
    assert layer(torch.rand(6, 6, 1), training=True).shape == (6, 6, 1)
    pixels = torch.arange(36, dtype=torch.uint8).reshape(1, 6, 6, 1)
    for training in (True, False):
        outputs = layer(pixels, training=training)
        assert outputs.dtype == _keras()(0.3, 0.3)(pixels, training=training).dtype == torch.float32
    assert torch.equal(layer(pixels, training=False), pixels.float())


def test_a_seed_gives_the_same_distances_again() -> None:
    images = torch.rand(2, 6, 6, 1)
    first, second = (RandomTranslation(0.3, 0.3, seed=5) for _ in range(2))
    assert torch.equal(first(images), second(images))
    assert not torch.equal(first(images), first(images))


def test_the_image_data_format_counts() -> None:
    config.set_image_data_format("channels_first")
    layer = RandomTranslation((0.5, 0.5), 0.0, fill_mode="constant")
    assert layer.get_config()["data_format"] == "channels_first"
    assert_close(layer(torch.ones(1, 3, 2, 4))[0, :, 0], torch.zeros(3, 4))


@pytest.mark.parametrize("factor", [0.2, (0.1, 0.3), [-0.1, 0.2], -0.2, (0.3, 0.1), 1])
def test_factors_are_read_as_in_keras(factor: Any) -> None:
    ours, theirs = (kind(factor, 0.1) for kind in (RandomTranslation, _keras()))
    assert (ours.height_lower, ours.height_upper) == (theirs.height_lower, theirs.height_upper)
    assert ours.get_config()["height_factor"] == theirs.get_config()["height_factor"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"height_factor": 2},
        {"height_factor": (-2, 0.1)},
        {"height_factor": (0.1, 0.2, 0.3)},
        {"height_factor": "0.1"},
        {"width_factor": None},
        {"fill_mode": "mirror"},
        {"interpolation": "bicubic"},
        {"data_format": "channels"},
    ],
)
def test_bad_arguments_are_refused(wrong: dict[str, Any]) -> None:
    name = next(iter(wrong))
    with pytest.raises(InvalidArgumentError, match=rf"`{name}` must be .* Received: {name}="):
        RandomTranslation(**{"height_factor": 0.1, "width_factor": 0.1, **wrong})


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"takes images alone.*Received: \(2, 3\)"):
        RandomTranslation(0.1, 0.1)(torch.zeros(2, 3))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [None, 3])
def test_it_compiles_in_one_piece(seed: int | None) -> None:
    layer = RandomTranslation(0.3, 0.3, fill_mode="constant", seed=seed)
    images = torch.ones(2, 6, 6, 1)
    layer(images)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert compiled(images, training=True).shape == images.shape
