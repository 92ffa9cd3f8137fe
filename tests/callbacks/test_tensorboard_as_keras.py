"""TensorBoard writes what Keras's does: tags, steps and values of a training that both do."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.util.tensor_util import make_ndarray

import labkeras
from labkeras.callbacks import TensorBoard
from labkeras.callbacks.board_weights import weight_images
from tests.helpers.event_files import images, scalars, tags_of, tensors
from tests.helpers.keras_tensorboard import keras_writes

# With an `update_freq` that the four batches of an epoch are no multiple of, Keras leaves out what epochs end with.
ARGUMENTS = {"histogram_freq": 2, "write_images": True, "update_freq": 2}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6, 6, 1)).astype("float32")
Y = RNG.normal(size=(40, 4)).astype("float32")


def model_of(package: Any) -> Any:
    """Learns nothing, so that both packages have the same weights throughout."""
    inner = package.Sequential(
        [package.Input((8,)), package.layers.Dense(5, name="deep"), package.layers.BatchNormalization(name="norm")],
        name="inner",
    )
    inputs = package.Input((6, 6, 1))
    x = package.layers.Conv2D(3, 3, name="conv")(inputs)
    x = package.layers.Conv2D(2, 3, name="conv3")(x)
    x = inner(package.layers.Flatten(name="flat")(x))
    model = package.Model(inputs, package.layers.Dense(4, name="out")(x), name="net")
    model.compile(package.optimizers.SGD(0.0), "mse", metrics=["mae"])
    return model


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("logs")
    fit = {"x": X, "y": Y, "epochs": 3, "batch_size": 8, "validation_split": 0.25, "shuffle": False}
    theirs_model, ours_model = model_of(keras), model_of(labkeras)
    ours_model.set_weights(theirs_model.get_weights())
    theirs = keras_writes(theirs_model, folder / "keras", fit, **ARGUMENTS)
    ours_model.fit(**fit, verbose=0, callbacks=[TensorBoard(folder / "ours", **ARGUMENTS)])
    return folder / "ours", theirs


@pytest.mark.parametrize("part", ["train", "validation"])
def test_scalars_are_those_of_keras(both: tuple[Path, Any], part: str) -> None:
    folder, theirs = both
    expected = {tag: pairs for (kind, tag), pairs in theirs[part].items() if kind == "scalar"}
    written = scalars(folder / part)
    assert sorted(written) == sorted(expected)
    for tag, pairs in expected.items():
        assert [step for step, _ in written[tag]] == [step for step, _ in pairs]
        assert [value for _, value in written[tag]] == pytest.approx([value for _, value in pairs], rel=1e-5)


def test_histograms_are_those_of_keras(both: tuple[Path, Any]) -> None:
    folder, theirs = both
    expected = {tag: pairs for (kind, tag), pairs in theirs["train"].items() if kind == "histogram"}
    assert tags_of(folder / "train", "histograms") == sorted(expected)
    assert tags_of(folder / "validation", "histograms") == []
    for tag, pairs in expected.items():
        written = tensors(folder / "train", tag)
        assert [step for step, _ in written] == [step for step, _ in pairs] == [0, 2]
        for (_, ours), (_, values) in zip(written, pairs, strict=True):
            if "moving" not in tag:  # which follow sums of another order
                np.testing.assert_allclose(ours, make_ndarray(histogram_pb(tag, values).value[0].tensor), rtol=1e-6)


def test_images_have_the_tags_steps_and_shapes_of_keras(both: tuple[Path, Any]) -> None:
    folder, theirs = both
    expected = {tag: pairs for (kind, tag), pairs in theirs["train"].items() if kind == "image"}
    assert tags_of(folder / "train", "images") == sorted(expected)
    for tag, pairs in expected.items():
        written = images(folder / "train", tag)
        assert [step for step, _ in written] == [step for step, _ in pairs]
        for (_, ours), (_, theirs_images) in zip(written, pairs, strict=True):
            # TensorFlow writes the first three of a tensor of images.
            assert ours.shape == (min(3, len(theirs_images)), *theirs_images.shape[1:3])


@pytest.mark.parametrize(
    ("shape", "images_shape"),
    [
        ((5,), (1, 5, 1, 1)),
        ((2, 3), (1, 2, 3, 1)),
        ((3, 2), (1, 2, 3, 1)),
        ((3, 3, 1, 4), (4, 3, 3, 1)),
        ((3, 4, 5, 3), (3, 4, 5, 3)),
        ((3, 3, 2, 8), None),
        ((2, 2, 2, 2, 2), None),
        ((1, 1), None),
        ((0, 3), None),
    ],
)
def test_weights_are_images_by_the_rules_of_keras(shape: Any, images_shape: Any) -> None:
    found = weight_images(RNG.normal(size=shape))
    assert (None if found is None else found.shape) == images_shape
    if found is None or 0 in shape:
        return
    # What Keras shows has the same values in the same places, on another scale.
    notes: list[Any] = []
    callback = keras.callbacks.TensorBoard()
    callback._summary_module = type("Notes", (), {"image": lambda self, tag, image, step: notes.append(image)})()
    weight = RNG.normal(size=shape).astype("float32")
    callback._log_weight_as_image(keras.ops.convert_to_tensor(weight), "w", 0)
    drawn = weight_images(weight)
    assert drawn is not None
    np.testing.assert_allclose((drawn - 0.5) * 2 * np.abs(weight).max(), notes[0], rtol=1e-5, atol=1e-6)


def test_channels_first_takes_the_first_axis_for_that_of_images() -> None:
    weight = RNG.normal(size=(4, 3, 3))
    labkeras.config.set_image_data_format("channels_first")
    try:
        found = weight_images(weight)
    finally:
        labkeras.config.set_image_data_format("channels_last")
    assert found is not None
    assert found.shape == (4, 3, 3, 1)


def test_zero_is_gray() -> None:
    found = weight_images(np.array([[-2.0, 0.0], [1.0, 2.0]]))
    assert found is not None
    assert found[0, :, :, 0].tolist() == [[0.0, 0.5], [0.75, 1.0]]
    zeros = weight_images(np.zeros(3))
    assert zeros is not None
    assert zeros.reshape(-1).tolist() == [0.5] * 3
