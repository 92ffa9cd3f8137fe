"""What plugins hear of a sweep."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labkeras.experiment.sweeps.ledger import TrialRecord
from labkeras.experiment.sweeps.options import Objective
from labkeras.plugins import hooks
from labkeras.plugins.subjects import Sweep, Trial

__all__ = ["Telling", "sweep_subject", "trial_subject"]


def sweep_subject(directory: Path, name: str | None, objectives: Sequence[Any]) -> Sweep:
    """A sweep as hooks see it.

    Args:
        directory: its folder.
        name: of the experiment.
        objectives: each with `monitor` and `mode`.
    """
    return Sweep(directory, name or "", tuple((one.monitor, one.mode) for one in objectives))


def trial_subject(record: TrialRecord) -> Trial:
    """A trial as hooks see it."""
    return Trial(
        record.number,
        record.directory,
        dict(record.params),
        record.state,
        None if record.values is None else tuple(record.values),
        dict(record.metrics),
        record.seconds,
        record.failure,
    )


class Telling:
    """Tells plugins how a sweep goes.

    Args:
        directory: of the sweep.
        name: of the experiment.
        objectives: what is sought.
    """

    def __init__(self, directory: Path, name: str | None, objectives: Sequence[Objective]) -> None:
        self._sweep = sweep_subject(directory, name, objectives)

    def trial_started(self, record: TrialRecord) -> None:
        """Nothing is told of it."""

    def trial_progress(self, number: int, row: dict[str, Any]) -> None:
        """Nothing is told of it."""

    def trial_ended(self, record: TrialRecord) -> None:
        """An attempt ended."""
        hooks.observe("labkeras_trial_end", trial=trial_subject(record), sweep=self._sweep)

    def refresh(self) -> None:
        """Nothing is told of it."""

    def close(self) -> None:
        """Nothing is told of it: `sweep_ended` has the reason."""

    def sweep_ended(self, records: Sequence[TrialRecord], reason: str) -> None:
        """The sweep ended, for now or for good.

        Args:
            records: of all trials.
            reason: why.
        """
        trials = [trial_subject(record) for record in records]
        hooks.observe("labkeras_sweep_end", sweep=self._sweep, trials=trials, reason=reason)
