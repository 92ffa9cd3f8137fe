"""The ledger of a sweep: every line counts, a torn one is as if it was never written."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from labkeras.errors import FileFormatError, RunDirectoryError
from labkeras.experiment.sweeps.ledger import LEDGER, LedgerWriter, TrialRecord, read_ledger

SPEC = {"name": "digits", "objectives": [{"monitor": "val_accuracy", "mode": "max"}]}


@pytest.fixture
def writer(tmp_path: Path) -> LedgerWriter:
    return LedgerWriter.create(tmp_path, SPEC)


def filled(writer: LedgerWriter, values: list[float | None]) -> None:
    for number, value in enumerate(values):
        writer.trial({"seed": number}, [f"seed={number}"])
        writer.attempt(number)
        if value is not None:
            writer.end(number, "done", values=[value], seconds=1.25, epochs=3)


def test_what_is_written_is_read(writer: LedgerWriter, tmp_path: Path) -> None:
    writer.session(["labkeras", "train", "-m", "seed=0,1"])
    writer.trial({"optimizer": "adam", "optimizer.learning_rate": 0.1}, ["optimizer=adam"])
    writer.attempt(0)
    failure = {"kind": "error", "error": "ValueError: no"}
    writer.end(0, "failed", seconds=2.0, failure=failure)
    writer.attempt(0)
    writer.end(0, "done", values=[0.9], metrics={"val_accuracy": 0.9}, seconds=1.0, epochs=3, parameters=12)
    writer.trial({"optimizer": "sgd"}, ["optimizer=sgd"])
    writer.stop("Ctrl-C")
    ledger = read_ledger(tmp_path)
    assert ledger.trials == writer.ledger.trials
    first, second = ledger.trials
    assert (first.state, first.attempts, first.failures, first.seconds) == ("done", 2, 1, 3.0)
    assert (first.values, first.metrics, first.epochs, first.parameters) == ([0.9], {"val_accuracy": 0.9}, 3, 12)
    assert first.failure is None
    assert first.directory == tmp_path / "0000"
    assert (second.state, second.attempts, second.is_finished) == ("waiting", 0, False)
    assert (ledger.sessions, ledger.spec, ledger.stopped and ledger.stopped["reason"]) == (1, SPEC, "Ctrl-C")
    assert all(json.loads(line)["time"] for line in (tmp_path / LEDGER).read_text().splitlines())


def test_a_line_that_was_torn_is_ignored_and_cut_off(writer: LedgerWriter, tmp_path: Path) -> None:
    filled(writer, [0.5, 0.6])
    writer.close()
    file = tmp_path / LEDGER
    whole = file.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    for length in range(len(whole) - last, len(whole)):
        file.write_bytes(whole[:length])
        assert [trial.state for trial in read_ledger(tmp_path).trials] == ["done", "running"]
        again = LedgerWriter(tmp_path)
        assert file.stat().st_size == len(whole) - last
        again.end(1, "done", values=[0.7])
        again.close()
        assert read_ledger(tmp_path).trials[1].values == [0.7]


def test_zeros_that_a_power_cut_leaves_are_cut_off(writer: LedgerWriter, tmp_path: Path) -> None:
    filled(writer, [0.5])
    with (tmp_path / LEDGER).open("ab") as file:
        file.write(b"\0" * 50 + b"\n")
    assert len(read_ledger(tmp_path).trials) == 1
    LedgerWriter(tmp_path).close()
    assert b"\0" not in (tmp_path / LEDGER).read_bytes()


@pytest.mark.parametrize("damage", ["{", "[]", "1", '{"event":"end","trial":7}', '{"event":"trial"}'])
def test_a_line_that_is_damaged_is_named(writer: LedgerWriter, tmp_path: Path, damage: str) -> None:
    filled(writer, [0.5, 0.6])
    lines = (tmp_path / LEDGER).read_text().splitlines()
    lines[3] = damage
    (tmp_path / LEDGER).write_text("\n".join(lines) + "\n")
    with pytest.raises(FileFormatError, match="line 4 of the ledger is damaged"):
        read_ledger(tmp_path)


def test_events_of_a_later_version_are_passed_over(writer: LedgerWriter, tmp_path: Path) -> None:
    filled(writer, [0.5])
    with (tmp_path / LEDGER).open("a") as file:
        file.write('{"event":"applause","time":"2030-01-01T00:00:00+00:00"}\n')
    assert read_ledger(tmp_path).updated == "2030-01-01T00:00:00+00:00"


def test_a_folder_without_a_sweep_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match=r"no sweep is in this folder: it has no sweep\.yaml\. Received: sweep"):
        read_ledger(tmp_path)


@pytest.mark.parametrize(("mode", "best"), [("max", 2), ("min", 1)])
def test_the_best_trial_is_that_of_the_objective(tmp_path: Path, mode: str, best: int) -> None:
    writer = LedgerWriter.create(tmp_path, {"objectives": [{"monitor": "x", "mode": mode}]})
    assert writer.ledger.best() is None
    filled(writer, [0.5, 0.1, 0.9, 0.9, None])
    found = writer.ledger.best()
    assert found is not None
    assert found.number == best


def test_trials_that_differ_in_the_seed_alone_are_one_group(writer: LedgerWriter) -> None:
    for rate in (0.1, 0.2):
        for seed in (0, 1, 2):
            writer.trial({"seed": seed, "optimizer.learning_rate": rate}, [])
    groups = writer.ledger.without("seed")
    assert [[trial.number for trial in group] for group in groups] == [[0, 1, 2], [3, 4, 5]]


def test_a_trial_that_the_sweep_died_with_has_lost_an_attempt(writer: LedgerWriter) -> None:
    writer.trial({}, [])
    for _ in range(3):
        writer.attempt(0)
    writer.end(0, "interrupted")
    writer.attempt(0)
    trial = writer.ledger.trials[0]
    assert (trial.attempts, trial.losses, trial.failures) == (4, 2, 0)


def test_ten_thousand_trials_open_in_less_than_two_seconds(writer: LedgerWriter, tmp_path: Path) -> None:
    event: dict[str, Any] = {"time": "2026-01-31T23:59:59.000+00:00"}
    params = {"optimizer.learning_rate": 0.1, "optimizer": "adam", "model.layers.h1.units": 64, "seed": 3}
    metrics = dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy", "test_loss"), 0.123456789)
    with (tmp_path / LEDGER).open("w") as file:
        for number in range(10_000):
            overrides = [f"{key}={value}" for key, value in params.items()]
            start = {
                "event": "trial",
                "trial": number,
                "dir": f"{number:04d}",
                "params": params,
                "overrides": overrides,
            }
            end = {"event": "end", "trial": number, "attempt": 1, "state": "done", "values": [0.5], "metrics": metrics}
            for one in (start, {"event": "attempt", "trial": number, "attempt": 1}, {**end, "seconds": 1.0}):
                file.write(json.dumps({**one, **event}) + "\n")
    before = time.perf_counter()
    trials = read_ledger(tmp_path).trials
    assert time.perf_counter() - before < 2
    assert len(trials) == 10_000
    assert isinstance(trials[-1], TrialRecord)
