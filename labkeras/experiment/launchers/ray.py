"""Trials as tasks of a Ray cluster."""

from pathlib import Path
from typing import Annotated, Any

from labkeras.errors import ConfigError
from labkeras.experiment.launchers.pool_job import PoolJob
from labkeras.experiment.launchers.task import run_task
from labkeras.experiment.sweeps.trial import Trial
from labkeras.ranges import Range

__all__ = ["Ray"]


class Ray:
    """Runs trials as tasks of Ray, on this machine or a cluster whose machines share a disk.

    Args:
        address: of the cluster, such as "auto"; a Ray of this machine alone unless given.
        workers: how many trials at once; as many as the cluster has cores or cards for unless given.
        cpus: processor cores of each.
        gpus: graphics cards of each; a fraction shares them.

    Raises:
        ConfigError: if Ray is not installed, or the cluster has not what a trial needs.
    """

    def __init__(
        self,
        address: str | None = None,
        workers: Annotated[int, Range(at_least=1)] | None = None,
        cpus: Annotated[float, Range(above=0)] = 1.0,
        gpus: Annotated[float, Range(at_least=0)] = 0.0,
    ) -> None:
        try:
            import ray
        except ImportError as error:
            raise ConfigError(["launcher.kind='ray': Ray is not installed: pip install 'labkeras[ray]'"]) from error
        self._ray: Any = ray
        self._owns = not ray.is_initialized()
        if self._owns:
            ray.init(address=address, log_to_driver=False, include_dashboard=False)
        there = ray.cluster_resources()
        fits = [there.get(name, 0) // each for name, each in (("CPU", cpus), ("GPU", gpus)) if each]
        if min(fits) < 1:
            raise ConfigError(
                [f"launcher: no machine of the cluster has cpus={cpus} and gpus={gpus} for a trial. Received: {there}"]
            )
        self.slots = workers or int(min(fits))
        """How many trials run at once."""
        self._task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(run_task)

    def start(self, directory: Path, trial: Trial | None) -> PoolJob:
        """Hands a trial's folder to Ray."""
        task = self._task.remote(str(directory.resolve()))
        return PoolJob(
            directory,
            lambda: bool(self._ray.wait([task], timeout=0)[0]),
            lambda: int(self._ray.get(task)),
            lambda: self._ray.cancel(task, force=True),
        )

    def close(self) -> None:
        """Leaves the cluster; a Ray that was started for the sweep ends."""
        if self._owns:
            self._ray.shutdown()
