"""The script of the speed figures, and the table that it wrote."""

import csv
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import labkeras

SPEED = Path(__file__).parents[2] / "experiments" / "speed"
FIGURES = ["imports", "start", "forward", "fit", "callback", "keras", "predict", "build", "memory"]


@pytest.mark.slow
def test_the_script_measures_every_figure() -> None:
    words = [sys.executable, str(SPEED / "figures.py"), *FIGURES, "--rounds", "1", "--cases", "tiny"]
    # From the root, and with it on the path, so that it runs also where labkeras is not installed.
    root = SPEED.parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=500, cwd=root, env=environment)
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 18


@pytest.mark.parametrize("name", ["tiny", "mlp", "cnn", "resnet20", "lstm", "transformer"])
def test_both_sides_of_a_case_compute_as_much(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SPEED)
    case = importlib.import_module("cases").CASES[name]
    ours, hand = case.build(labkeras), case.by_hand()
    x = torch.as_tensor(case.data(2))
    assert ours(x).shape == hand(x).shape == (2, 10)
    trained = sum(weight.numel() for weight in hand.parameters())
    # torch's LSTM has two vectors of biases where Keras's has one.
    assert ours.count_params() - sum(w.numel() for w in ours.non_trainable_variables if w.is_floating_point()) == (
        trained - 4 * 64 if name == "lstm" else trained
    )


def test_the_table_of_the_readme_is_the_one_that_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SPEED)
    with (SPEED / "figures.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert importlib.import_module("measuring").table(rows) in (SPEED / "README.md").read_text(encoding="utf-8")
