"""A trial in somebody else's pool or cluster."""

import time
from collections.abc import Callable
from pathlib import Path

from labkeras.experiment.runs.directory import RunDirectory

__all__ = ["LOST", "PoolJob"]

LOST = -9
"""The exit code of a trial whose process was killed or lost."""


class PoolJob:
    """A trial that a pool or cluster runs.

    It is asked to end by a file in its folder, which reaches every machine that shares the disk.

    Args:
        directory: the trial's folder.
        is_over: whether the pool is done with it.
        outcome: what it returned; raises if it did not come to that.
        kill: ends it now.
    """

    def __init__(
        self, directory: Path, is_over: Callable[[], bool], outcome: Callable[[], int], kill: Callable[[], object]
    ) -> None:
        self.exit_code: int | None = None
        self._directory = directory
        self._is_over = is_over
        self._outcome = outcome
        self._kill = kill
        self._deadline: float | None = None

    def poll(self) -> bool:
        """Whether it is over; ends it if it was asked to and did not."""
        if self.exit_code is not None:
            return True
        if self._is_over():
            self.exit_code = self._code()
        elif self._deadline is not None and time.monotonic() > self._deadline:
            self._kill()
            self.exit_code = LOST
        return self.exit_code is not None

    def stop(self, grace: float) -> None:
        """Asks it to end."""
        if self.exit_code is None and self._deadline is None:
            folder = RunDirectory(self._directory)
            if folder.stop_request() is None:
                folder.request_stop("stopped")
            self._deadline = time.monotonic() + grace

    def _code(self) -> int:
        try:
            return self._outcome()
        except Exception:  # each library has its own for a worker that was killed, lost or could not start
            return LOST
