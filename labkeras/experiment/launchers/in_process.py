"""Trials one after the other in this process: nothing is imported twice."""

from dataclasses import dataclass
from pathlib import Path

from labkeras.experiment.sweeps.trial import Trial

__all__ = ["InProcess"]


@dataclass
class _Over:
    """A job that was over before anybody could ask."""

    exit_code: int

    def poll(self) -> bool:
        return True

    def stop(self, grace: float) -> None:
        pass


class InProcess:
    """Runs each trial to its end when it is started. Ctrl-C and SIGTERM end the sweep as they end a run."""

    slots = 1

    def start(self, directory: Path, trial: Trial | None) -> _Over:
        """Runs the job in a folder to its end."""
        from labkeras.experiment.job import run_job  # imports torch, which the check of a config does without

        return _Over(run_job(directory, trial))

    def close(self) -> None:
        """Nothing is left to end."""
