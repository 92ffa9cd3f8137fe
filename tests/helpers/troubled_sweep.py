"""A sweep whose trials get into trouble, each into the one that its number says; as a command and as its workers.

python -m tests.helpers.troubled_sweep experiment=digits_mlp callbacks.trouble.number=range(20) …
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from labkeras.callbacks.callback import Callback
from labkeras.errors import NonFiniteLossError
from labkeras.experiment.launchers import local, worker
from labkeras.experiment.sweeps.request import SweepRequest
from labkeras.experiment.sweeps.sweep import sweep
from labkeras.registry import callbacks

COMPLETED = "COMPLETED"
"""In the environment: a file that gets the number of each trial whose training came to its end."""

RAISE, HANG, DIE, MEMORY, NAN = (0, 1, 2), (3, 4), 5, 6, 7


class Trouble(Callback):
    """Does what a number stands for in the second epoch; nothing from 8 on.

    Args:
        number: of the trial.
    """

    def __init__(self, number: int = 99) -> None:
        super().__init__()
        self.number = number

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch != 1:
            return
        if self.number in RAISE:
            raise ValueError("trouble")
        while self.number in HANG:
            time.sleep(1)
        if self.number == DIE:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.number == MEMORY:
            raise MemoryError("no memory left")
        if self.number == NAN:
            raise NonFiniteLossError("the loss is NaN")

    def on_train_end(self, logs: Any = None) -> None:
        if COMPLETED in os.environ:
            with open(os.environ[COMPLETED], "a") as file:
                file.write(f"{self.number}\n")


def main(arguments: Sequence[str]) -> int:
    """The command; returns the sweep's exit code."""
    callbacks.add("trouble", Trouble)
    if arguments[0].isdecimal():
        worker.main(list(arguments))
    local._WORKER = "tests.helpers.troubled_sweep"
    return sweep(SweepRequest(arguments, quiet=True)).exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
