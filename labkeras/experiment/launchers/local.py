"""Trials in processes of this machine: so many at once, each with its share of the processor and of graphics cards."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from labkeras.experiment.launchers.gpus import gpu_slots
from labkeras.experiment.sweeps.trial import Trial
from labkeras.ranges import Range

__all__ = ["Local"]

_AtLeastOne = Annotated[int, Range(at_least=1)]
_WORKER = "labkeras.experiment.launchers.worker"


class Local:
    """Runs trials in worker processes.

    A worker runs one trial after the other, so that torch is imported once; one whose trial did not end well is
    replaced. Workers end with the process that started them, however that ends.

    Args:
        workers: how many trials run at once; one a slot of the graphics cards unless given, without cards one a
            processor core.
        threads_per_worker: threads that torch uses in each; the cores divided by the workers unless given.
        gpus: numbers of the graphics cards to use; all that `CUDA_VISIBLE_DEVICES` leaves unless given, none if empty.
        slots_per_gpu: how many trials share a graphics card.
        gpus_per_trial: how many graphics cards each trial has.
        reuse_workers: whether a process runs several trials.

    Raises:
        ConfigError: naming what does not fit.
    """

    def __init__(
        self,
        workers: _AtLeastOne | None = None,
        threads_per_worker: _AtLeastOne | None = None,
        gpus: list[int] | None = None,
        slots_per_gpu: _AtLeastOne = 1,
        gpus_per_trial: _AtLeastOne = 1,
        reuse_workers: bool = True,
    ) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        # A slot is what a trial sees of the graphics cards; None: whatever there is.
        self._free: list[str | None] = [*gpu_slots(gpus, slots_per_gpu, gpus_per_trial)]
        if not self._free:
            self._free = [None if gpus is None else ""] * (workers or cores)
        self._free = self._free[:workers]
        self.slots = len(self._free)
        """How many trials run at once."""
        self._threads = threads_per_worker or max(1, cores // self.slots)
        self._reuse = reuse_workers
        self._idle: list[_Worker] = []
        self._jobs: list[_LocalJob] = []

    def start(self, directory: Path, trial: Trial | None) -> "_LocalJob":
        """Hands a trial's folder to a worker; there must be a free slot."""
        worker = self._idle.pop() if self._idle else _Worker(self._free.pop(0), self._threads)
        worker.give(directory)
        job = _LocalJob(worker, self._over)
        self._jobs.append(job)
        return job

    def close(self) -> None:
        """Ends all workers, and with them the trials that still run."""
        for worker in [*self._idle, *(job.worker for job in self._jobs)]:
            worker.end()
        self._idle, self._jobs = [], []

    def _over(self, job: "_LocalJob") -> None:
        self._jobs.remove(job)
        if self._reuse and job.exit_code == 0:
            self._idle.append(job.worker)
        else:
            job.worker.end()
            self._free.append(job.worker.slot)


class _LocalJob:
    """A trial in a worker."""

    def __init__(self, worker: "_Worker", over: Callable[["_LocalJob"], None]) -> None:
        self.worker = worker
        self.exit_code: int | None = None
        self._over = over
        self._deadline: float | None = None

    def poll(self) -> bool:
        if self.exit_code is None:
            if self._deadline is not None and time.monotonic() > self._deadline:
                self.worker.end()
            self.exit_code = self.worker.answer()
            if self.exit_code is not None:
                self._over(self)
        return self.exit_code is not None

    def stop(self, grace: float) -> None:
        if self.exit_code is None and self._deadline is None:
            self.worker.ask_to_end()
            self._deadline = time.monotonic() + grace


class _Worker:
    """A process that runs jobs, in a session of its own: Ctrl-C in the terminal is for the sweep to act on."""

    def __init__(self, slot: str | None, threads: int) -> None:
        self.slot = slot
        answers, theirs = os.pipe()
        os.set_blocking(answers, False)
        self._answers = answers
        self._process = subprocess.Popen(
            [sys.executable, "-m", _WORKER, str(theirs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(slot, threads),
            pass_fds=[theirs],
            start_new_session=True,
        )
        os.close(theirs)

    def give(self, directory: Path) -> None:
        """Lets it run the job in a folder."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it died meanwhile: `answer` tells
            self._process.stdin.write(f"{directory.resolve()}\n".encode())
            self._process.stdin.flush()

    def answer(self) -> int | None:
        """The exit code of its job, or None while that runs; if the process died, of the process."""
        code = self._process.poll()  # asked first: what it answered before it died is still to be read
        with suppress(BlockingIOError):
            if text := os.read(self._answers, 100):
                return int(text)
        return code

    def ask_to_end(self) -> None:
        """Asks its job to write a checkpoint and end."""
        if self._process.poll() is None:
            self._process.terminate()

    def end(self) -> None:
        """Ends it now, with all that its jobs started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()


def _environment(slot: str | None, threads: int) -> Mapping[str, str]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return environment if slot is None else {**environment, "CUDA_VISIBLE_DEVICES": slot}
