"""The folder of a run is its own."""

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import yaml

from labkeras.errors import RunDirectoryError
from labkeras.experiment.runs.directory import RunDirectory, new_folder


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_run_has_a_folder_below_runs_by_its_name_and_the_time(tmp_path: Path) -> None:
    path = RunDirectory.create(None, "digits").path
    assert path.parent == tmp_path / "runs" / "digits"
    assert re.fullmatch(r"\d{8}-\d{6}-[a-z]{4}", path.name)


def test_a_run_without_a_name_is_unnamed() -> None:
    assert RunDirectory.create(None, None).path.parent.name == "unnamed"


def test_runs_of_the_same_second_share_nothing() -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: new_folder(Path("runs")), range(100)))
    assert len(set(folders)) == 100


def test_a_named_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    assert RunDirectory.create("a/b", "x").path == tmp_path / "a" / "b"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert RunDirectory.create("a", None).path == tmp_path / "a"


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("mine")
    with pytest.raises(RunDirectoryError, match=r"holds something already.*Received: run_dir='a'"):
        RunDirectory.create("a", None)
    assert os.listdir(tmp_path / "a") == ["notes.txt"]


def test_of_two_runs_with_one_folder_one_gets_it() -> None:
    def create(_: int) -> bool:
        try:
            RunDirectory.create("a", None)
        except RunDirectoryError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(8))) == 1


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(RunDirectoryError, match="cannot be made"):
        RunDirectory.create(None, "x")
    with pytest.raises(RunDirectoryError, match="Received: run_dir='runs"):
        RunDirectory.create("runs", "x")


def test_the_config_and_the_overrides_are_plain_yaml() -> None:
    run = RunDirectory.create("a", None)
    run.write_config({"seed": 3, "fit": {"epochs": 1}}, ["seed=3"])
    assert yaml.safe_load((run.path / "config.yaml").read_text()) == {"seed": 3, "fit": {"epochs": 1}}
    assert yaml.safe_load((run.path / "hydra" / "overrides.yaml").read_text()) == ["seed=3"]


def test_metrics_are_rows_of_json() -> None:
    run = RunDirectory.create("a", None)
    run.append_metrics({"epoch": 1, "loss": np.float32(0.5)})
    run.append_metrics({"epoch": 2, "loss": float("nan"), "confusion": np.eye(2)})
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert rows == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": None, "confusion": [[1.0, 0.0], [0.0, 1.0]]}]


def test_the_result_is_json_that_any_reader_takes() -> None:
    run = RunDirectory.create("a", None)
    run.write_result({"test_loss": float("inf"), "best": {"epoch": 2}})
    assert json.loads((run.path / "result.json").read_text()) == {"test_loss": None, "best": {"epoch": 2}}


def test_a_folder_that_was_not_used_is_taken_away() -> None:
    run = RunDirectory.create("a", None)
    run.discard()
    assert not run.path.exists()
