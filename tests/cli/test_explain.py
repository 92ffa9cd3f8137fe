"""`labkeras explain`: a thin face on `explain`, that answers without torch."""

import json
from pathlib import Path

import pytest

from labkeras.cli.main import main
from tests.helpers.processes import run_python


def test_a_key_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "fit.epochs", "experiment=digits_mlp", "fit.epochs=3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "fit.epochs = 3"
    assert lines[1].split()[0] == "10"
    assert lines[1].split()[1].startswith("conf/train.yaml:")
    assert lines[-1].split(maxsplit=1) == ["3", "on the command line"]


def test_a_mapping_is_explained_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "optimizer", "optimizer=sgd", "optimizer.momentum=0.9"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["optimizer.momentum", "=", "0.9", "on", "the", "command", "line"] for line in lines)
    assert any(line.split() == ["optimizer.nesterov", "=", "false", "default", "of", "sgd"] for line in lines)


def test_json_holds_the_chain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "seed", "--json", "seed=4"]) == 0
    assert json.loads(capsys.readouterr().out)["chain"][-1]["value"] == 4


def test_an_unknown_key_is_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "fit.epoch"]) == 2
    assert "Did you mean 'fit.epochs'" in capsys.readouterr().err


def test_it_answers_without_torch(tmp_path: Path) -> None:
    program = """
import sys
from labkeras.cli.main import main
main(["explain", "model.layers.h1.units", "experiment=digits_mlp"])
sys.exit("imported torch" if "torch" in sys.modules else 0)
"""
    outcome = run_python(tmp_path, "-c", program)
    assert outcome.returncode == 0, outcome.stderr
