"""The script that measures what running experiments costs, and the table that it wrote."""

import csv
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNNING = Path(__file__).parents[2] / "experiments" / "running"


@pytest.mark.slow
def test_the_script_measures_every_figure() -> None:
    root = RUNNING.parents[1]
    words = [sys.executable, str(RUNNING / "figures.py"), "--rounds", "1"]
    # From the root, and with it on the path, so that it runs also where labkeras is not installed.
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=500, cwd=root, env=environment)
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 14


def test_the_table_of_the_readme_is_the_one_that_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(RUNNING.parent / "speed")
    with (RUNNING / "figures.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert importlib.import_module("measuring").table(rows) in (RUNNING / "README.md").read_text(encoding="utf-8")
