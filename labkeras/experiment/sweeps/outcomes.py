"""How a trial ended, read from what its run left in its folder."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from labkeras.errors import RunDirectoryError
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.sweeps.ledger import TrialRecord
from labkeras.experiment.sweeps.options import Objective, SweeperOptions

__all__ = ["FINAL", "Outcome", "gives_up", "is_done", "may_be_retried", "outcome_of", "reported_of"]

FINAL = ("done", "pruned", "failed")
"""States that a run comes to by itself."""

# Causes that are there the next time too; others may be gone, also those that a plugin tells apart.
_LASTING = ("not_finite", "bad_input", "plugin", "interrupted")
_OF_RESULT = ("seconds", "parameters", "epochs")


class Outcome(TypedDict):
    """What `LedgerWriter.end` takes, beside the trial and the time that it took."""

    state: str
    values: list[float] | None
    metrics: dict[str, Any]
    epochs: int | None
    parameters: int | None
    failure: dict[str, Any] | None


def outcome_of(directory: Path, exit_code: int | None, objectives: Sequence[Objective], asked: str | None) -> Outcome:
    """How an attempt ended.

    Args:
        directory: the run's folder.
        exit_code: of its process, if that is known.
        objectives: whose values are read.
        asked: why the sweep ended it: "timeout", "interrupted" or "preempted"; None if it did not.
    """
    folder = RunDirectory(directory)
    try:
        record: Mapping[str, Any] = folder.record()
        result = folder.result() or {}
    except RunDirectoryError as error:
        record, result = _without_record(error, exit_code), {}
    state, failure = str(record.get("state")), record.get("failure")
    if state == "failed" and (failure or {}).get("kind") in ("timeout", "killed"):
        state = str((failure or {})["kind"])
    if asked is not None and state not in ("done", "pruned"):
        state, failure = asked, _asked_failure(asked)
    elif state in ("created", "running"):  # its process is there, but nobody waits for it any more
        state, failure = "killed", {"kind": "killed", "error": "the process did not end"}
    outcome = _with_results(state, failure, result)
    return _with_values(outcome, result, objectives) if state == "done" else outcome


def is_done(directory: Path) -> bool:
    """Whether the run in a folder came to its end."""
    try:
        return RunDirectory(directory).record().get("state") in ("done", "pruned")
    except RunDirectoryError:
        return False


def may_be_retried(record: TrialRecord, options: SweeperOptions) -> bool:
    """Whether a trial that failed is to be started again."""
    kind = (record.failure or {}).get("kind")
    return (
        record.state in ("failed", "killed", "timeout") and kind not in _LASTING and record.failures <= options.retries
    )


def gives_up(record: TrialRecord, options: SweeperOptions) -> bool:
    """Whether a trial took the sweep down with it so often that it is not tried again."""
    return record.state == "running" and record.losses + 1 > options.max_requeues


def reported_of(directory: Path, monitor: str) -> dict[int, float]:
    """Epoch, counted from 0 → the monitored value, as a run wrote them down."""
    try:
        rows = RunDirectory(directory).metrics()
    except RunDirectoryError:
        return {}
    return {
        int(row["epoch"]) - 1: math.nan if row[monitor] is None else float(row[monitor])
        for row in rows
        if monitor in row and "epoch" in row
    }


def _without_record(error: RunDirectoryError, exit_code: int | None) -> dict[str, Any]:
    if exit_code in (None, 0):
        return {"state": "failed", "failure": {"kind": "error", "error": f"{type(error).__name__}: {error}"}}
    what = f"by signal {-exit_code}" if exit_code is not None and exit_code < 0 else f"with exit code {exit_code}"
    return {"state": "killed", "failure": {"kind": "killed", "error": f"the process ended {what} before it began"}}


def _asked_failure(asked: str) -> dict[str, Any] | None:
    if asked == "timeout":
        return {"kind": "timeout", "error": "it took longer than sweeper.trial_timeout"}
    return None


def _with_results(state: str, failure: Any, result: Mapping[str, Any]) -> Outcome:
    tested = {key: value for key, value in result.items() if key.startswith("test_")}
    return {
        "state": state,
        "values": None,
        "metrics": {**(result.get("best") or result.get("last") or {}), **tested},
        "epochs": result.get("epochs"),
        "parameters": result.get("parameters"),
        "failure": dict(failure) if isinstance(failure, Mapping) else None,
    }


def _with_values(outcome: Outcome, result: Mapping[str, Any], objectives: Sequence[Objective]) -> Outcome:
    values = []
    for one in objectives:
        # Of a row, "seconds" are those of an epoch; what is sought is what the whole run took.
        value = result.get(one.monitor) if one.monitor in _OF_RESULT else outcome["metrics"].get(one.monitor)
        if isinstance(value, int | float) and math.isfinite(value):
            values.append(float(value))
            continue
        known = ", ".join([*outcome["metrics"], *_OF_RESULT])
        is_there = one.monitor in outcome["metrics"] or one.monitor in result
        outcome["state"] = "failed"
        outcome["failure"] = (
            {"kind": "not_finite", "error": f"{one.monitor} is not a finite number"}
            if is_there
            else {"kind": "bad_input", "error": f"the run has no value {one.monitor!r}; it has {known}"}
        )
        return outcome
    outcome["values"] = values
    return outcome
