"""A job: a run that somebody else resolved, as a folder with `job.json` in it.

    python -m labkeras.experiment.job runs/sweeps/digits_mlp/20260131-235959-abcd/0007

Trials of a sweep run this way, wherever they run: they load what was resolved, and never compose again.
"""

import json
import math
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labkeras.errors import FileFormatError, LabkerasError, exit_code_of
from labkeras.experiment.launchers.ranks import RESUME, end_with_parent, is_rank, processes_of, run_ranks
from labkeras.experiment.process_state import process_state_kept
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.runs.one_run import run
from labkeras.experiment.sweeps.trial import Trial
from labkeras.files import atomic_write
from labkeras.saving.strict_json import read_json

__all__ = ["JOB", "main", "run_job", "write_job"]

JOB = "job.json"
"""The file in a trial's folder that says what to run."""

_VERSION = 1
# The one key of an object that stands for something else.
_FLOAT, _PAIRS = "$float", "$pairs"


def write_job(
    directory: Path, config: Mapping[str, Any], overrides: Sequence[str], *, sweep: Path, trial: int, attempt: int
) -> None:
    """Writes `job.json` into a trial's folder.

    Args:
        directory: the folder; it exists.
        config: the whole config, resolved.
        overrides: what it was composed with.
        sweep: the sweep's folder.
        trial: its number.
        attempt: which one it is, from 1.
    """
    job = {"version": _VERSION, "sweep": str(sweep), "trial": trial, "attempt": attempt, "overrides": list(overrides)}
    # It need not survive a power cut: the next attempt has it written anew.
    with atomic_write(directory / JOB, durable=False) as file:
        file.write(json.dumps({**job, "config": _encoded(config)}, ensure_ascii=False) + "\n")


def run_job(directory: Path, trial: Trial | None = None) -> int:
    """Runs the job in a folder, or goes on with it if it was broken off; its results are in the folder.

    Args:
        directory: the trial's folder.
        trial: what the run reports to.

    Returns:
        The exit code. Errors are written into the run's folder, and not raised.

    Raises:
        KeyboardInterrupt: at Ctrl-C.
    """
    try:
        job = _read_job(directory)
        config = _decoded(job["config"])
        processes = 1 if is_rank() else processes_of(config)
        if processes > 1:
            return run_ranks(directory, processes)
        with process_state_kept():
            run(config, job["overrides"], directory, resume=_is_begun(directory), trial=trial)
    except Exception as error:
        _leave_record(directory, error)
        return exit_code_of(error)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m labkeras.experiment.job DIR`; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) != 1:
        print(f"usage: python -m labkeras.experiment.job DIR. Received: {given}", file=sys.stderr)
        return 2
    end_with_parent()
    try:
        return run_job(Path(given[0]))
    except KeyboardInterrupt as error:
        return exit_code_of(error)


def _read_job(directory: Path) -> dict[str, Any]:
    path = directory / JOB
    try:
        job = read_json(path.read_bytes(), str(path))
    except OSError as error:
        raise FileFormatError(f"there is no job in the folder: {error}. Received: {str(directory)!r}") from error
    if job.get("version") != _VERSION or not isinstance(job.get("config"), dict):
        raise FileFormatError(f"{path} is no job of this version. Received: version={job.get('version')!r}")
    return job


def _is_begun(directory: Path) -> bool:
    given = os.environ.get(RESUME)
    return RunDirectory(directory).is_begun if given is None else given == "1"


def _encoded(value: Any) -> Any:
    """A config as JSON can hold it, which knows neither infinity and NaN nor keys that are numbers."""
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: str(value)}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: _encoded(item) for key, item in value.items()}
        return {_PAIRS: [[key, _encoded(item)] for key, item in value.items()]}
    return [_encoded(item) for item in value] if isinstance(value, list | tuple) else value


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {_FLOAT}:
            return float(value[_FLOAT])
        items = value[_PAIRS] if set(value) == {_PAIRS} else value.items()
        return {key: _decoded(item) for key, item in items}
    return [_decoded(item) for item in value] if isinstance(value, list) else value


def _leave_record(directory: Path, error: Exception) -> None:
    """Says in the folder what went wrong before the run could."""
    folder = RunDirectory(directory)
    if (directory / "run.json").exists() or not directory.is_dir() or os.environ.get("LOCAL_RANK", "0") != "0":
        return
    now = datetime.now(UTC).isoformat(timespec="seconds")
    kind = "bad_input" if isinstance(error, LabkerasError) else "error"
    folder.write_record(
        {
            "version": _VERSION,
            "id": directory.name,
            "state": "failed",
            "created": now,
            "ended": now,
            "exit_code": exit_code_of(error),
            "failure": {"kind": kind, "error": f"{type(error).__name__}: {error}"},
        }
    )
    (directory / "logs").mkdir(exist_ok=True)
    (directory / "logs" / "error.txt").write_text("".join(traceback.format_exception(error)), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
