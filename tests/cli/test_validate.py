"""`labkeras validate`: says whether a run or a sweep is right, and runs nothing."""

import json
from pathlib import Path

import pytest

from labkeras.cli.main import main
from tests.helpers.processes import run_labkeras, run_python


def test_a_right_run_is_valid_and_its_size_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "experiment=digits_mlp"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "valid: 1 run"
    # 64·128 + 128, 128·64 + 64, 64·10 + 10 weights; 1,437 samples without the tenth that validates.
    assert lines[1] == "17,226 parameters; 1,293 samples to train on, 41 batches an epoch"
    assert "MB of memory: weights 0.1 MB" in lines[2]


def test_json_has_the_whole_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "experiment=digits_mlp", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["valid"] is True
    forecast = found["forecast"]
    assert [layer["name"] for layer in forecast["layers"]] == ["scale", "flat", "h1", "drop", "h2", "out"]
    assert forecast["layers"][2]["parameters"] == 64 * 128 + 128
    assert forecast["layers"][2]["output"] == {"shape": [None, 128], "dtype": "float32"}
    assert forecast["memory_bytes"]["weights"] == 4 * 17226
    assert forecast["memory_bytes"]["optimizer"] == 2 * 4 * 17226  # Adam keeps two numbers for each


def test_all_faults_are_told_and_the_exit_code_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "fit.epochs=0", "optimizer=admm", "model.layers.out.units=9"]) == 2
    said = capsys.readouterr().err
    assert "3 faults in the configuration" in said
    assert "Did you mean 'adam'" in said
    assert "scores for 9" in said


def test_faults_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "fit.epochs=0", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "valid": False,
        "faults": ["fit.epochs=0: expected an integer of at least 1 [on the command line]"],
    }


def test_all_points_of_a_sweep_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "-m", "experiment=digits_mlp", "seed=1,2,3", "optimizer=adam,sgd"]) == 0
    assert capsys.readouterr().out.startswith("valid: 6 trials of 6 points, by grid\n")
    assert main(["validate", "-m", "experiment=digits_mlp", "model.layers.out.units=9,10"]) == 2
    assert "(in 1 of 2 trials: " in capsys.readouterr().err


def test_a_sweep_over_intervals_is_checked_at_their_ends(capsys: pytest.CaptureFixture[str]) -> None:
    overrides = ["experiment=digits_mlp", "model.layers.drop.rate=interval(0, 2)"]
    assert main(["validate", "-m", *overrides]) == 2
    assert "model.layers.drop.rate=" in capsys.readouterr().err
    assert main(["validate", "-m", overrides[0], "model.layers.drop.rate=interval(0, 0.5)", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sampler"] == "tpe"


def test_nothing_is_written(tmp_path: Path) -> None:
    outcome = run_labkeras(tmp_path, "validate", "experiment=digits_mlp")
    assert outcome.returncode == 0, outcome.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_fault_that_needs_no_torch_is_told_without_it(tmp_path: Path) -> None:
    program = """
import sys
from labkeras.cli.main import main
code = main(["validate", "fit.epochs=0", "optimizer.lr=1", "model.layers.h1.units=abc"])
sys.exit("imported torch" if "torch" in sys.modules else code)
"""
    outcome = run_python(tmp_path, "-c", program)
    assert outcome.returncode == 2, outcome.stderr
