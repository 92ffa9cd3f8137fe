"""`labkeras report`."""

import json
from pathlib import Path

import pytest

from labkeras.cli.report import main
from tests.helpers.sweeps_by_hand import trial, write_sweep

RATE = "optimizer.learning_rate"


def test_a_sweeps_reports_are_written_again_and_its_leaderboard_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sweep(tmp_path, [trial({RATE: 0.1}, 0.9), trial({RATE: 0.2}, 0.95)])
    assert main([str(tmp_path), "--top", "1"]) == 0
    shown = capsys.readouterr().out
    assert "2 trials: 2 done" in shown
    assert "learning_rate" in shown
    assert "0.9500" in shown
    assert "0.9000" not in shown
    assert "1 more" in shown
    assert shown.rstrip().endswith("report.html")
    assert (tmp_path / "report.html").exists()


def test_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sweep(tmp_path, [trial({RATE: 0.1}, 0.9), trial({RATE: 0.2}, 0.95)])
    assert main([str(tmp_path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["trial"], row["params"]) for row in rows] == [("1", {RATE: 0.2}), ("0", {RATE: 0.1})]


def test_runs_of_no_sweep_are_ranked_by_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [run(tmp_path / name, rate, value) for name, rate, value in (("one", 0.1, 0.8), ("two", 0.01, 0.9))]
    assert main([*paths, "--to", str(tmp_path / "reports"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] == [RATE]
    assert [(row["rank"], row["trial"], row["params"]) for row in found["rows"]] == [
        (1, "../two", {RATE: 0.01}),
        (2, "../one", {RATE: 0.1}),
    ]
    assert (tmp_path / "reports" / "report.html").exists()
    assert main([*paths, "--json"]) == 0  # and without a folder nothing is written
    assert not list(tmp_path.glob("report*.html"))


def test_runs_that_sought_different_things_are_not_ranked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [run(tmp_path / "one", 0.1, 0.8), run(tmp_path / "two", 0.1, 0.8, monitor="loss")]
    assert main(paths) == 2
    assert "they monitored different values. Received: loss (max), val_accuracy (max)" in capsys.readouterr().err


def test_a_folder_that_is_neither_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert f"Received: run_dir={str(tmp_path)!r}" in capsys.readouterr().err


def run(folder: Path, rate: float, value: float, monitor: str = "val_accuracy") -> str:
    folder.mkdir()
    (folder / "config.yaml").write_text(f"optimizer:\n  learning_rate: {rate}\nname: {folder.name}\n", encoding="utf-8")
    (folder / "run.json").write_text(json.dumps({"state": "done", "seconds": 1.0}), encoding="utf-8")
    best = {"epoch": 1, monitor: value}
    result = {"state": "done", "monitor": monitor, "mode": "max", "best": best, "epochs": 1, "test_accuracy": 0.5}
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    return str(folder)
