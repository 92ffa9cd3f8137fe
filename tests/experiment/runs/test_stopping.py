"""A run is asked to end, and does where nothing is half done."""

import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from labkeras.errors import RunStoppedError
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.runs.stopping import Stopping


class Judge:
    """A trial that is pruned at a step."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.reported: list[tuple[float, int]] = []

    def report(self, value: float, step: int) -> None:
        self.reported.append((value, step))

    def should_prune(self) -> bool:
        return self.reported[-1][1] >= self.step


@pytest.fixture
def folder(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", None)


def test_sigterm_asks_and_the_old_handler_is_back_afterwards() -> None:
    stopping = Stopping(None)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with stopping.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopping.poll() == "preempted"
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    error = stopping.error()
    assert (error.reason, error.state, error.exit_code) == ("preempted", "preempted", 75)


def test_ctrl_c_asks_once_and_ends_the_second_time(capfd: pytest.CaptureFixture[str]) -> None:
    stopping = Stopping(None)
    with stopping.listening():
        os.kill(os.getpid(), signal.SIGINT)
        assert stopping.reason == "interrupted"
        assert "Ctrl-C again stops now" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_where_nothing_can_be_half_done_a_signal_ends_the_run_there() -> None:
    stopping = Stopping(None)
    with stopping.listening(), pytest.raises(RunStoppedError, match="SIGTERM"), stopping.at_once():
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(RunStoppedError), stopping.at_once():
        raise AssertionError("what was asked for before holds")


def test_it_listens_again_after_somebody_else_did() -> None:
    stopping = Stopping(None)
    with stopping.listening():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        stopping.renew()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopping.reason == "preempted"


def test_a_process_that_is_not_to_hear_a_signal_does_not() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        stopping = Stopping(None)
        with stopping.listening():
            os.kill(os.getpid(), signal.SIGINT)
        assert stopping.reason is None
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("word", "reason", "state"),
    [
        ("timeout", "timeout", "failed"),
        ("stopped", "stopped", "interrupted"),
        ("pruned", "pruned", "pruned"),
        ("", "stopped", "interrupted"),
        ("any word", "stopped", "interrupted"),
    ],
)
def test_a_file_asks(folder: RunDirectory, word: str, reason: str, state: str) -> None:
    stopping = Stopping(folder)
    stopping.judge(0, 0.5)
    assert stopping.reason is None
    folder.request_stop(word)
    assert stopping.poll() is None  # after batches only trials look for it
    stopping.judge(1, 0.5)
    assert stopping.reason == reason
    assert stopping.error().state == state


def test_a_trial_looks_for_the_file_after_batches_too(folder: RunDirectory) -> None:
    (folder.path / "job.json").write_text("{}")
    stopping = Stopping(folder)
    folder.request_stop("timeout")
    assert stopping.poll() == "timeout"


def test_the_sweep_is_asked_after_each_epoch() -> None:
    judge = Judge(1)
    stopping = Stopping(None, judge)
    stopping.judge(0, 0.25)
    assert stopping.reason is None
    stopping.judge(1, None)
    assert stopping.reason == "pruned"
    assert judge.reported[0] == (0.25, 0)
    assert math.isnan(judge.reported[1][0])


def test_of_two_reasons_the_more_pressing_one_counts() -> None:
    stopping = Stopping(None)
    stopping.ask("preempted")
    stopping.ask("pruned")
    assert stopping.reason == "preempted"
    other = Stopping(None)
    other.ask(stopping.code)
    assert other.reason == "preempted"


def test_a_child_dies_of_sigterm_as_it_should() -> None:
    stopping = Stopping(None)
    with stopping.listening():
        child: Any = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM
    assert stopping.reason is None
