"""What a process of somebody else's pool or cluster does for a trial."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PID", "output_to", "run_task", "run_task_of"]

PID = "pid"
"""The file beside a trial's output that names the process, as "PID HOST"."""

_OUTPUT = "output.txt"
_SECONDS_BETWEEN_LOOKS = 0.5


def run_task(directory: str) -> int:
    """Runs the job in a folder; returns the exit code.

    Args:
        directory: the trial's folder, on a disk that this machine shares with the sweep.
    """
    from labkeras.experiment.job import run_job  # takes seconds; whoever only submits does without

    path = Path(directory)
    with output_to(path / "logs"):
        (path / "logs" / PID).write_text(f"{os.getpid()} {os.uname().nodename}", encoding="utf-8")
        return run_job(path)


def run_task_of(parent: int, run: Callable[[str], int], directory: str) -> int:
    """Runs the job in a folder in a child of the sweep's process, and ends with that, however it ends.

    Args:
        parent: process id of the sweep.
        run: `run_task`.
        directory: the trial's folder.
    """
    over = threading.Event()
    threading.Thread(target=_end_with, args=(parent, over), daemon=True).start()
    try:
        return run(directory)
    finally:
        over.set()


@contextmanager
def output_to(logs: Path) -> Iterator[None]:
    """Whatever is printed within, by whatever library, goes to the trial's own file."""
    logs.mkdir(exist_ok=True)
    before = os.dup(1), os.dup(2)
    file = os.open(logs / _OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.dup2(file, 1)
        os.dup2(file, 2)
        yield
    finally:
        os.close(file)
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in enumerate(before, start=1):
            os.dup2(copy, number)
            os.close(copy)


def _end_with(parent: int, over: threading.Event) -> None:
    while not over.wait(_SECONDS_BETWEEN_LOOKS):
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
