"""What a run leaves in TensorBoard beside its curves."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from labkeras.callbacks import TensorBoard
from labkeras.experiment import compose, run
from labkeras.experiment.boards import pictures
from labkeras.experiment.boards.picture_options import PictureOptions
from labkeras.experiment.boards.pictures import show
from labkeras.experiment.runs.data import RunData
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.layers import Dense, Embedding, Flatten, GlobalAveragePooling1D
from labkeras.models import Sequential

ROWS = 40


@pytest.fixture
def folder(tmp_path: Path) -> RunDirectory:
    """That of a run with three epochs."""
    folder = RunDirectory(tmp_path)
    folder.write_config({"model": {"kind": "sequential"}}, ["experiment=digits_mlp", "fit.epochs=3"])
    for epoch in range(3):
        folder.append_metrics({"epoch": epoch})
    return folder


def classifier(loss: str = "sparse_categorical_crossentropy", units: int = 3, activation: Any = "softmax") -> Any:
    model = Sequential([Flatten(input_shape=(8, 8)), Dense(4, name="features"), Dense(units, activation=activation)])
    model.compile(loss=loss)
    return model


def images(classes: int = 3) -> RunData:
    generator = np.random.default_rng(0)
    x, y = generator.random((ROWS, 8, 8), np.float32), generator.integers(0, classes, ROWS)
    return RunData(x, y, (x, y))


def shown(
    folder: RunDirectory, model: Any, data: RunData, split: float | None = None, **options: Any
) -> dict[str, Any]:
    """Part → tags of what was written at the last epoch."""
    board = TensorBoard(folder.path / "tb")
    show(board, folder, model, data, PictureOptions(**options), split)
    board.close()
    found = {}
    for part in ("train", "validation", "test"):
        events = EventAccumulator(str(folder.path / "tb" / part))
        if (folder.path / "tb" / part).is_dir():
            events.Reload()
            tags = events.Tags()["tensors"]
            assert all(event.step == 2 for tag in tags for event in events.Tensors(tag))
            found[part] = sorted(tags)
    return found


def test_a_classifier_of_images_has_all_of_it(folder: RunDirectory) -> None:
    found = shown(folder, classifier(), images())
    assert found["train"] == ["command", "config", "summary"]
    assert found["test"] == ["class/0", "class/1", "class/2", "confusion_matrix", "misclassified"]
    table = np.loadtxt(folder.path / "tb/test/embeddings/samples-00002.tsv")
    assert table.shape == (ROWS, 4)
    assert len((folder.path / "tb/test/embeddings/samples-00002-labels.tsv").read_text().splitlines()) == ROWS


def test_what_is_switched_off_is_left_out(folder: RunDirectory) -> None:
    off = {"text": False, "images": False, "curves": False, "embeddings": 0}
    assert shown(folder, classifier(), images(), **off) == {}
    assert list(shown(folder, classifier(), images(), **(off | {"curves": True}))) == ["test"]


def test_two_classes_have_one_curve_and_a_regression_a_picture(folder: RunDirectory) -> None:
    found = shown(folder, classifier("binary_crossentropy", 1, "sigmoid"), images(2))
    assert found["test"] == ["class/1", "confusion_matrix", "misclassified"]
    data = images()
    data = RunData(data.x, data.y, (data.x, np.random.default_rng(0).normal(size=ROWS)))
    assert "predicted_against_true" in shown(folder, classifier("mean_squared_error", 1, None), data)["test"]


def test_without_test_data_it_is_what_was_left_out_of_training(folder: RunDirectory) -> None:
    data = images()
    found = shown(folder, classifier(), RunData(data.x, data.y), split=0.25)
    assert "confusion_matrix" in found["validation"]
    lines = (folder.path / "tb/validation/embeddings/samples-00002-labels.tsv").read_text().splitlines()
    assert len(lines) == ROWS / 4


def test_an_embedding_layer_shows_its_vectors(folder: RunDirectory) -> None:
    model = Sequential([Embedding(7, 3, name="words"), GlobalAveragePooling1D(), Dense(2)])
    words = np.random.default_rng(0).integers(0, 7, (ROWS, 5))
    model.compile(loss="mean_squared_error")
    model.predict(words, verbose=0)
    shown(folder, model, RunData(words, None))
    found = np.loadtxt(folder.path / "tb/train/embeddings/words-00002.tsv")
    np.testing.assert_allclose(found, model.layers[0].embeddings.detach().numpy(), rtol=1e-5)


def test_what_cannot_be_drawn_is_a_warning_and_the_rest_is_drawn(
    folder: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr(pictures, "confusion_matrix", fails)
    with pytest.warns(UserWarning, match="the pictures of what the model says cannot be shown: ValueError: no ink"):
        found = shown(folder, classifier(), images())
    assert "class/0" in found["test"]


def test_other_processes_write_nothing(folder: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    show(TensorBoard(folder.path / "tb"), folder, classifier(), images(), PictureOptions(), None)
    assert not (folder.path / "tb").exists()


def test_the_command_of_a_trial_is_its_own(folder: RunDirectory) -> None:
    shown(folder, classifier(), images())
    events = EventAccumulator(str(folder.path / "tb/train"))
    events.Reload()
    [text] = events.Tensors("command")[0].tensor_proto.string_val
    assert text.decode() == "```sh\nlabkeras train experiment=digits_mlp fit.epochs=3\n```"


def test_a_run_draws_unless_it_is_told_not_to(tmp_path: Path) -> None:
    lines = ["experiment=digits_mlp", "fit.epochs=1", "fit.verbose=0", "trainer=cpu", "callbacks=none"]
    run(compose(lines), lines, tmp_path / "with")
    without = [*lines, "pictures=null"]
    run(compose(without), without, tmp_path / "without")
    assert (tmp_path / "with/tb/test").is_dir()
    assert not (tmp_path / "without/tb/test").exists()
