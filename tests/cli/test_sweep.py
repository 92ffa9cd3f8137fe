"""`labkeras sweep`: a look at a sweep, going on with it, stopping it."""

import json
from pathlib import Path
from typing import Any

import pytest

from labkeras.cli.main import main
from labkeras.experiment.runs.lock import FolderLock
from labkeras.experiment.sweeps.ledger import LedgerWriter
from labkeras.experiment.sweeps.names import LOCK, STOP

COMMAND = ["labkeras", "train", "-m", "experiment=digits_mlp", "seed=0,1,2"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "sweep"
    path.mkdir()
    objectives = [{"monitor": "val_accuracy", "mode": "max"}]
    writer = LedgerWriter.create(path, {"name": "digits_mlp", "command": COMMAND, "objectives": objectives})
    for seed in range(3):
        writer.trial({"seed": seed}, [f"seed={seed}"])
        writer.attempt(seed)
        (path / f"{seed:04d}").mkdir()
    writer.end(0, "done", values=[0.75], seconds=1.5)
    writer.end(1, "failed", failure={"kind": "out_of_memory", "error": "no"})
    writer.close()
    return path


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["sweep", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_the_status_says_how_many_and_which_was_best(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = answer(capsys, "status", "sweep")
    assert "1 done, 1 running, 1 failed" in text
    assert "failures: 1 out_of_memory" in text
    assert "best: trial 0, val_accuracy: 0.7500  [seed=0]" in text
    assert "it was killed" in text
    assert "sweep resume sweep" in text


def test_the_status_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status: dict[str, Any] = json.loads(answer(capsys, "status", "sweep", "--json"))
    assert status["states"] == {"done": 1, "running": 1, "failed": 1}
    assert status["best"]["params"] == {"seed": 0}
    assert status["driven_by"] is None
    assert status["continue_with"] == [*COMMAND, "sweep_dir=sweep"]


def test_the_status_of_a_sweep_that_runs_names_its_process(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FolderLock(folder / LOCK):
        assert "works at it" in answer(capsys, "status", "sweep")


def test_stop_asks_the_sweep_and_what_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FolderLock(folder / LOCK):
        assert "to end" in answer(capsys, "stop", "sweep")
    assert (folder / STOP).exists()
    assert (folder / "0002" / "stop").read_text() == "stopped"
    assert not (folder / "0000" / "stop").exists()


def test_what_is_not_running_cannot_be_stopped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no process works at this sweep" in answer(capsys, "stop", "sweep", code=2)
    assert not (folder / STOP).exists()


@pytest.mark.parametrize("action", ["status", "resume", "stop"])
def test_a_folder_without_a_sweep_is_named(action: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no sweep is in this folder: it has no sweep.yaml" in answer(capsys, action, "elsewhere", code=2)
