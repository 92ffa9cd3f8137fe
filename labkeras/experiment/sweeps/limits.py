"""When a sweep has had enough: time, failures, no better trial, a target that was reached."""

import time
from collections.abc import Sequence

from labkeras.experiment.sweeps.ledger import Ledger, TrialRecord
from labkeras.experiment.sweeps.options import Objective, SweeperOptions
from labkeras.experiment.sweeps.outcomes import may_be_retried

__all__ = ["Limits"]

# A fraction of few trials says little.
_FEWEST_FOR_FRACTION = 10


class Limits:
    """Looks at a ledger for a reason to start no further trial.

    Args:
        ledger: as it grows.
        options: with the limits.
        objectives: what is sought.
    """

    def __init__(self, ledger: Ledger, options: SweeperOptions, objectives: Sequence[Objective]) -> None:
        self._ledger = ledger
        self._options = options
        self._sign = -1.0 if objectives[0].mode == "max" else 1.0
        self._start = time.monotonic()
        self._ended = -1
        self._reason: str | None = None

    def reached(self) -> str | None:
        """The reason, or None."""
        wall_time = self._options.wall_time
        if wall_time is not None and time.monotonic() - self._start > wall_time:
            return f"sweeper.wall_time: {wall_time:g} seconds are over"
        ended = sum(trial.is_finished for trial in self._ledger.trials) if self._has_others() else 0
        if ended != self._ended:
            self._ended = ended
            self._reason = self._failures() or self._target() or self._patience()
        return self._reason

    def _has_others(self) -> bool:
        """Whether it matters how trials ended: looking at all of them takes longer than running a tiny one."""
        options = self._options
        return options.on_failure == "stop" or any(
            limit is not None for limit in (options.max_failures, options.target, options.patience)
        )

    def _failures(self) -> str | None:
        failed = [
            trial
            for trial in self._ledger.of_state("failed", "killed", "timeout")
            if not may_be_retried(trial, self._options)
        ]
        if failed and self._options.on_failure == "stop":
            return f"sweeper.on_failure=stop: trial {failed[-1].number} failed"
        most = self._options.max_failures
        if most is None or not failed:
            return None
        if most >= 1:
            return f"sweeper.max_failures: {len(failed)} trials failed" if len(failed) >= most else None
        if self._ended >= _FEWEST_FOR_FRACTION and len(failed) > most * self._ended:
            return f"sweeper.max_failures: {len(failed)} of {self._ended} trials failed"
        return None

    def _target(self) -> str | None:
        best = self._ledger.best()
        target = self._options.target
        if target is None or best is None or not best.values or self._sign * best.values[0] > self._sign * target:
            return None
        return f"sweeper.target: trial {best.number} has {best.values[0]:g}"

    def _patience(self) -> str | None:
        best, patience = self._ledger.best(), self._options.patience
        if patience is None or best is None:
            return None
        later = [trial for trial in self._ledger.trials if trial.is_finished and _ended_after(trial, best)]
        if len(later) < patience:
            return None
        return f"sweeper.patience: {len(later)} trials after trial {best.number} were no better"


def _ended_after(trial: TrialRecord, best: TrialRecord) -> bool:
    return (trial.ended or "", trial.number) > (best.ended or "", best.number)
