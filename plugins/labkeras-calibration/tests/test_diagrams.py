"""Diagrams: what the pictures show, where they go, and what a config must have for them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from labkeras import Input, layers
from labkeras.callbacks import TensorBoard
from labkeras.errors import InvalidArgumentError
from labkeras.models import Sequential
from labkeras.testing import check_callback, run_ranks
from labkeras_calibration import labkeras_validate
from labkeras_calibration.bins import Bins
from labkeras_calibration.drawing import reliability_image
from labkeras_calibration.expected_calibration_error import ExpectedCalibrationError
from labkeras_calibration.reliability_diagram import ReliabilityDiagram

DATA = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
LABELS = np.random.default_rng(1).integers(0, 3, size=40)


def network(**compiling: Any) -> Sequential:
    model = Sequential([Input((4,)), layers.Dense(3, activation="softmax")])
    model.compile(loss="sparse_categorical_crossentropy", **compiling)
    return model


def test_each_validation_is_drawn_for_tensorboard_and_into_a_folder(tmp_path: Path) -> None:
    model = network(metrics=["accuracy", "expected_calibration_error"])
    callback = ReliabilityDiagram(every=2, folder=tmp_path / "pictures")
    board = TensorBoard(tmp_path / "logs")
    model.fit(DATA, LABELS, epochs=4, verbose=0, validation_split=0.25, callbacks=[board, callback])
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["epoch_0002.png", "epoch_0004.png"]
    events = EventAccumulator(str(tmp_path / "logs" / "validation"), size_guidance={"tensors": 0}).Reload()
    found = events.Tensors("reliability/expected_calibration_error")
    assert [event.step for event in found] == [1, 3]
    width, height, png = found[-1].tensor_proto.string_val[:3]
    assert (int(width), int(height)) == (480, 600)
    assert png.startswith(b"\x89PNG")


def test_it_draws_what_validation_has_counted_and_not_the_training_samples(tmp_path: Path, monkeypatch: Any) -> None:
    drawn: list[Bins] = []

    def note(bins: Bins, title: str, is_binary: bool = False) -> Any:
        drawn.append(bins)
        return reliability_image(bins, title, is_binary)

    monkeypatch.setattr("labkeras_calibration.reliability_diagram.reliability_image", note)
    model = network(metrics=[ExpectedCalibrationError(bins=5)])
    model.fit(DATA, LABELS, verbose=0, validation_split=0.25, callbacks=[ReliabilityDiagram(folder=tmp_path)])
    metric = ExpectedCalibrationError(bins=5)
    metric.update_state(LABELS[30:], model.predict(DATA[30:], verbose=0))
    for found, wanted in zip(drawn[0], metric.binned(), strict=True):
        torch.testing.assert_close(found, wanted)


def test_in_several_processes_one_picture_shows_all_samples(tmp_path: Path) -> None:
    def run() -> list[float]:
        model = network(metrics=["expected_calibration_error"])
        callback = ReliabilityDiagram()
        shown: list[float] = []
        callback._show = lambda bins, metric: shown.append(float(bins.weight.sum()))  # type: ignore[method-assign]
        model.fit(DATA, LABELS, verbose=0, validation_data=(DATA, LABELS), callbacks=[callback])
        return shown

    assert run_ranks(run) == [[40.0]] * 2


def test_a_bar_is_as_high_as_the_accuracy_and_the_gap_goes_to_the_confidence() -> None:
    bins = Bins(torch.tensor([0.0, 4.0]), torch.tensor([0.0, 3.6]), torch.tensor([0.0, 2.0]))  # said 0.9, right 0.5
    image = reliability_image(bins, "title").astype(int)
    column = image[56:456, 58 + 300]
    blue = (column[:, 2] - column[:, 0]) > 40
    red = (column[:, 0] - column[:, 2]) > 40
    assert blue.sum() == pytest.approx(200, abs=4)
    assert red.sum() == pytest.approx(160, abs=8)  # less the dashes of the diagonal
    assert np.flatnonzero(red).max() < np.flatnonzero(blue).min() + 2
    left = image[56:456, 58 + 110]  # of the empty bin
    assert not ((left[:, 2] - left[:, 0]) > 40).any()


def test_bins_of_equal_mass_lie_where_their_confidences_are() -> None:
    metric = ExpectedCalibrationError(bins=4, binning="equal_mass")
    confidence = torch.linspace(0.9, 0.99, 40)
    metric.update_state(torch.zeros(40), torch.stack([confidence, 1 - confidence], -1))
    image = reliability_image(metric.binned(), "title").astype(int)
    is_blue = (image[450] - image[450][:, :1])[:, 2] > 40
    assert 58 + 0.88 * 400 < np.flatnonzero(is_blue).min() < 58 + 0.91 * 400


def test_without_the_metric_it_says_what_is_missing() -> None:
    with pytest.raises(InvalidArgumentError, match=r"metrics=.'expected_calibration_error'.*accuracy"):
        network(metrics=["accuracy"]).fit(
            DATA, LABELS, verbose=0, validation_split=0.25, callbacks=[ReliabilityDiagram()]
        )


def test_a_config_without_the_metric_is_refused_before_it_runs() -> None:
    callbacks = {"picture": {"callback": "labkeras-calibration/reliability_diagram"}}
    for metrics in ("accuracy", ["accuracy"], {"metric": "accuracy"}, None, {"out": ["accuracy"]}):
        (fault,) = labkeras_validate({"callbacks": callbacks, "metrics": metrics})
        assert fault.startswith("callbacks.picture: ")
    name = "expected_calibration_error"
    for metrics in (name, ["accuracy", name], [{"metric": name, "bins": 5}], {"out": ["accuracy", name]}):
        assert labkeras_validate({"callbacks": callbacks, "metrics": metrics}) == []
    assert labkeras_validate({"callbacks": None, "metrics": None}) == []


def test_it_is_what_every_callback_is() -> None:
    check_callback(ReliabilityDiagram, {"every": 2}, metrics=["accuracy", "expected_calibration_error"])


@pytest.mark.parametrize("every", [0, 1.5, "2"])
def test_it_names_the_bad_number(every: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"positive integer\. Received: every={every!r}"):
        ReliabilityDiagram(every=every)


def test_a_picture_can_be_opened(tmp_path: Path) -> None:
    metric = ExpectedCalibrationError()
    metric.update_state([0, 1], [0.2, 0.9])
    Image.fromarray(reliability_image(metric.binned(), "yes or no", metric.is_binary)).save(tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.size == (480, 600)
