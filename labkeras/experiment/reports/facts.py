"""What reports read of a trial's folder: its learning curve, and what it was made with; once for each that ended."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from labkeras.errors import RunDirectoryError
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.sweeps.ledger import TrialRecord

__all__ = ["FactReader", "Facts"]

_UNFINISHED = ("waiting", "running")
_PROVENANCE = ("git", "packages", "python", "plugins", "hardware", "data")


@dataclass(frozen=True)
class Facts:
    """What a trial's folder holds.

    Args:
        rows: of `metrics.jsonl`, one an epoch.
        provenance: what `run.json` says of code, packages, plugins, machine and data; empty if it is not there.
        checkpoint: the best model's file, from the trial's folder; None if there is none.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: str | None = None


class FactReader:
    """Reads the folders of trials, and remembers those that ended: a report is written after each trial.

    Trials that run are not read: a report says the same, whenever it is made from the same ledger.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[tuple[str, int, str | None], Facts]] = {}

    def read(self, trial: TrialRecord) -> Facts:
        """What a trial's folder holds; files that are missing or damaged count as empty."""
        if trial.state in _UNFINISHED:
            return Facts()
        version = (trial.state, trial.attempts, trial.ended)
        known = self._known.get(trial.number)
        if known is None or known[0] != version:
            known = self._known[trial.number] = version, _read(trial)
        return known[1]


def _read(trial: TrialRecord) -> Facts:
    folder = RunDirectory(trial.directory)
    rows: list[dict[str, Any]] = []
    record: dict[str, Any] = {}
    with suppress(RunDirectoryError, OSError):
        rows = [row for row in folder.metrics() if isinstance(row, dict)]
    with suppress(RunDirectoryError, OSError):
        record = folder.record()
    provenance = {key: record[key] for key in _PROVENANCE if record.get(key) is not None}
    return Facts(rows, provenance, _checkpoint(folder))


def _checkpoint(folder: RunDirectory) -> str | None:
    try:
        names = [path.name for path in folder.checkpoints.iterdir() if path.name.startswith("best.")]
    except OSError:
        return None
    # best.json only says which of the training checkpoints it is.
    names.sort(key=lambda name: (name.endswith(".json"), name))
    return f"{folder.checkpoints.name}/{names[0]}" if names else None
