"""A sweep that there is already: how it goes, going on with it, asking it to stop."""

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkeras.errors import RunDirectoryError
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.runs.lock import is_locked, lock_holder
from labkeras.experiment.sweeps.axes import override_text
from labkeras.experiment.sweeps.ledger import Ledger, read_ledger
from labkeras.experiment.sweeps.names import LOCK, STOP
from labkeras.experiment.sweeps.request import SweepRequest, SweepResult, continuing
from labkeras.plugins.choice import split_words
from labkeras.plugins.manager import use_plugins

if TYPE_CHECKING:
    from labkeras.experiment.launchers.launcher import Launcher

__all__ = ["resume_sweep", "status_of", "stop_sweep"]

_STATES = ("done", "pruned", "running", "waiting", "interrupted", "preempted", "failed", "killed", "timeout")


def status_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    """How a sweep goes, as plain values.

    Args:
        path: the sweep's folder.

    Returns:
        "sweep_dir", "name", "driven_by" (pid and host of the process that works at it, or None), "states" (state → how
        many trials), "failures" (cause → how many), "best" (number, values, params and overrides of the best trial, or
        None), "objectives", "seconds" that the trials took, "stopped" (reason and time, or None), "updated", and
        "continue_with", the command that goes on with it.

    Raises:
        RunDirectoryError: if there is no sweep in the folder.
    """
    ledger = read_ledger(path)
    states = Counter(trial.state for trial in ledger.trials)
    failed = ledger.of_state("failed", "killed", "timeout")
    return {
        "sweep_dir": str(ledger.path),
        "name": ledger.spec.get("name"),
        "driven_by": _driver(ledger.path),
        "states": {state: states[state] for state in _STATES if states[state]},
        "failures": dict(Counter(str((trial.failure or {}).get("kind", trial.state)) for trial in failed)),
        "best": _best(ledger),
        "objectives": ledger.objectives,
        "seconds": round(sum(trial.seconds for trial in ledger.trials), 3),
        "stopped": ledger.stopped,
        "updated": ledger.updated,
        "continue_with": continuing(ledger.spec.get("command") or [], ledger.path),
    }


def resume_sweep(path: str | os.PathLike[str], launcher: "Launcher | None" = None) -> SweepResult:
    """Goes on with a sweep, by the command that started it, in the folder where that was given.

    Args:
        path: the sweep's folder.
        launcher: where trials run; the one that the command asks for unless given.

    Raises:
        ConfigError, RunDirectoryError: as `sweep` does.
    """
    from labkeras.experiment.sweeps.sweep import sweep  # imports torch; a look at the status does without

    folder = Path(path).resolve()
    spec = read_ledger(folder).spec
    request = SweepRequest(
        [*_without_folder(spec["overrides"]), f"sweep_dir={override_text(str(folder))}"],
        spec.get("command") or [],
        spec["config_name"],
        spec.get("config_dir"),
    )
    before = Path.cwd()
    if Path(spec.get("cwd") or before).is_dir():
        os.chdir(spec.get("cwd") or before)
    use_plugins(split_words(spec.get("command") or [])[1])
    try:
        return sweep(request, launcher)
    finally:
        os.chdir(before)


def stop_sweep(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Asks a sweep to end; trials that run write a checkpoint and end too.

    Args:
        path: the sweep's folder.

    Returns:
        Pid and host of the process that was asked.

    Raises:
        RunDirectoryError: if there is no sweep in the folder, or no process works at it.
    """
    ledger = read_ledger(path)
    driver = _driver(ledger.path)
    if driver is None:
        raise RunDirectoryError(f"no process works at this sweep. Received: sweep_dir={str(ledger.path)!r}")
    (ledger.path / STOP).touch()
    for trial in ledger.of_state("running"):
        RunDirectory(trial.directory).request_stop("stopped")
    return driver


def _driver(folder: Path) -> dict[str, Any] | None:
    return lock_holder(folder / LOCK) if is_locked(folder / LOCK) else None


def _best(ledger: Ledger) -> dict[str, Any] | None:
    best = ledger.best()
    if best is None:
        return None
    return {
        "trial": best.number,
        "run_dir": str(best.directory),
        "values": best.values,
        "params": best.params,
        "overrides": best.overrides,
    }


def _without_folder(overrides: list[str]) -> list[str]:
    return [line for line in overrides if line.lstrip("+").partition("=")[0] != "sweep_dir"]
