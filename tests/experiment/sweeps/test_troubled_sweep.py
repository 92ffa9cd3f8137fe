"""A sweep of real runs in processes: errors, hangs, kills, of the trials and of the sweep itself."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from labkeras.experiment.sweeps.ledger import LEDGER, Ledger, read_ledger
from tests.helpers.processes import environment
from tests.helpers.troubled_sweep import COMPLETED, DIE, HANG, MEMORY, NAN, RAISE

ROOT = Path(__file__).parents[3]
TIMEOUT = 25
BASE = ["experiment=digits_mlp", "fit.epochs=3", "logger=none", "sweep_dir=sweep", "launcher=local"]

pytestmark = pytest.mark.slow


def started(folder: Path, *overrides: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.helpers.troubled_sweep", *BASE, *overrides]
    variables = environment() | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (folder / "output.txt").open("ab") as output:
        variables |= {COMPLETED: str(folder / "completed.txt")}
        return subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=output)


def ended(folder: Path) -> int:
    try:
        return (folder / "sweep" / LEDGER).read_text().count('"event": "end"')
    except FileNotFoundError:
        return 0


def wait_for(process: subprocess.Popen[bytes], folder: Path, ends: int, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while ended(folder) < ends:
        assert process.poll() is None, (folder / "output.txt").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def finish(process: subprocess.Popen[bytes], folder: Path) -> tuple[int, Ledger]:
    code = process.wait(300)
    return code, read_ledger(folder / "sweep")


def completed(folder: Path) -> Counter[int]:
    return Counter(map(int, (folder / "completed.txt").read_text().split()))


@pytest.mark.timeout(900)
def test_twenty_trials_in_trouble_and_a_sweep_that_is_killed_twice(tmp_path: Path) -> None:
    overrides = [
        "callbacks=trouble",
        "callbacks.trouble.number=shuffle(range(20))",
        "launcher.workers=2",
        f"sweeper.trial_timeout={TIMEOUT}",
    ]
    for ends in (4, 10):
        process = started(tmp_path, *overrides)
        wait_for(process, tmp_path, ends)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    code, ledger = finish(started(tmp_path, *overrides), tmp_path)
    assert code == 1, (tmp_path / "output.txt").read_text()
    trials = {trial.params["callbacks.trouble.number"]: trial for trial in ledger.trials}
    assert sorted(trials) == list(range(20))
    assert ledger.sessions == 3
    assert Counter(trial.state for trial in trials.values()) == {"done": 12, "failed": 5, "timeout": 2, "killed": 1}
    causes = {number: (trial.failure or {}).get("kind") for number, trial in trials.items()}
    assert [causes[number] for number in RAISE] == ["error"] * 3
    assert [causes[number] for number in HANG] == ["timeout"] * 2
    assert (causes[DIE], causes[MEMORY], causes[NAN]) == ("killed", "out_of_memory", "not_finite")
    assert all(causes[number] is None and trials[number].values for number in range(8, 20))
    for number in HANG:
        assert TIMEOUT <= trials[number].seconds < TIMEOUT + 5
    # None is trained to its end twice; those in trouble never are.
    assert completed(tmp_path) == dict.fromkeys(range(8, 20), 1)


@pytest.mark.timeout(600)
def test_ctrl_c_lets_trials_write_checkpoints_and_the_sweep_goes_on(tmp_path: Path) -> None:
    overrides = ["seed=0,1,2", "fit.epochs=400", "launcher.workers=2"]
    process = started(tmp_path, *overrides)
    rows = [tmp_path / "sweep" / f"{number:04d}" / "metrics.jsonl" for number in (0, 1)]
    deadline = time.monotonic() + 200
    while not all(path.exists() for path in rows):
        assert time.monotonic() < deadline, (tmp_path / "output.txt").read_text()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    before = time.monotonic()
    code, ledger = finish(process, tmp_path)
    assert time.monotonic() - before < 30
    assert code == 130
    assert [trial.state for trial in ledger.trials] == ["interrupted", "interrupted"]
    assert ledger.stopped is not None
    for trial in ledger.trials:
        assert list((trial.directory / "checkpoints").iterdir())


@pytest.mark.timeout(600)
def test_trials_in_other_processes_are_pruned(tmp_path: Path) -> None:
    overrides = [
        "optimizer.learning_rate=0.01,0.005,0.003,1e-9,1e-10",
        "fit.epochs=20",
        "launcher.workers=1",
        "sweeper.pruner=median",
        "sweeper.pruning.startup_trials=3",
        "sweeper.pruning.warmup_steps=1",
    ]
    code, ledger = finish(started(tmp_path, *overrides), tmp_path)
    assert code == 0, (tmp_path / "output.txt").read_text()
    assert [trial.state for trial in ledger.trials] == ["done"] * 3 + ["pruned"] * 2
    assert all((trial.epochs or 0) < 20 for trial in ledger.trials[3:])
