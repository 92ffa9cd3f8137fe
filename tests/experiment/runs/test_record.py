"""What a run writes down about itself."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import labkeras
from labkeras.errors import NonFiniteLossError
from labkeras.experiment import compose, run
from labkeras.experiment.runs import provenance
from labkeras.experiment.runs.data import RunData
from labkeras.experiment.runs.directory import RunDirectory, find_run
from labkeras.experiment.runs.fingerprint import fingerprint
from tests.helpers import dying_runs
from tests.helpers.dying_runs import DEATH, DeathError, Noisy, overrides


@pytest.fixture(autouse=True)
def _components(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    dying_runs.write_conf(tmp_path / "conf")
    monkeypatch.setenv(DEATH, "-1:-1:error")
    with dying_runs.registered():
        yield


def start(*more: str, directory: Path | None = None, **arguments: Any) -> dict[str, Any]:
    lines = overrides("arrays", "fit.epochs=1", *more)
    return run(compose(lines, config_dir="conf"), lines, directory, **arguments)


def test_a_run_says_what_it_was_run_with_and_on(tmp_path: Path) -> None:
    result = start("name=here", command=["labkeras", "train", "seed=3"])
    folder = RunDirectory.open(result["run_dir"])
    record = folder.record()
    assert record["version"] == 1
    assert record["id"] == folder.path.name
    assert record["name"] == "here"
    assert (record["state"], record["exit_code"], record["failure"]) == ("done", 0, None)
    assert record["command"] == ["labkeras", "train", "seed=3"]
    assert record["overrides"] == folder.overrides()
    assert (record["pid"], record["host"]) == (os.getpid(), socket.gethostname())
    created, started, ended = (datetime.fromisoformat(record[key]) for key in ("created", "started", "ended"))
    assert created <= started <= ended
    assert created.utcoffset() is not None
    assert 0 < record["seconds"] == result["seconds"]
    assert set(record["timings"]) == {"data", "fit", "test", "pictures"}
    assert record["packages"]["torch"] == torch.__version__
    assert record["python"] == sys.version.split()[0]
    assert record["hardware"]["cores"] >= 1
    assert record["hardware"]["memory"] > 2**28
    assert record["data"]["rows"] == 80
    assert record["data"]["fingerprint"].startswith("sha256:")
    assert (record["seed"], record["resumed"], record["sweep"]) == (0, [], None)
    assert f"numpy=={np.__version__}\n" in (folder.path / "requirements.txt").read_text()


def test_the_model_is_written_down_as_keras_describes_it(tmp_path: Path) -> None:
    result = start()
    model = json.loads((Path(result["run_dir"]) / "model.json").read_text())
    assert model["class"] == "Sequential"
    rebuilt = labkeras.models.model_from_json(json.dumps(model["config"]))
    assert rebuilt.count_params() == model["parameters"]["total"] == result["parameters"]
    assert model["bytes"]["weights"] == 4 * result["parameters"]


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [("error", "error", "DeathError: the moment has come"), ("nan", "not_finite", "NonFiniteLossError: ")],
)
def test_a_failure_is_recorded_with_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str, kind: str, text: str
) -> None:
    monkeypatch.setenv(DEATH, "0:1:error" if error == "error" else "-1:-1:error")
    more = [] if error == "error" else ["optimizer=sgd", "optimizer.learning_rate=1e38", "~optimizer.use_ema"]
    with pytest.raises((DeathError, NonFiniteLossError)) as caught:
        start(*more, directory=tmp_path / "run")
    folder = RunDirectory.open(tmp_path / "run")
    record, result = folder.record(), folder.result() or {}
    assert (record["state"], record["exit_code"], record["failure"]["kind"]) == ("failed", 1, kind)
    assert record["failure"]["error"].startswith(text)
    assert (result["state"], result["error"]) == ("failed", record["failure"]["error"])
    assert "Traceback (most recent call last)" in (folder.path / "logs" / "error.txt").read_text()
    assert f"run directory: {folder.path}" in caught.value.__notes__


def test_a_run_whose_process_is_gone_reads_as_killed(tmp_path: Path) -> None:
    folder = RunDirectory.open(start()["run_dir"])
    record = json.loads((folder.path / "run.json").read_text())
    for state in ("created", "running"):
        folder.write_record(record | {"state": state})
        assert folder.record()["state"] == "killed"
        assert folder.record()["failure"]["kind"] == "killed"
        with folder.lock:
            assert RunDirectory.open(folder.path).record()["state"] == state


def test_seconds_of_all_sittings_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEATH, "0:2:error")
    with pytest.raises(DeathError):
        start(directory=tmp_path / "run")
    before = RunDirectory.open(tmp_path / "run").record()
    monkeypatch.setenv(DEATH, "-1:-1:error")
    start(directory=tmp_path / "run", resume=True)
    after = RunDirectory.open(tmp_path / "run").record()
    assert after["seconds"] > before["seconds"]
    assert (after["id"], after["created"], after["started"]) == (before["id"], before["created"], before["started"])
    assert [(entry["epoch"], entry["batch"]) for entry in after["resumed"]] == [(0, 2)]
    assert not (tmp_path / "run" / "logs" / "error.txt").exists()


def test_a_trial_says_which_one_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "sweep" / "0007"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps({"version": 1, "sweep": str(folder.parent), "trial": 7}))
    start(directory=folder)
    assert RunDirectory.open(folder).record()["sweep"] == {"dir": str(folder.parent), "trial": 7}
    assert not (tmp_path / "runs").exists()


def test_the_latest_run_has_a_link(tmp_path: Path) -> None:
    first, second = start()["run_dir"], start()["run_dir"]
    assert (tmp_path / "runs" / "latest").resolve() == Path(second) != Path(first)
    assert find_run("latest").path == Path(second)


# --- git, packages, data ----------------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    git(tmp_path, "init", "--initial-branch=main", ".")
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-m", "first")
    provenance._git_state.cache_clear()
    yield tmp_path
    provenance._git_state.cache_clear()


def test_changes_that_are_in_no_commit_are_kept(repository: Path) -> None:
    (repository / "code.py").write_text("x = 2\n")
    result = start()
    folder = RunDirectory.open(result["run_dir"])
    record = folder.record()["git"]
    assert (record["branch"], record["dirty"]) == ("main", True)
    assert len(record["commit"]) == 40
    assert "conf/" in record["untracked"]
    git(repository, "checkout", "code.py")
    git(repository, "apply", str(folder.path / "code.patch"))
    assert (repository / "code.py").read_text() == "x = 2\n"


def test_a_clean_checkout_has_no_patch(repository: Path) -> None:
    folder = Path(start()["run_dir"])
    assert RunDirectory.open(folder).record()["git"]["dirty"] is False
    assert not (folder / "code.patch").exists()


def test_without_git_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    provenance._git_state.cache_clear()
    assert RunDirectory.open(start()["run_dir"]).record()["git"] is None


def test_the_versions_are_those_that_are_imported() -> None:
    from importlib.metadata import version

    known = provenance.packages()
    for name in ("torch", "numpy", "pytorch-lightning", "hydra-core", "h5py"):
        assert known[name] == version(name)


def test_equal_data_has_equal_fingerprints() -> None:
    def data(**changes: Any) -> RunData:
        x, y = Noisy().x, Noisy().y
        parts: dict[str, Any] = {"x": x, "y": y, "test": (x[:8], y[:8])} | changes
        return RunData(**parts)

    same = fingerprint(data())
    assert fingerprint(data()) == same
    assert same["rows"] == 80
    assert same["sampled"] is False
    x = Noisy().x
    x[79, 5] += 1
    others: list[dict[str, Any]] = [
        {"x": x},
        {"x": Noisy().x.astype("float64")},
        {"x": Noisy().x.reshape(80, 3, 2)},
        {"x": {"a": Noisy().x}, "y": None},
        {"test": None},
    ]
    found = {fingerprint(data(**changes))["fingerprint"] for changes in others}
    assert len(found | {same["fingerprint"]}) == len(others) + 1
    assert fingerprint(data(x=torch.from_numpy(Noisy().x)))["fingerprint"] == same["fingerprint"]


def test_much_data_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labkeras.experiment.runs.fingerprint._WHOLE", 1000)
    monkeypatch.setattr("labkeras.experiment.runs.fingerprint._BLOCK", 64)
    x = np.arange(200_000, dtype=np.float32).reshape(-1, 4)
    one = fingerprint(RunData(x))
    assert one["sampled"] is True
    assert fingerprint(RunData(x.copy())) == one
    assert fingerprint(RunData(x + 1)) != one


def test_data_that_makes_batches_has_no_fingerprint_but_a_kind() -> None:
    loader = torch.utils.data.DataLoader(Noisy(), 16)
    assert fingerprint(RunData(loader)) == {"fingerprint": None, "rows": 80, "kind": "DataLoader"}
    assert fingerprint(RunData(Noisy()))["rows"] == 80
