"""The processes of a run on several devices: all load the same job, so that none composes or samples for itself."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from labkeras.experiment.runs.directory import RunDirectory

__all__ = ["RESUME", "end_with_parent", "is_rank", "processes_of", "run_ranks"]

RESUME = "LABKERAS_RESUME"
"""Whether the run is gone on with; one process would otherwise see the record that another has just made."""

_RUN_DIR = "LABKERAS_RUN_DIR"
_LIFELINE = "LABKERAS_LIFELINE"
_GRACE = 30.0
# Strategies whose processes Lightning starts from within `fit`, by any means but the command that this one had.
_STARTS_ITS_OWN = ("spawn", "fork", "notebook")


def processes_of(config: Mapping[str, Any]) -> int:
    """How many processes of this machine a run trains in; 1 also if that is for Lightning to find out.

    Args:
        config: the whole config, resolved.
    """
    trainer = config.get("trainer") or {}
    devices, strategy = trainer.get("devices"), str(trainer.get("strategy"))
    if any(word in strategy for word in _STARTS_ITS_OWN):
        return 1
    if isinstance(devices, list):
        return max(1, len(devices))
    if isinstance(devices, str) and devices.lstrip("-").isdigit():
        devices = int(devices)
    if isinstance(devices, int) and devices > 0:
        return devices
    if trainer.get("accelerator") == "cpu" or (devices is None and "strategy" not in trainer):
        return 1
    import torch  # counting cards takes it

    return max(1, torch.cuda.device_count()) if torch.cuda.is_available() else 1


def is_rank() -> bool:
    """Whether this process is one of several of a run."""
    return "LOCAL_RANK" in os.environ


def run_ranks(directory: Path, count: int) -> int:
    """Runs a job in several processes of this machine; returns the exit code of the first.

    When one dies, the others are ended; SIGTERM is passed on to all of them.

    Args:
        directory: the folder with the job.
        count: how many processes.
    """
    environment = {
        **os.environ,
        _RUN_DIR: str(directory),
        _LIFELINE: "1",
        RESUME: str(int(RunDirectory(directory).is_begun)),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "WORLD_SIZE": str(count),
        "NODE_RANK": "0",
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "labkeras.experiment.job", str(directory)],
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdin=subprocess.PIPE,
        )
        for rank in range(count)
    ]
    try:
        with _passing_on(ranks):
            return _outcome(ranks)
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
            if rank.stdin is not None:
                rank.stdin.close()


def end_with_parent() -> None:
    """Lets this process, if it is a rank, end when the one that started it does."""
    if os.environ.pop(_LIFELINE, None) is not None:
        threading.Thread(target=_hold, args=(os.dup(0),), daemon=True).start()


def _hold(lifeline: int) -> None:
    while os.read(lifeline, 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


def _outcome(ranks: list["subprocess.Popen[bytes]"]) -> int:
    """Waits for all; once one has failed, only so long for the others."""
    deadline = None
    while any(rank.poll() is None for rank in ranks):
        if deadline is None and any(rank.returncode for rank in ranks):
            deadline = time.monotonic() + _GRACE
        if deadline is not None and time.monotonic() > deadline:
            break
        time.sleep(0.05)
    codes = [rank.poll() for rank in ranks]
    failed = [code for code in codes if code]
    return codes[0] or (failed[0] if failed else 0)


@contextmanager
def _passing_on(ranks: list["subprocess.Popen[bytes]"]) -> Iterator[None]:
    """Within it SIGTERM reaches the ranks, and not this process."""

    def pass_on(number: int, frame: object) -> None:
        for rank in ranks:
            with suppress(ProcessLookupError):
                rank.send_signal(number)

    if threading.current_thread() is not threading.main_thread():  # only that one may handle signals
        yield
        return
    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
