"""Trials in the worker processes of joblib."""

import os
import signal
from concurrent.futures import Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from labkeras.errors import ConfigError
from labkeras.experiment.launchers.pool_job import PoolJob
from labkeras.experiment.launchers.task import PID, run_task, run_task_of
from labkeras.experiment.sweeps.trial import Trial
from labkeras.ranges import Range

__all__ = ["Joblib"]

_PATIENCE = 10.0


class Joblib:
    """Runs trials in joblib's pool of processes (loky).

    A trial whose process dies takes those beside it down with it, as joblib then ends its pool; they count as killed.
    `launcher=local` keeps trials apart.

    Args:
        workers: how many trials at once; one a processor core unless given.

    Raises:
        ConfigError: if joblib is not installed.
    """

    def __init__(self, workers: Annotated[int, Range(at_least=1)] | None = None) -> None:
        try:
            from joblib.externals import loky
        except ImportError as error:
            raise ConfigError(
                ["launcher.kind='joblib': joblib is not installed: pip install 'labkeras[joblib]'"]
            ) from error
        self._loky: Any = loky
        self.slots = workers or loky.cpu_count()
        """How many trials run at once."""

    def start(self, directory: Path, trial: Trial | None) -> PoolJob:
        """Hands a trial's folder to the pool."""
        # Made anew by loky itself if a process died.
        pool = self._loky.get_reusable_executor(max_workers=self.slots, timeout=300)
        future = pool.submit(run_task_of, os.getpid(), run_task, str(directory.resolve()))
        return PoolJob(directory, future.done, future.result, lambda: _kill(directory, future))

    def close(self) -> None:
        """Ends the pool."""
        self._loky.get_reusable_executor(max_workers=self.slots, timeout=300).shutdown(wait=True, kill_workers=True)


def _kill(directory: Path, future: "Future[int]") -> None:
    with suppress(OSError, ValueError):  # it had not begun, or is gone
        os.kill(int((directory / "logs" / PID).read_text().split()[0]), signal.SIGKILL)
    wait([future], _PATIENCE)  # until the pool has seen it, it would take further trials and lose them
