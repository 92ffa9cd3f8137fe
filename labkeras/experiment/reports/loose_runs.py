"""Runs that belong to no sweep, as the ledger of one."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from labkeras.errors import RunDirectoryError
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.sweeps.ledger import Ledger, TrialRecord

__all__ = ["ledger_of_runs"]

# What differs between any two runs, and decides nothing.
_NOT_CHOICES = ("run_dir", "name", "sweep_dir", "resume", "launcher", "sweeper", "checkpoint", "logger", "pictures")


def ledger_of_runs(
    paths: Sequence[str | os.PathLike[str]], folder: Path | None = None
) -> tuple[Ledger, dict[int, str]]:
    """A ledger whose trials are the runs, and whose parameters are the keys of their configs.

    Args:
        paths: of the runs' folders.
        folder: where reports go; the paths in them start there.

    Returns:
        The ledger, and number → path of the run.

    Raises:
        RunDirectoryError: if a folder is no run's, or the runs sought different things.
    """
    runs = [RunDirectory.open(path) for path in dict.fromkeys(Path(path) for path in paths)]
    results = [run.result() or {} for run in runs]
    objectives = _objectives(results)
    trials = [
        _trial(index, run, result, objectives) for index, (run, result) in enumerate(zip(runs, results, strict=True))
    ]
    start = (folder or Path.cwd()).resolve()
    labels = {index: os.path.relpath(run.path, start) for index, run in enumerate(runs)}
    spec = {"name": "runs", "objectives": objectives, "space": []}
    ended = max((trial.ended for trial in trials if trial.ended), default=None)
    return Ledger(
        start, spec, trials, stopped={"reason": "these runs were chosen", "time": ended}, updated=ended
    ), labels


def _objectives(results: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    found = {(result["monitor"], result["mode"]) for result in results if result.get("monitor") and result.get("mode")}
    if len(found) > 1:
        names = ", ".join(f"{monitor} ({mode})" for monitor, mode in sorted(found))
        raise RunDirectoryError(f"the runs cannot be ranked: they monitored different values. Received: {names}")
    return [{"monitor": monitor, "mode": mode} for monitor, mode in found]


def _trial(
    number: int, run: RunDirectory, result: Mapping[str, Any], objectives: Sequence[Mapping[str, str]]
) -> TrialRecord:
    record = run.record()
    best = result.get("best") or {}
    return TrialRecord(
        number,
        run.path,
        dict(_flat(run.config(), "")),
        run.overrides(),
        state=str(record.get("state")),
        attempts=1 + len(record.get("resumed") or []),
        values=[best[one["monitor"]] for one in objectives if one["monitor"] in best] or None,
        metrics={**best, **{key: value for key, value in result.items() if key.startswith("test_")}},
        seconds=float(record.get("seconds") or 0.0),
        epochs=result.get("epochs"),
        parameters=result.get("parameters"),
        failure=record.get("failure"),
        created=record.get("created"),
        started=record.get("started"),
        ended=record.get("ended"),
    )


def _flat(config: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if not path and key in _NOT_CHOICES:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value
