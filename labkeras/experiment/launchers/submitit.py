"""Trials as jobs of a Slurm cluster, by submitit."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from labkeras.errors import ConfigError
from labkeras.experiment.launchers.pool_job import PoolJob
from labkeras.experiment.launchers.task import run_task
from labkeras.experiment.sweeps.trial import Trial
from labkeras.ranges import Range

__all__ = ["Submitit"]

_PATIENCE = 10.0  # seconds in which submitit's stand-in for Slurm ends a process
_AtLeastOne = Annotated[int, Range(at_least=1)]


class Submitit:
    """Submits each trial as a job of its own; a job that Slurm preempts is submitted again and goes on.

    The sweep itself runs where it was started, on the login node say, and needs no card.

    Args:
        sweep_dir: the sweep's folder, on a disk that all machines share; submitit's files go to `.submitit` there.
        cluster: "slurm", or "local" for processes of this machine, to try it out; what is there unless given.
        workers: how many trials are with Slurm at once.
        partition: of the cluster.
        account: that is charged.
        timeout_min: minutes that each job has.
        cpus: processor cores of each.
        gpus: graphics cards of each.
        mem_gb: memory of each, in GB.
        more: further parameters, as submitit names them: {"slurm_constraint": "a100"}.

    Raises:
        ConfigError: if submitit is not installed, or refuses a parameter.
    """

    def __init__(
        self,
        sweep_dir: Path,
        cluster: str | None = None,
        workers: _AtLeastOne = 16,
        partition: str | None = None,
        account: str | None = None,
        timeout_min: _AtLeastOne = 60,
        cpus: _AtLeastOne = 4,
        gpus: Annotated[int, Range(at_least=0)] = 0,
        mem_gb: Annotated[float, Range(above=0)] = 16,
        more: dict[str, Any] | None = None,
    ) -> None:
        try:
            import submitit
        except ImportError as error:
            raise ConfigError(
                ["launcher.kind='submitit': submitit is not installed: pip install 'labkeras[slurm]'"]
            ) from error
        self.slots = workers
        """How many trials run, or wait for Slurm, at once."""
        named = {"slurm_partition": partition, "slurm_account": account}
        parameters = {
            "name": sweep_dir.name,
            "timeout_min": timeout_min,
            "cpus_per_task": cpus,
            "gpus_per_node": gpus,
            "mem_gb": mem_gb,
            **{name: value for name, value in named.items() if value is not None},
            **(more or {}),
        }
        try:
            self._executor = submitit.AutoExecutor(sweep_dir / ".submitit", cluster=cluster)
            self._executor.update_parameters(**parameters)
        except (ValueError, TypeError, NameError, RuntimeError) as error:
            raise ConfigError([f"launcher: submitit refuses this: {error}"]) from error
        self._submitted: list[Any] = []

    def start(self, directory: Path, trial: Trial | None) -> PoolJob:
        """Submits a trial."""
        job = self._executor.submit(_Task(run_task), str(directory.resolve()))
        self._submitted.append(job)
        return PoolJob(directory, job.done, job.result, lambda: self._cancel(job))

    def close(self) -> None:
        """Cancels what still waits or runs."""
        for job in list(self._submitted):
            if not job.done():
                self._cancel(job)
        self._submitted = []

    def _cancel(self, job: Any) -> None:
        self._submitted.remove(job)
        job.cancel()
        end = time.monotonic() + _PATIENCE
        while self._executor.cluster == "local" and not job.done() and time.monotonic() < end:
            time.sleep(0.05)


class _Task:
    """A trial that can be submitted again: its run goes on from its own checkpoint."""

    def __init__(self, run: Callable[[str], int]) -> None:
        self._run = run

    def __call__(self, directory: str) -> int:
        return self._run(directory)

    def checkpoint(self, directory: str) -> Any:
        """What submitit submits when Slurm is about to preempt the job."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, directory)
