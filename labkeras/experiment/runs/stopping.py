"""Stopping: whether a run has to end before it is done, and why.

Signals and files only ask; the run ends at the next place where nothing is half done. SIGTERM, as schedulers send it,
asks at once; Ctrl-C asks the first time and ends the run the second time; a file `stop` in the run's folder asks for
whoever cannot send signals; a sweep asks at the end of an epoch.
"""

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from labkeras.errors import RunStoppedError
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.sweeps.trial import Trial

__all__ = ["REASONS", "Reason", "Stopping"]

_SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True)
class Reason:
    """Why a run ends early.

    Args:
        state: what the run's record says then.
        exit_code: of a process that ends with the run.
        sentence: for people.
    """

    state: str
    exit_code: int
    sentence: str


REASONS = {
    "pruned": Reason("pruned", 0, "others of its sweep did better"),
    "timeout": Reason("failed", 1, "it took longer than it may"),
    "stopped": Reason("interrupted", 130, "it was asked to stop"),
    "interrupted": Reason("interrupted", 130, "Ctrl-C"),
    "preempted": Reason("preempted", 75, "SIGTERM"),
}
"""Name → what it means; of two, the later one counts."""

_NAMES = list(REASONS)


class Stopping:
    """What a run asks whether to go on.

    Args:
        folder: of the run; None in a process that only follows the first one.
        trial: the run's place in a sweep that runs in this process.
    """

    def __init__(self, folder: RunDirectory | None, trial: Trial | None = None) -> None:
        self.reason: str | None = None
        self._folder = folder
        self._trial = trial
        self._looks = folder is not None and folder.is_trial
        self._next_look = 0.0
        self._owner = os.getpid()
        self._at_once = False
        self._handlers: dict[int, Callable[[int, Any], None]] = {}

    @property
    def code(self) -> int:
        """The reason as a number, the greater the more it counts; 0 if there is none."""
        return 0 if self.reason is None else 1 + _NAMES.index(self.reason)

    def ask(self, reason: str | int) -> None:
        """Asks the run to end, unless there is a reason that counts more.

        Args:
            reason: its name, or its number as `code` gives it.
        """
        name = reason if isinstance(reason, str) else _NAMES[reason - 1]
        # What somebody wrote into the file `stop` may be any word.
        name = name if name in REASONS else "stopped"
        if self.reason is None or _NAMES.index(name) > _NAMES.index(self.reason):
            self.reason = name

    def poll(self) -> str | None:
        """The reason to end, as far as it can be known after a batch; looks for the file once a second."""
        if self._looks and time.monotonic() >= self._next_look:
            self._look()
        return self.reason

    def judge(self, epoch: int, value: float | None) -> None:
        """Asks the sweep, and looks for the file, at the end of an epoch.

        Args:
            epoch: its number, from 0.
            value: the monitored value; None if there is none.
        """
        if self._folder is not None:
            self._look()
        if self._trial is not None:
            self._trial.report(math.nan if value is None else float(value), epoch)
            if self._trial.should_prune():
                self.ask("pruned")

    def error(self) -> RunStoppedError:
        """What ends the run."""
        name = self.reason or "stopped"
        reason = REASONS[name]
        return RunStoppedError(f"the run ended before it was done: {reason.sentence}", name, *_fate(reason))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within it, SIGTERM and Ctrl-C ask; only the main thread of a process can hear them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        handlers = {signal.SIGTERM: self._on_sigterm, signal.SIGINT: self._on_sigint}
        # A process that was started so that it does not hear a signal goes on not hearing it.
        self._handlers = {
            number: handlers[number] for number, old in before.items() if old not in (signal.SIG_IGN, None)
        }
        self.renew()
        try:
            yield
        finally:
            for number in self._handlers:
                signal.signal(number, before[signal.Signals(number)])
            self._handlers = {}

    def renew(self) -> None:
        """Listens again, if somebody else has put handlers of their own in place, as Lightning does in `fit`."""
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within it, a signal ends the run where it is: nothing is being changed that must be whole."""
        if self.reason is not None:
            raise self.error()
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def _look(self) -> None:
        self._next_look = time.monotonic() + _SECONDS_BETWEEN_LOOKS
        request = None if self._folder is None else self._folder.stop_request()
        if request is not None:
            self.ask(request)

    def _on_sigterm(self, number: int, frame: Any) -> None:
        if os.getpid() != self._owner:  # a child that was forked, and is to end
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self.ask("preempted")
        if self._at_once:
            raise self.error()

    def _on_sigint(self, number: int, frame: Any) -> None:
        if os.getpid() != self._owner:  # a child, whose batch the last step may still need
            return
        if self._at_once or self.reason is not None:
            raise KeyboardInterrupt
        self.ask("interrupted")
        # Not by `print`: the signal may have come in the middle of one.
        os.write(2, b"\nlabkeras: stopping after this step, with a checkpoint; Ctrl-C again stops now\n")


def _fate(reason: Reason) -> tuple[str, int]:
    return reason.state, reason.exit_code
