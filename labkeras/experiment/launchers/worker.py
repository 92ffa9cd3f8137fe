"""A worker of the local launcher: a process that runs one job after the other, so that torch is imported once.

    python -m labkeras.experiment.launchers.worker FD

It reads the folders of jobs from standard input, a line each, and writes each exit code to a file descriptor. When its
input ends, whoever started it is gone: it ends at once, with all processes that its job started.
"""

import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from labkeras.errors import exit_code_of
from labkeras.experiment.launchers.task import output_to

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Serves jobs until the input ends."""
    answers = int(arguments[0])
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    # Heard by a thread, since the main one is at work when the process that started this one dies.
    threading.Thread(target=_listen, args=(os.fdopen(os.dup(0)), jobs), daemon=True).start()
    _detach_input()
    from labkeras.experiment.job import run_job  # takes seconds, in which the parent may die already

    while True:
        directory = Path(jobs.get())
        with output_to(directory / "logs"):
            code = _exit_code_of(run_job, directory)
        os.write(answers, f"{code}\n".encode())


def _exit_code_of(run_job: Callable[[Path], int], directory: Path) -> int:
    try:
        return run_job(directory)
    except KeyboardInterrupt as error:
        return exit_code_of(error)
    finally:
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.empty_cache()  # for the other processes on the same card


def _listen(requests: IO[str], jobs: "queue.SimpleQueue[str]") -> None:
    for line in requests:
        jobs.put(line.rstrip("\n"))
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _detach_input() -> None:
    """What a job reads from standard input is empty, and not the list of jobs."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


if __name__ == "__main__":
    main(sys.argv[1:])
