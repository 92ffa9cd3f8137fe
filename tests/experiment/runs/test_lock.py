"""One process works in a folder."""

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labkeras.errors import RunDirectoryError
from labkeras.experiment.runs.lock import FolderLock, is_locked, lock_holder


def in_process(function: Callable[..., Any], *arguments: Any) -> Any:
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process


def hold(path: Path) -> None:
    FolderLock(path).acquire()
    time.sleep(60)


def wait_until_locked(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not is_locked(path):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_second_process_is_told_who_works_there_at_once(tmp_path: Path) -> None:
    holder = in_process(hold, tmp_path / "run.lock")
    wait_until_locked(tmp_path / "run.lock")
    start = time.monotonic()
    with pytest.raises(RunDirectoryError, match=f"process {holder.pid} on {socket.gethostname()}.*Received: '"):
        FolderLock(tmp_path / "run.lock").acquire()
    assert time.monotonic() - start < 2
    holder.kill()
    holder.join()


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    holder = in_process(hold, tmp_path / "run.lock")
    wait_until_locked(tmp_path / "run.lock")
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert not is_locked(tmp_path / "run.lock")
    with FolderLock(tmp_path / "run.lock") as lock:
        assert lock_holder(lock.path)["pid"] == os.getpid()


def test_a_child_that_outlives_the_holder_does_not_hold_it(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "run.lock")
    lock.acquire()
    child = in_process(time.sleep, 60)  # as a worker of a DataLoader
    lock.release()
    with FolderLock(tmp_path / "run.lock"):
        pass
    child.kill()
    child.join()


def test_a_lock_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    assert not is_locked(path)
    with FolderLock(path) as lock:
        assert lock.is_held
        assert is_locked(path)
    assert not lock.is_held
    assert not is_locked(path)
    assert lock_holder(path) == {}
    lock.release()


def test_of_two_objects_in_one_process_one_gets_it(tmp_path: Path) -> None:
    with FolderLock(tmp_path / "run.lock"), pytest.raises(RunDirectoryError, match=f"process {os.getpid()} on"):
        FolderLock(tmp_path / "run.lock", "sweep").acquire()


def test_of_processes_that_start_together_one_wins(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for round_ in range(10):
        path, start, wins = tmp_path / f"{round_}.lock", context.Event(), context.Queue()
        over = context.Event()

        def race(path: Path = path, start: Any = start, wins: Any = wins, over: Any = over) -> None:
            start.wait()
            try:
                FolderLock(path).acquire()
            except RunDirectoryError:
                wins.put(False)
            else:
                wins.put(True)
                over.wait()

        runners = [in_process(race) for _ in range(4)]
        start.set()
        assert sum(wins.get(timeout=10) for _ in runners) == 1
        over.set()
        for runner in runners:
            runner.join()


def test_what_stands_in_the_file_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text("not json")
    with FolderLock(tmp_path / "run.lock") as lock:
        assert lock_holder(lock.path)["host"] == socket.gethostname()
