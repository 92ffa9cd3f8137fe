"""`labkeras tensorboard`."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tensorboard.compat.proto.summary_pb2 import Summary

from labkeras.callbacks.event_file import EventFile
from labkeras.cli.tensorboard import main
from tests.helpers.tensorboard_server import ask


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder with an event file that no run has written."""
    file = EventFile(str(tmp_path / "logs"))
    write_scalar(file)
    file.close()
    return tmp_path / "logs"


def write_scalar(file: EventFile) -> None:
    file.add_summary(Summary(value=[Summary.Value(tag="loss", simple_value=0.5)]), 0)


def the_file(logs: Path) -> Path:
    [path] = logs.iterdir()
    return path


def checked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main([*words, "--check", "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_check_says_what_each_tab_has(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = checked(capsys, str(logs))
    assert (code, found["faults"]) == (0, [])
    assert found["tabs"]["scalars"] == {"runs": 1, "items": ["loss"], "about": ""}
    assert found["tabs"]["images"]["items"] == []
    assert main([str(logs), "--check"]) == 0
    shown = capsys.readouterr().out
    assert "loss" in shown
    assert all(tab in shown for tab in ("custom_scalars", "graphs", "hparams", "pr_curves", "projector", "mesh"))


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (damage, r"an event file is damaged after 1 records.*: a record is damaged at byte \d+"),
        (lambda path: path.write_bytes(b""), "an event file is empty: "),
        (Path.unlink, "there are no event files: a run writes some with logger=tensorboard"),
    ],
    ids=["damaged", "empty", "gone"],
)
def test_event_files_that_are_damaged_or_empty_are_named(
    change: Callable[[Path], None], sentence: str, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(the_file(logs))
    code, found = checked(capsys, str(logs))
    assert code == 1
    [fault] = found["faults"]
    assert re.search(sentence, fault), fault
    assert main([str(logs), "--check"]) == 1
    assert fault in capsys.readouterr().err


def test_a_file_that_ends_within_a_record_is_a_fault_only_of_a_run_that_is_done(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = EventFile(str(logs))
    write_scalar(file)
    file.close()
    os.truncate(max(logs.iterdir()), max(logs.iterdir()).stat().st_size - 3)
    code, found = checked(capsys, str(logs))
    assert (code, found["faults"]) == (0, [])
    assert "as that of a run does that was killed, or goes on" in found["notes"][0]
    (logs / "run.json").write_text('{"state": "done"}', encoding="utf-8")
    code, found = checked(capsys, str(logs))
    assert code == 1
    assert "ends within a record, and its run had ended" in found["faults"][0]


def test_a_run_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["abcd"]) == 2
    assert "there is no such run" in capsys.readouterr().err
    assert main([]) == 2
    assert "there are no runs here: `labkeras train` makes some" in capsys.readouterr().err


@contextmanager
def command(*words: str) -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    """The command, started, and what it said first."""
    given = [sys.executable, "-m", "labkeras", "tensorboard", *words, "--json"]
    with subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        watch = threading.Timer(60, process.kill)
        watch.start()
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            watch.cancel()
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_the_server_answers_on_loopback_until_it_is_told_to_end(logs: Path, number: int, code: int) -> None:
    with command(str(logs), "--port", "0") as (process, said):
        assert said["url"].startswith("http://127.0.0.1:")
        assert said["shows"] == [str(logs)]
        assert "scalars" in ask(f"{said['url']}data/plugins_listing")
        process.send_signal(number)
        assert process.wait(timeout=20) == code
        assert process.stderr is not None
        assert process.stderr.read() == ""
        host, port = said["url"].rstrip("/").rpartition("/")[2].split(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))


@pytest.mark.slow
def test_a_port_that_is_taken_is_named_and_the_usual_one_is_left_for_the_next(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with command(str(logs), "--port", "0") as (_, said):
        port = said["url"].rstrip("/").rpartition(":")[2]
        assert main([str(logs), "--port", port]) == 1
        assert f"already in use. Received: host='127.0.0.1', port={port}" in capsys.readouterr().err
    with command(str(logs)) as (_, first), command(str(logs)) as (_, second):
        assert first["url"] != second["url"]


def test_a_port_must_be_a_port(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--port", "70000"])
    assert "expected a number from 0 to 65535. Received: '70000'" in capsys.readouterr().err
