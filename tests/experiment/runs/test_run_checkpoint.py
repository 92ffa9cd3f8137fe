"""Checkpoints of a run: when, how many, and what happens when one cannot be written."""

import errno
import hashlib
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labkeras.callbacks import Callback
from labkeras.errors import CheckpointError, ConfigError, DataError, FileFormatError, RunDirectoryError, RunStoppedError
from labkeras.experiment import compose, run
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.registry import callbacks, datasets
from labkeras.saving import load_checkpoint
from tests.helpers import dying_runs
from tests.helpers.dying_runs import DEATH, DeathError, outcome, overrides
from tests.helpers.processes import run_ranks


@pytest.fixture(autouse=True)
def _components(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    dying_runs.write_conf(tmp_path / "conf")
    monkeypatch.setenv(DEATH, "-1:-1:error")
    with dying_runs.registered():
        yield


def start(folder: Path, *more: str, **arguments: Any) -> dict[str, Any]:
    lines = overrides("arrays", *more)
    return run(compose(lines, config_dir="conf"), lines, folder, **arguments)


def places(folder: Path) -> list[tuple[int, int]]:
    """Where the checkpoints stand that were made, from the first to the last."""
    names = sorted(path.stem.split("-") for path in (folder / "checkpoints").glob("*.zip"))
    return [(int(epoch[5:]), int(batch[5:])) for _, epoch, batch in names]


ONLY = ("checkpoint.every_batches=null", "checkpoint.every_seconds=null", "checkpoint.keep=100")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([], [(4, 0)]),
        (["checkpoint.every_epochs=2"], [(2, 0), (4, 0)]),
        (["checkpoint.every_batches=3"], [(0, 3), (1, 2), (2, 1), (2, 4), (3, 3), (4, 0)]),
        (["checkpoint.every_seconds=1e6"], [(4, 0)]),
        (["checkpoint.every_batches=3", "checkpoint.keep=2"], [(3, 3), (4, 0)]),
        (["checkpoint.every_batches=3", "checkpoint.keep=1"], [(4, 0)]),
        (["checkpoint=null"], []),
    ],
)
def test_checkpoints_are_made_as_told(tmp_path: Path, settings: list[str], expected: list[Any]) -> None:
    start(tmp_path / "run", *(settings if settings == ["checkpoint=null"] else [*ONLY, *settings]))
    assert places(tmp_path / "run") == expected


def test_they_are_made_by_time_after_batches_and_epochs(tmp_path: Path) -> None:
    start(tmp_path / "run", *ONLY, "checkpoint.every_seconds=0", "fit.epochs=1")
    assert places(tmp_path / "run") == [(0, 1), (0, 2), (0, 3), (0, 4), (1, 0)]


def test_pointers_name_the_last_checkpoint_and_the_best_model(tmp_path: Path) -> None:
    result = start(tmp_path / "run")
    folder = tmp_path / "run" / "checkpoints"
    last, best = (json.loads((folder / name).read_text()) for name in ("last.json", "best.json"))
    assert (last["epoch"], last["batch"]) == (4, 0)
    assert last["metrics"]["val_loss"] == result["last"]["val_loss"]
    assert best["path"] == "best.keras"
    assert best["epoch"] == result["best"]["epoch"]
    assert best["metrics"]["val_loss"] == result["best"]["val_loss"]
    for pointer in (last, best):
        assert pointer["sha256"] == hashlib.sha256((folder / pointer["path"]).read_bytes()).hexdigest()


class Full(Callback):
    """Makes a call fail that belongs to saving, as on a disk that is full, from the n-th time on."""

    def __init__(self, call: str, after: int) -> None:
        super().__init__()
        self.call, self.after = call, after

    def on_train_begin(self, logs: Any = None) -> None:
        self.original, calls = getattr(os, self.call), [0]

        def fail(*arguments: Any, **keywords: Any) -> Any:
            calls[0] += 1
            if calls[0] > self.after:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.original(*arguments, **keywords)

        setattr(os, self.call, fail)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, getattr(os, name))  # is put back afterwards
    entry = callbacks.add("full", Full)
    yield
    callbacks.discard(entry)


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(("call", "after"), [("fsync", 8), ("fsync", 9), ("fsync", 14), ("replace", 6)])
def test_on_a_full_disk_the_checkpoint_before_stays_and_the_run_goes_on_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, after: int
) -> None:
    lines = [*ONLY, "checkpoint.every_batches=1", "callbacks=dying", f"++callbacks.full.call={call}"]
    lines += ["++callbacks.full.callback=full", f"++callbacks.full.after={after}"]
    fsync, replace = os.fsync, os.replace
    with pytest.raises(
        CheckpointError, match=r"No space left on device.*is whole.*Received: '.*checkpoints'"
    ) as caught:
        start(tmp_path / "run", *lines)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    assert caught.value.errno == errno.ENOSPC
    kept = places(tmp_path / "run")
    assert kept
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "last.json").batch <= kept[-1][1]
    lines[-1] = "++callbacks.full.after=1000000"
    shutil.copytree(tmp_path / "run", tmp_path / "again")
    config = (tmp_path / "again" / "config.yaml").read_text().replace(f"after: {after}", "after: 1000000")
    (tmp_path / "again" / "config.yaml").write_text(config)
    start(tmp_path / "again", *lines, resume=True)
    start(tmp_path / "whole", *lines)
    assert outcome(tmp_path / "again") == outcome(tmp_path / "whole")
    assert not list((tmp_path / "again" / "checkpoints").glob(".*"))


@pytest.mark.usefixtures("full")
def test_a_run_may_go_on_without_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*arguments: Any, **keywords: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("labkeras.experiment.runs.run_checkpoint.write_backup", full_disk)
    with pytest.warns(UserWarning, match="No space left on device"):
        result = start(tmp_path / "run", "checkpoint.on_error=warn", "callbacks=none")
    assert result["state"] == "done"
    assert places(tmp_path / "run") == []


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    start(tmp_path / "whole")
    monkeypatch.setenv(DEATH, "2:2:error")
    with pytest.raises(DeathError):
        start(folder)
    monkeypatch.setenv(DEATH, "-1:-1:error")
    newest = max((folder / "checkpoints").glob("*.zip"))
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    with pytest.warns(UserWarning, match="is damaged.*Going on from the one before"):
        start(folder, resume=True)
    assert outcome(folder) == outcome(tmp_path / "whole")


def test_without_any_sound_checkpoint_the_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEATH, "0:2:error")
    with pytest.raises(DeathError):
        start(tmp_path / "run")
    monkeypatch.setenv(DEATH, "-1:-1:error")
    for path in (tmp_path / "run" / "checkpoints").glob("*.zip"):
        path.write_bytes(b"PK")
    with pytest.raises(FileFormatError, match="no other checkpoint: remove it to train from the beginning"):
        start(tmp_path / "run", resume=True)


def test_rows_that_are_gone_are_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEATH, "2:2:error")
    with pytest.raises(DeathError):
        start(tmp_path / "run")
    monkeypatch.setenv(DEATH, "-1:-1:error")
    (tmp_path / "run" / "metrics.jsonl").write_text("")
    with pytest.raises(FileFormatError, match=r"rows of .*metrics.jsonl' are gone"):
        start(tmp_path / "run", resume=True)


# --- going on, or not -------------------------------------------------------------------------------------------------


def test_a_run_that_died_before_its_first_checkpoint_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(tmp_path / "whole", *ONLY)
    monkeypatch.setenv(DEATH, "2:0:error")
    with pytest.raises(DeathError):
        start(tmp_path / "run", *ONLY)
    monkeypatch.setenv(DEATH, "-1:-1:error")
    start(tmp_path / "run", *ONLY, resume=True)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_without_a_seed_the_one_that_was_drawn_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEATH, "0:2:error")
    with pytest.raises(DeathError):
        start(tmp_path / "run", "seed=null")
    monkeypatch.setenv(DEATH, "-1:-1:error")
    seed = start(tmp_path / "run", "seed=null", resume=True)["seed"]
    assert RunDirectory.open(tmp_path / "run").record()["seed"] == seed
    start(tmp_path / "whole", f"seed={seed}")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_a_run_that_is_done_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = start(tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*.*") if path.name != "run.lock"}
    assert start(tmp_path / "run", resume=True) == result
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "nothing to go on with" in capsys.readouterr().err


def test_another_config_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEATH, "1:2:error")
    with pytest.raises(DeathError):
        start(tmp_path / "run")
    with pytest.raises(ConfigError) as caught:
        start(tmp_path / "run", "optimizer.beta_1=0.5", "seed=3", resume=True)
    assert caught.value.faults == (
        "optimizer.beta_1=0.5: the run that is to go on was started with 0.9",
        "seed=3: the run that is to go on was started with 0",
    )
    monkeypatch.setenv(DEATH, "-1:-1:error")
    assert start(tmp_path / "run", "fit.epochs=5", "checkpoint.keep=1", resume=True)["epochs"] == 5


def test_other_data_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEATH, "1:2:error")
    with pytest.raises(DeathError):
        start(tmp_path / "run")

    def other(kind: str = "arrays", workers: int = 0) -> Any:
        (x, y), test = dying_runs.noisy(kind, workers)
        x[7, 3] += 1e-6
        return (x, y), test

    for entry in datasets.entries_named("noisy"):
        datasets.discard(entry)
    changed = datasets.add("noisy", other)
    try:
        with pytest.raises(DataError, match=r"not what it was when the run began.*Received: fingerprint='sha256:"):
            start(tmp_path / "run", resume=True)
    finally:
        datasets.discard(changed)


def test_resume_needs_a_folder_and_a_run_that_is_not_there_begins(tmp_path: Path) -> None:
    lines = overrides("arrays", "fit.epochs=1", "resume=true")
    with pytest.raises(ConfigError, match="run_dir"):
        run(compose(lines, config_dir="conf"), lines)
    lines.append("run_dir=new")
    assert run(compose(lines, config_dir="conf"), lines)["run_dir"] == str(tmp_path / "new")


def test_a_run_that_is_there_is_refused_with_a_word_on_resuming(tmp_path: Path) -> None:
    start(tmp_path / "run", "fit.epochs=1")
    with pytest.raises(RunDirectoryError, match="`resume=true` to go on with the run that is there"):
        start(tmp_path / "run", "fit.epochs=1")


def test_a_run_that_somebody_works_on_names_him(tmp_path: Path) -> None:
    start(tmp_path / "run", "fit.epochs=1")
    with RunDirectory.open(tmp_path / "run").lock:
        for resume in (True, False):
            with pytest.raises(
                RunDirectoryError, match=f"process {os.getpid()} on .* is working in this run directory"
            ):
                start(tmp_path / "run", "fit.epochs=1", resume=resume)


# --- being stopped ----------------------------------------------------------------------------------------------------


class Prunes:
    def __init__(self) -> None:
        self.values: list[float] = []

    def report(self, value: float, step: int) -> None:
        self.values.append(value)

    def should_prune(self) -> bool:
        return len(self.values) == 2


def test_a_trial_that_is_pruned_ends_without_a_test(tmp_path: Path) -> None:
    trial = Prunes()
    result = start(tmp_path / "run", trial=trial)
    assert result["state"] == "pruned"
    assert result["epochs"] == 2
    assert trial.values == [row["val_loss"] for row in RunDirectory.open(tmp_path / "run").metrics()]
    assert not [name for name in result if name.startswith("test_")]
    record = RunDirectory.open(tmp_path / "run").record()
    assert (record["state"], record["exit_code"], record["failure"]) == ("pruned", 0, None)


@pytest.mark.parametrize(
    ("word", "state", "kind", "code"),
    [("timeout", "failed", "timeout", 1), ("stopped", "interrupted", "interrupted", 130)],
)
def test_a_file_ends_a_run_that_can_be_gone_on_with(
    tmp_path: Path, word: str, state: str, kind: str, code: int
) -> None:
    folder = tmp_path / "run"

    class Asks(Prunes):
        def should_prune(self) -> bool:
            if len(self.values) == 2:
                RunDirectory(folder).request_stop(word)
            return False

    start(tmp_path / "whole")
    # After the third epoch: in the second the file is not there yet when it is looked for.
    with pytest.raises(RunStoppedError):
        start(folder, trial=Asks())
    record = RunDirectory.open(folder).record()
    assert (record["state"], record["failure"]["kind"], record["exit_code"]) == (state, kind, code)
    assert (RunDirectory.open(folder).result() or {})["state"] == state
    start(folder, resume=True)
    assert outcome(folder) == outcome(tmp_path / "whole")


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEATH, "1:1:int")
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as caught:
        start(tmp_path / "run")
    assert "go on with it: labkeras resume run" in caught.value.__notes__
    assert signal.getsignal(signal.SIGINT) is handler
    record = RunDirectory.open(tmp_path / "run").record()
    assert (record["state"], record["exit_code"]) == ("interrupted", 130)
    assert places(tmp_path / "run")[-1] == (1, 2)


@pytest.mark.slow
def test_processes_of_a_run_stop_after_the_same_batch_and_go_on(tmp_path: Path) -> None:
    lines = overrides(
        "arrays", "trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu", "optimizer.use_ema=false"
    )

    def train(folder: Path, death: str) -> tuple[int, str]:
        # SIGTERM reaches the second process alone.
        os.environ[DEATH] = death if os.environ["RANK"] == "1" else "-1:-1:error"
        try:
            run(compose(lines, config_dir="conf"), lines, folder, resume=True)
        except RunStoppedError as error:
            return error.exit_code, error.reason
        return 0, "done"

    assert run_ranks(train, tmp_path / "whole", "-1:-1:error") == [(0, "done")] * 2
    assert run_ranks(train, tmp_path / "run", "2:1:term") == [(75, "preempted")] * 2
    assert RunDirectory.open(tmp_path / "run").record()["state"] == "preempted"
    assert run_ranks(train, tmp_path / "run", "-1:-1:error") == [(0, "done")] * 2
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")
