"""What runs the trials of a sweep: each is a folder with a job in it, and leaves its results there."""

from pathlib import Path
from typing import Protocol

from labkeras.experiment.sweeps.trial import Trial

__all__ = ["Job", "Launcher"]


class Job(Protocol):
    """A trial that was started. Its results are in its folder, whoever ran it."""

    @property
    def exit_code(self) -> int | None:
        """None while it runs; then 0 for done, or another code, of which `labkeras --help` tells the meaning."""

    def poll(self) -> bool:
        """Whether it is over."""

    def stop(self, grace: float) -> None:
        """Ends it: asks first, and insists after a while.

        Args:
            grace: seconds that it has to write a checkpoint.
        """


class Launcher(Protocol):
    """Starts trials, so many at a time."""

    @property
    def slots(self) -> int:
        """How many trials may run at once."""

    def start(self, directory: Path, trial: Trial | None) -> Job:
        """Starts the job in a folder.

        Args:
            directory: the trial's folder, with its `job.json`.
            trial: what the run reports to if it runs within this process; no other launcher has a use for it.
        """

    def close(self) -> None:
        """Ends what still runs, and gives back what was taken."""
