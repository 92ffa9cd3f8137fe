"""The debug presets: does it run, can it learn, what does it take."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from labkeras.cli.main import main
from labkeras.experiment.runs.data import RunData
from labkeras.experiment.runs.debugging import overfit_verdict
from labkeras.experiment.runs.directory import find_run

MODEL = ["experiment=digits_mlp", "trainer=cpu", "fit.verbose=0"]


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_plan_shows_layers_and_memory_and_leaves_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main([*MODEL, "debug=plan", "model.layers.h1.units=7"]) == 0
    text = capsys.readouterr().out
    assert "(None, 7)" in text
    assert "parameters" in text
    assert "of memory" in text
    assert list(tmp_path.iterdir()) == []


def test_fast_trains_a_few_batches_into_a_folder_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MODEL, "debug=fast"]) == 0
    assert "test accuracy" in capsys.readouterr().out
    made = find_run("latest")
    assert made.path.parent.name == "debug"
    assert len(made.metrics()) == 1
    assert not (made.path / "tb").exists()
    assert not list(made.checkpoints.glob("best*"))


def test_overfit_learns_32_samples_by_heart(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MODEL, "debug=overfit", "model.layers.drop.rate=0"]) == 0
    assert "the model can learn" in capsys.readouterr().out
    rows = find_run("latest").metrics()
    assert rows[-1]["accuracy"] == 1.0
    assert "val_loss" not in rows[-1]


def test_overfit_says_what_to_look_at_if_a_model_cannot_learn(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MODEL, "debug=overfit", "fit.epochs=2", "optimizer.learning_rate=1e-9"]) == 1
    text = capsys.readouterr().out
    assert "a sound model learns so few by heart" in text
    assert "learning rate" in text


def test_samples_to_learn_by_heart_are_from_all_over_the_data() -> None:
    some = RunData(np.arange(100), np.arange(100) // 50).some(4)
    assert some.x.tolist() == [0, 33, 66, 99]
    assert some.y.tolist() == [0, 0, 1, 1]
    assert RunData(np.arange(3)).some(32).x.tolist() == [0, 1, 2]


def test_verdict_on_a_run_that_logged_nothing() -> None:
    assert not overfit_verdict([])[0]


def test_profile_has_a_row_for_each_layer_and_a_trace(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MODEL, "debug=profile"]) == 0
    folder = find_run("latest").path / "profile"
    with (folder / "layers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"scale", "flat", "h1", "drop", "h2", "out"} <= {row["layer"] for row in rows}
    assert all(float(row["milliseconds"]) > 0 for row in rows)
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1, abs=0.01)
    names = {event.get("name") for event in json.loads((folder / "trace.json").read_text())["traceEvents"]}
    assert {"step", "layer h1"} <= names
    assert "ms a step" in capsys.readouterr().out
