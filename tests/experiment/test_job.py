"""Jobs: what was resolved is what runs."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from labkeras.experiment import job as jobs
from labkeras.experiment.config.composition import compose
from labkeras.experiment.job import JOB, main, run_job, write_job
from labkeras.experiment.runs.directory import RunDirectory

CONFIG: dict[str, Any] = {
    "fit": {"class_weight": {0: 1.0, 1: 2.5}, "epochs": 3},
    "limits": [math.inf, -math.inf, 1e-7],
    "none": None,
    "text": "é",
}


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `run` would have been given."""
    calls: list[dict[str, Any]] = []

    def run(config: Any, overrides: Any, directory: Any, **more: Any) -> dict[str, Any]:
        calls.append({"config": config, "overrides": overrides, "directory": directory, **more})
        return {"state": "done"}

    monkeypatch.setattr(jobs, "run", run)
    return calls


def test_a_job_runs_the_very_config_that_was_written(tmp_path: Path, given: list[dict[str, Any]]) -> None:
    write_job(tmp_path, CONFIG, ["fit.epochs=3"], sweep=tmp_path.parent, trial=7, attempt=1)
    assert run_job(tmp_path) == 0
    assert given[0]["config"] == CONFIG
    assert given[0]["overrides"] == ["fit.epochs=3"]
    assert given[0]["directory"] == tmp_path
    assert given[0]["resume"] is False


def test_nan_survives(tmp_path: Path, given: list[dict[str, Any]]) -> None:
    write_job(tmp_path, {"a": math.nan}, [], sweep=tmp_path, trial=0, attempt=1)
    run_job(tmp_path)
    assert math.isnan(given[0]["config"]["a"])


def test_a_job_that_was_begun_goes_on(tmp_path: Path, given: list[dict[str, Any]]) -> None:
    write_job(tmp_path, CONFIG, [], sweep=tmp_path, trial=0, attempt=2)
    (tmp_path / "config.yaml").write_text("")
    run_job(tmp_path)
    assert given[0]["resume"] is True


@pytest.mark.parametrize(
    "left", [["config.yaml"], ["config.yaml", "hydra", "requirements.txt"], [".0123456789abcdef.tmp"]]
)
def test_a_job_that_was_killed_before_it_had_a_record_is_run(left: list[str], tmp_path: Path) -> None:
    config = compose(["experiment=digits_mlp", "fit.epochs=1", "logger=none"])
    write_job(tmp_path, OmegaConf.to_container(config, resolve=True), [], sweep=tmp_path, trial=0, attempt=2)  # type: ignore[arg-type]
    for name in left:
        (tmp_path / name).mkdir() if name == "hydra" else (tmp_path / name).touch()
    assert run_job(tmp_path) == 0
    assert RunDirectory.open(tmp_path).record()["state"] == "done"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no job in the folder"),
        ("{", "is no valid JSON"),
        ('{"version": 99, "config": {}}', "is no job of this version. Received: version=99"),
        ('{"version": 1}', "is no job of this version"),
    ],
)
def test_a_folder_without_a_sound_job_says_so_in_its_record(text: str | None, words: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / JOB).write_text(text)
    assert main([str(tmp_path)]) == 1
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["state"] == "failed"
    assert words in record["failure"]["error"]
    assert words in (tmp_path / "logs" / "error.txt").read_text()


def test_the_module_wants_one_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: python -m labkeras.experiment.job DIR" in capsys.readouterr().err
