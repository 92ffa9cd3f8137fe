"""The folder of a run is its own."""

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from labkeras.errors import RunDirectoryError
from labkeras.experiment.runs.directory import RunDirectory, find_run, new_folder


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


# --- runs that are there ----------------------------------------------------------------------------------------------


def made(path: str | None = None, name: str | None = "digits") -> RunDirectory:
    """The folder of a run that began."""
    run = RunDirectory.create(path, name)
    run.write_config({"seed": 3}, ["seed=3"])
    run.write_record({"version": 1, "state": "done"})
    return run


def test_what_was_written_is_read() -> None:
    made("a").append_metrics({"epoch": 1, "loss": 0.5})
    run = RunDirectory.open("a")
    assert run.config() == {"seed": 3}
    assert run.overrides() == ["seed=3"]
    assert run.record() == {"version": 1, "state": "done"}
    assert run.metrics() == [{"epoch": 1, "loss": 0.5}]
    assert run.result() is None
    run.write_result({"test_loss": 0.25})
    assert run.result() == {"test_loss": 0.25}


def test_a_row_that_is_being_written_is_left_out() -> None:
    run = made("a")
    run.append_metrics({"epoch": 1})
    with run.metrics_path.open("a") as file:
        file.write('{"epoch": 2, "lo')
    assert run.metrics() == [{"epoch": 1}]


@pytest.mark.parametrize("name", ["config.yaml", "run.json"])
def test_a_folder_that_is_no_runs_says_what_it_lacks(name: str) -> None:
    (made("a").path / name).unlink()
    with pytest.raises(RunDirectoryError, match=f"has no {name}. Received: run_dir='a'"):
        RunDirectory.open("a")
    with pytest.raises(RunDirectoryError, match=r"there is no such folder. Received: run_dir='b'"):
        RunDirectory.open("b")


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("run.json", "{", RunDirectory.record),
        ("run.json", "[1]", RunDirectory.record),
        ("result.json", "", RunDirectory.result),
        ("metrics.jsonl", "{}\n{\n", RunDirectory.metrics),
        ("config.yaml", "!!python/object/apply:os.mkdir [x]", RunDirectory.config),
        ("config.yaml", "", RunDirectory.config),
    ],
)
def test_a_damaged_file_is_named(name: str, content: str, read: Any) -> None:
    run = made("a")
    (run.path / name).write_text(content)
    with pytest.raises(RunDirectoryError, match=r"Received: (run_dir=)?'"):
        read(run)


def test_a_run_is_found_by_its_name_in_any_length() -> None:
    run = made()
    name = run.path.name
    for given in (run.path, f"runs/digits/{name}", f"digits/{name}", name):
        assert find_run(given).path == run.path
    with pytest.raises(RunDirectoryError, match=r"there is no such run.*Received: run='latest'"):
        find_run("latest")
    run.link_latest()
    assert find_run("latest").path == run.path
    made(f"runs/other/{name}")
    with pytest.raises(RunDirectoryError, match=rf"several runs have this name: digits/{name}, other/{name}"):
        find_run(name)


def test_the_latest_run_is_one_below_runs() -> None:
    run = made()
    run.link_latest()
    made("elsewhere").link_latest()
    trial = made()
    (trial.path / "job.json").write_text("{}")
    trial.link_latest()
    assert find_run("latest").path == run.path
    assert not list(Path("runs").glob(".*"))


def test_a_job_may_wait_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a" / "logs").mkdir(parents=True)
    (tmp_path / "a" / "job.json").write_text('{"trial": 7}')
    run = RunDirectory.create("a", None)
    assert run.is_trial
    assert run.job() == {"trial": 7}
    assert made("b").job() is None


def test_a_folder_is_claimed_and_locked() -> None:
    run = RunDirectory.claim("a", None)
    run.write_record({"state": "running"})
    assert run.is_running()
    for resume in (True, False):
        with pytest.raises(RunDirectoryError, match=f"process {os.getpid()} on .* is working"):
            RunDirectory.claim("a", None, resume=resume)
    run.lock.release()
    with pytest.raises(RunDirectoryError, match="`resume=true` to go on"):
        RunDirectory.claim("a", None)
    again = RunDirectory.claim("a", None, resume=True)
    assert (again.path, again.lock.is_held) == (run.path, True)
    again.lock.release()


def test_somebody_may_ask_a_run_to_stop_and_think_again() -> None:
    run = made("a")
    assert run.stop_request() is None
    run.request_stop("timeout")
    assert run.stop_request() == "timeout"
    run.forget_stop_request()
    assert run.stop_request() is None
