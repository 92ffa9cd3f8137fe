"""The script of the speed figures, and the table that it wrote."""

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SPEED = Path(__file__).parents[2] / "experiments" / "speed"


def figures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("figures", SPEED / "figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_script_measures_every_figure() -> None:
    words = [sys.executable, str(SPEED / "figures.py"), "--rounds", "1"]
    # From the root, so that it runs also where labkeras is not installed.
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=500, cwd=SPEED.parents[1])
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 6


def test_the_table_of_the_readme_is_the_one_that_was_measured() -> None:
    with (SPEED / "figures.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert figures().table(rows) in (SPEED / "README.md").read_text(encoding="utf-8")
