"""Whole sweeps, with runs that only pretend to train: what is run, written down, gone on with, given up."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labkeras.errors import ConfigError, RunDirectoryError
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.runs.lock import FolderLock
from labkeras.experiment.sweeps.ledger import LEDGER, Ledger, read_ledger
from labkeras.experiment.sweeps.names import LOCK
from labkeras.experiment.sweeps.request import SweepRequest, SweepResult
from labkeras.experiment.sweeps.sweep import sweep

BASE = ["experiment=digits_mlp", "fit.epochs=4"]
GRID = [*BASE, "seed=0,1,2", "optimizer.learning_rate=0.1,0.01"]


class Over:
    def __init__(self, code: int) -> None:
        self.exit_code = code

    def poll(self) -> bool:
        return True

    def stop(self, grace: float) -> None:
        pass


class Pretended:
    """Runs in this process that end at once, with what `behave` says, in the folders that real runs leave.

    Args:
        behave: config, attempt → what result.json and run.json get, or an exception to raise.
    """

    slots = 1

    def __init__(self, behave: Callable[[dict[str, Any], int], Any] = lambda config, attempt: {}) -> None:
        self.behave = behave
        self.trained: list[str] = []
        self.closed = 0

    def start(self, directory: Path, trial: Any) -> Over:
        job = json.loads((directory / "job.json").read_text())
        if (directory / "run.json").exists() and RunDirectory(directory).record()["state"] == "done":
            return Over(0)
        self.trained.append(directory.name)
        state = self.behave(job["config"], job["attempt"])
        value = state.pop("value", job["config"]["optimizer"]["learning_rate"])
        for epoch in range(4):
            trial.report(value, epoch)
            if trial.should_prune():
                state = {"state": "pruned"}
                break
        record = {"version": 1, "state": "done", "failure": None, **state}
        (directory / "config.yaml").write_text("{}\n")
        (directory / "run.json").write_text(json.dumps(record))
        row = {"epoch": 3, "val_accuracy": value}
        result = {"state": record["state"], "best": row, "epochs": 4, "parameters": 10, "seconds": 0.5}
        (directory / "result.json").write_text(json.dumps({**result, "test_accuracy": 0.8}))
        return Over(0 if record["state"] in ("done", "pruned") else 1)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def swept(overrides: list[str], launcher: Any = None) -> SweepResult:
    return sweep(SweepRequest([*overrides, "sweep_dir=sweep"], quiet=True), launcher or Pretended())


def faults_of(overrides: list[str]) -> str:
    with pytest.raises(ConfigError) as caught:
        swept(overrides)
    return str(caught.value)


def states(ledger: Ledger) -> dict[str, int]:
    return dict(Counter(trial.state for trial in ledger.trials))


def failing(kind: str, only: Callable[[dict[str, Any], int], bool] = lambda config, attempt: True) -> Pretended:
    def behave(config: dict[str, Any], attempt: int) -> dict[str, Any]:
        return {"state": "failed", "failure": {"kind": kind, "error": "no"}} if only(config, attempt) else {}

    return Pretended(behave)


def test_a_grid_is_run_in_order_and_written_down() -> None:
    launcher = Pretended()
    result = swept(GRID, launcher)
    assert launcher.trained == [f"{number:04d}" for number in range(6)]
    assert launcher.closed == 1
    assert (result.exit_code, result.reason) == (0, "every point of the space was tried: 6")
    assert [trial.params for trial in result.ledger.trials][:2] == [
        {"seed": 0, "optimizer.learning_rate": 0.1},
        {"seed": 0, "optimizer.learning_rate": 0.01},
    ]
    best = read_ledger("sweep").best()
    assert best is not None
    assert (best.number, best.values, best.metrics["test_accuracy"], best.parameters) == (0, [0.1], 0.8, 10)
    spec = read_ledger("sweep").spec
    assert spec["objectives"] == [{"monitor": "val_accuracy", "mode": "max"}]
    assert [axis["key"] for axis in spec["space"]] == ["seed", "optimizer.learning_rate"]
    job = json.loads(Path("sweep/0003/job.json").read_text())
    assert (job["trial"], job["attempt"], job["config"]["seed"]) == (3, 1, 1)
    assert job["overrides"] == [*BASE, "seed=1", "optimizer.learning_rate=0.01"]
    assert not {"sweeper", "launcher", "sweep_dir"} & set(job["config"])
    assert job["config"]["fit"]["verbose"] == 0  # unless the user says what trials print


def test_without_sweep_dir_each_sweep_has_a_new_folder_and_tells_how_to_go_on() -> None:
    results = [sweep(SweepRequest(GRID, ["labkeras", "train", "-m", *GRID], quiet=True), Pretended()) for _ in range(2)]
    assert results[0].directory != results[1].directory
    assert results[0].directory.parent == Path("runs/sweeps/digits_mlp")
    assert results[0].continue_with == ["labkeras", "train", "-m", *GRID, f"sweep_dir={results[0].directory}"]


def test_the_same_command_again_runs_nothing_again() -> None:
    swept(GRID)
    launcher = Pretended()
    result = swept(GRID, launcher)
    assert launcher.trained == []
    assert (result.exit_code, len(result.ledger.trials), result.ledger.sessions) == (0, 6, 2)


SLOW = pytest.mark.slow
LONG = ("grid", "random", "tpe")


@pytest.mark.parametrize(("sampler", "trials"), [("grid", 2), *(pytest.param(name, 5, marks=SLOW) for name in LONG)])
def test_a_sweep_that_was_killed_after_any_line_of_its_ledger_ends_with_the_same_points(
    sampler: str, trials: int
) -> None:
    overrides = [*GRID, f"sweeper={sampler}", f"sweeper.trials={trials}", "sweeper.retries=1"]

    def only_once(config: dict[str, Any], attempt: int) -> bool:
        return bool(config["optimizer"]["learning_rate"] == 0.01) and attempt == 1

    whole = swept(overrides, failing("error", only_once)).ledger
    lines = (Path("sweep") / LEDGER).read_bytes().splitlines(keepends=True)
    shutil.copytree("sweep", "kept")
    for count in range(len(lines) + 1):
        shutil.rmtree("sweep")
        shutil.copytree("kept", "sweep")
        (Path("sweep") / LEDGER).write_bytes(b"".join(lines[:count]) + lines[min(count, len(lines) - 1)][:7])
        known = read_ledger("sweep").trials
        for folder in sorted(Path("sweep").glob("[0-9]*")):  # what comes after the last line did not happen
            number = int(folder.name)
            if number >= len(known) or not known[number].attempts:
                shutil.rmtree(folder)
        finished = {trial.number for trial in known if trial.state == "done"}
        launcher = failing("error", only_once)
        again = swept(overrides, launcher).ledger
        assert not {int(name) for name in launcher.trained} & finished
        assert len(again.trials) == len(whole.trials)
        if sampler != "tpe":  # what learns is seeded by how much was known when the sweep went on
            assert [trial.params for trial in again.trials] == [trial.params for trial in whole.trials]
        assert states(again) == {"done": trials}
        assert [trial.values for trial in again.trials[: len(finished)]] == [
            trial.values for trial in known[: len(finished)]
        ]
        assert read_ledger("sweep").trials == again.trials


def test_a_changed_space_is_named_and_nothing_is_touched() -> None:
    swept(GRID)
    before = (Path("sweep") / LEDGER).read_bytes()
    text = faults_of([*BASE, "seed=0,1,2,3", "optimizer.learning_rate=0.1,0.01"])
    assert "holds another sweep: seed was one of [0, 1, 2], and is one of [0, 1, 2, 3] now" in text
    assert "optimizer.learning_rate is swept no more" in faults_of([*BASE, "seed=0,1,2"])
    text = faults_of([*BASE, "seed=0,1,2", "optimizer.learning_rate=interval(0.01,0.1)", "fit.batch_size=7"])
    assert "optimizer.learning_rate was one of [0.1, 0.01], and is interval(0.01, 0.1) now" in text
    assert "fit.batch_size was 32, and is 7 now" in text
    assert "objectives were" in faults_of([*GRID, "monitor=val_loss"])
    assert (Path("sweep") / LEDGER).read_bytes() == before


def test_sampler_number_launcher_and_limits_may_change() -> None:
    space = [*BASE, "seed=0,1,2", "optimizer.learning_rate=interval(0.01,0.1)"]
    swept([*space, "sweeper=random", "sweeper.trials=3"])
    result = swept([*space, "sweeper=tpe", "sweeper.trials=6", "sweeper.patience=50", "launcher=local"])
    assert states(result.ledger) == {"done": 6}
    assert read_ledger("sweep").spec["sweeper"]["sampler"] == "tpe"


def test_a_second_process_is_told_who_drives_the_sweep() -> None:
    swept(GRID)
    with FolderLock(Path("sweep") / LOCK), pytest.raises(RunDirectoryError, match=rf"process {os.getpid()} on .*sweep"):
        swept(GRID)


def test_a_folder_that_holds_something_else_is_refused() -> None:
    Path("sweep").mkdir()
    (Path("sweep") / "thesis.tex").write_text("")
    with pytest.raises(RunDirectoryError, match="holds something already, and no sweep"):
        swept(GRID)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (BASE, "nothing is swept"),
        ([*BASE, "optimizer=glob(zz*)"], "there is no value in it"),
        ([*BASE, "seed=0,1", "fit.epochs=0,1"], "fit.epochs=0: expected an integer of at least 1"),
        ([*BASE, "seed=0,1", "sweeper.sampler=tpee"], "Did you mean 'tpe'?"),
        ([*BASE, "seed=0,1", "sweeper.options={popsize:3}"], "there is no key 'popsize' in sweeper.options"),
        ([*BASE, "seed=0,1", "sweeper=tpee"], "tpee"),
        ([*BASE, "seed=interval(0,1)", "sweeper=grid"], "seed is an interval, which has no end of values"),
        ([*BASE, "seed=0,1", "monitor=null"], "a sweep compares its trials by a value"),
        (
            [*BASE, "seed=0,1", "sweeper=cmaes", "sweeper.objectives=[{monitor:a,mode:max},{monitor:b,mode:min}]"],
            "cmaes",
        ),
        ([*BASE, "seed=0,1", "run_dir=x"], "sweep_dir names that of a sweep"),
        ([*BASE, "optimizer.learning_rate=interval(-1,1)"], "optimizer.learning_rate=-1.0"),
    ],
)
def test_what_is_wrong_with_a_sweep_is_said_before_anything_is_written(overrides: list[str], words: str) -> None:
    assert words in faults_of(overrides)
    assert not Path("sweep").exists()


def test_failures_are_written_down_and_the_others_go_on() -> None:
    result = swept(GRID, failing("out_of_memory", lambda config, attempt: config["seed"] == 1))
    assert states(result.ledger) == {"done": 4, "failed": 2}
    assert result.exit_code == 1
    assert result.ledger.trials[2].failure == {"kind": "out_of_memory", "error": "no"}


@pytest.mark.parametrize(
    ("kind", "attempts"), [("error", 3), ("killed", 3), ("timeout", 3), ("not_finite", 1), ("bad_input", 1)]
)
def test_only_causes_that_may_pass_are_tried_again(kind: str, attempts: int) -> None:
    result = swept([*BASE, "seed=0,1", "sweeper.retries=2"], failing(kind, lambda config, attempt: config["seed"] == 0))
    assert [trial.attempts for trial in result.ledger.trials] == [attempts, 1]
    assert states(result.ledger)["done"] == 1


def test_a_value_that_is_not_there_or_not_finite_is_a_failure_with_its_cause() -> None:
    def behave(config: dict[str, Any], attempt: int) -> dict[str, Any]:
        return {"value": None if config["seed"] else 0.5}

    trials = swept([*BASE, "seed=0,1"], Pretended(behave)).ledger.trials
    assert (trials[0].state, trials[1].failure) == (
        "done",
        {"kind": "not_finite", "error": "val_accuracy is not a finite number"},
    )
    shutil.rmtree("sweep")
    trials = swept([*BASE, "seed=0,1", "sweeper.objectives=[{monitor:val_f1,mode:max}]"]).ledger.trials
    assert trials[0].failure is not None
    assert "the run has no value 'val_f1'; it has epoch, val_accuracy, test_accuracy" in trials[0].failure["error"]


@pytest.mark.parametrize(
    ("limit", "count", "words"),
    [
        ("sweeper.max_failures=2", 2, "sweeper.max_failures: 2 trials failed"),
        ("sweeper.on_failure=stop", 1, "sweeper.on_failure=stop: trial 0 failed"),
        ("sweeper.max_failures=0.5", 10, "sweeper.max_failures: 10 of 10 trials failed"),
    ],
)
def test_failures_can_end_a_sweep(limit: str, count: int, words: str) -> None:
    result = swept([*BASE, "seed=range(20)", limit], failing("not_finite"))
    assert (len(result.ledger.trials), result.exit_code) == (count, 1)
    assert result.reason.startswith(words)


@pytest.mark.parametrize(
    ("limit", "count"),
    [("sweeper.target=0.3", 4), ("sweeper.patience=3", 13), ("sweeper.trials=5", 5), ("sweeper.wall_time=1e-9", 0)],
)
def test_limits_end_a_sweep(limit: str, count: int) -> None:
    def behave(config: dict[str, Any], attempt: int) -> dict[str, Any]:
        return {"value": min(config["seed"], 9) / 10}

    result = swept([*BASE, "seed=range(20)", limit], Pretended(behave))
    assert (len(result.ledger.trials), result.exit_code) == (count, 0)
    assert limit.partition("=")[0].removeprefix("sweeper.") in result.reason


def test_several_objectives_are_read_from_rows_tests_and_sizes() -> None:
    objectives = "sweeper.objectives=[{monitor:test_accuracy,mode:max},{monitor:parameters,mode:min}]"
    result = swept(
        [*BASE, "optimizer.learning_rate=interval(0.1,0.2)", "sweeper=nsga2", "sweeper.trials=4", objectives]
    )
    assert [trial.values for trial in result.ledger.trials] == [[0.8, 10.0]] * 4


def test_runs_in_this_process_are_pruned_from_within() -> None:
    def behave(config: dict[str, Any], attempt: int) -> dict[str, Any]:
        return {"value": 0.9 if config["seed"] < 5 else 0.1}

    overrides = [*BASE, "seed=range(10)", "sweeper.pruner=median", "sweeper.pruning.startup_trials=5"]
    result = swept(overrides, Pretended(behave))
    assert [trial.state for trial in result.ledger.trials] == ["done"] * 5 + ["pruned"] * 5
    assert result.exit_code == 0
    assert states(swept(overrides, Pretended(behave)).ledger) == {"done": 5, "pruned": 5}


def test_a_space_of_a_choice_is_swept() -> None:
    Path("conf/experiment").mkdir(parents=True)
    Path("conf/experiment/mine.yaml").write_text(
        "# @package _global_\n"
        "defaults:\n  - digits_mlp\n"
        "sweeper:\n"
        "  params: {optimizer: [sgd, adam], seed: [0, 1]}\n"
        "  when:\n"
        "    optimizer:\n"
        "      sgd: {optimizer.momentum: [0.0, 0.5]}\n"
    )
    result = swept(["experiment=mine"])
    assert len(result.ledger.trials) == 2 * 2 + 2
    jobs = [json.loads(Path(f"sweep/{number:04d}/job.json").read_text())["config"] for number in range(6)]
    assert [(job["optimizer"]["optimizer"], job["optimizer"].get("momentum")) for job in jobs[:3]] == [
        ("sgd", 0.0),
        ("sgd", 0.5),
        ("sgd", 0.0),
    ]
    shutil.rmtree("sweep")
    assert {trial.params["seed"] for trial in swept(["experiment=mine", "seed=7,8"]).ledger.trials} == {7, 8}


def test_ctrl_c_is_written_down_and_the_trial_goes_on_later() -> None:
    def behave(config: dict[str, Any], attempt: int) -> dict[str, Any]:
        if config["seed"] == 1 and attempt == 1:
            raise KeyboardInterrupt
        return {}

    result = swept([*BASE, "seed=0,1,2"], Pretended(behave))
    assert (result.exit_code, states(result.ledger)) == (130, {"done": 1, "interrupted": 1})
    assert result.reason.startswith("Ctrl-C")
    result = swept([*BASE, "seed=0,1,2"], Pretended(behave))
    assert (result.exit_code, states(result.ledger)) == (0, {"done": 3})
    assert result.ledger.trials[1].attempts == 2


def test_sigterm_ends_the_sweep_with_75() -> None:
    def behave(config: dict[str, Any], attempt: int) -> dict[str, Any]:
        if config["seed"] == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return {}

    result = swept([*BASE, "seed=0,1,2"], Pretended(behave))
    assert (result.exit_code, states(result.ledger)) == (75, {"done": 2})


def test_a_trial_that_kills_the_sweep_again_and_again_is_given_up() -> None:
    swept([*BASE, "seed=0,1"])
    lines = (Path("sweep") / LEDGER).read_bytes().splitlines(keepends=True)
    died = b"".join([*lines[:2], *[lines[2].replace(b'"attempt": 1', b'"attempt": %d' % n) for n in range(1, 7)]])
    (Path("sweep") / LEDGER).write_bytes(died)
    shutil.rmtree("sweep/0000")
    result = swept([*BASE, "seed=0,1"])
    assert [trial.state for trial in result.ledger.trials] == ["killed", "done"]
    assert result.ledger.trials[0].failure == {
        "kind": "killed",
        "error": "the sweep was killed 6 times while this trial ran",
    }


def test_a_trial_in_this_process_that_takes_too_long_is_asked_to_end() -> None:
    def behave(config: dict[str, Any], attempt: int) -> dict[str, Any]:
        request = RunDirectory(Path("sweep/0000")).stop_request
        deadline = time.monotonic() + 20
        while config["seed"] == 0 and request() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return {"state": "failed", "failure": {"kind": request(), "error": "no"}} if config["seed"] == 0 else {}

    result = swept([*BASE, "seed=0,1", "sweeper.trial_timeout=0.2"], Pretended(behave))
    assert [trial.state for trial in result.ledger.trials] == ["timeout", "done"]
    assert result.ledger.trials[0].failure == {"kind": "timeout", "error": "no"}


def test_words_that_yaml_takes_for_numbers_are_no_change() -> None:
    overrides = [*BASE, "name='1e-3'", "seed=0,1"]
    swept(overrides)
    assert states(swept(overrides).ledger) == {"done": 2}


def test_a_file_asks_the_sweep_to_stop() -> None:
    def behave(config: dict[str, Any], attempt: int) -> dict[str, Any]:
        if config["seed"] == 2:
            (Path("sweep") / "stop").write_text("")
        return {}

    result = swept([*BASE, "seed=range(9)"], Pretended(behave))
    assert len(result.ledger.trials) == 3
    assert result.reason.startswith("labkeras sweep stop")
    assert len(swept([*BASE, "seed=range(9)"]).ledger.trials) == 9


def test_a_report_that_fails_ends_no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any) -> None:
        raise ZeroDivisionError("no")

    monkeypatch.setattr("labkeras.experiment.reports.writer.ReportWriter.trial_ended", broken)
    with pytest.warns(UserWarning, match=r"the report failed .* the sweep goes on\. Received: ZeroDivisionError: no"):
        result = swept([*BASE, "seed=0,1,2"])
    assert states(result.ledger) == {"done": 3}


@pytest.mark.slow
def test_a_sweep_imports_optuna_only_if_it_is_needed() -> None:
    program = "import sys; from labkeras.experiment.sweeps import sweep, samplers; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
