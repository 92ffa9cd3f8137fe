"""labkeras in processes of its own, and plugins that are installed for one process."""

import multiprocessing
import os
import socket
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch

__all__ = [
    "ROOT",
    "environment",
    "free_port",
    "install_example",
    "install_plugin",
    "run_labkeras",
    "run_python",
    "run_ranks",
]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "plugins" / "labkeras-example" / "src"


def environment(*folders: Path) -> dict[str, str]:
    """The environment of a process that finds labkeras, and what `folders` hold, without an installation.

    What it remembers from one call to the next it keeps in the first of the folders.
    """
    cache = {"XDG_CACHE_HOME": str(folders[0] / ".cache")} if folders else {}
    return {**os.environ, **cache, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *folders)))}


def run_python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in `folder`, which is on its path."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(folder, EXAMPLE),
        capture_output=True,
        text=True,
        check=False,
    )


def run_labkeras(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command `labkeras` in `folder`."""
    return run_python(folder, "-m", "labkeras", *arguments)


def install_plugin(folder: Path, distribution: str, source: str, name: str = "it") -> None:
    """Makes a plugin of one module, called as the distribution is, that a process with `folder` on its path finds."""
    module = distribution.replace("-", "_")
    (folder / f"{module}.py").write_text(dedent(source), encoding="utf-8")
    _write_metadata(folder, distribution, f"{name} = {module}")


def install_example(folder: Path) -> None:
    """Makes `plugins/labkeras-example` an installed plugin for a process with `folder` on its path."""
    _write_metadata(folder, "labkeras-example", "example = labkeras_example")


def _write_metadata(folder: Path, distribution: str, entry_point: str) -> None:
    """The folder that an installer would make: this is where Python looks for entry points."""
    metadata = folder / f"{distribution.replace('-', '_')}-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text(f"[labkeras]\n{entry_point}\n")


def run_ranks(function: Callable[..., Any], *arguments: Any, count: int = 2, seconds: float = 60) -> list[Any]:
    """What `function(*arguments)` returns in each of several processes that have joined, as torchrun would start them.

    Args:
        function: any function; it may be a local one, since the processes are forks of this one.
        *arguments: its arguments.
        count: how many processes.
        seconds: after which all of them are ended, and the test fails.
    """
    if sys.platform == "win32":
        pytest.skip("there is no fork")
    context = multiprocessing.get_context("fork")
    receivers, started = [], []
    port = free_port()
    for rank in range(count):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_rank_main, args=(sender, port, rank, count, function, arguments))
        with warnings.catch_warnings():
            # Python 3.12 warns of forks beside other threads: pytest's, which hold nothing that a process needs.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        sender.close()
        receivers.append(receiver)
        started.append(process)
    deadline = time.monotonic() + seconds
    try:
        answers = [_answer(receiver, deadline) for receiver in receivers]
    finally:
        for process in started:
            process.join(max(deadline - time.monotonic(), 0.1))
            if process.is_alive():
                process.kill()
                process.join()
    faults = [text for is_fault, text in answers if is_fault]
    assert not faults, "\n".join(faults)
    return [value for _, value in answers]


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _answer(receiver: Any, deadline: float) -> tuple[bool, Any]:
    if not receiver.poll(max(deadline - time.monotonic(), 0.1)):
        return True, "a process did not answer in time"
    try:
        answer: tuple[bool, Any] = receiver.recv()
    except EOFError:
        return True, "a process died"
    return answer


def _rank_main(sender: Any, port: int, rank: int, count: int, function: Callable[..., Any], arguments: Any) -> None:
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "GROUP_RANK": 0}
    run = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "test", "GROUP_WORLD_SIZE": 1}
    os.environ |= {name: str(value) for name, value in {**numbers, **run}.items()}
    torch.set_num_threads(1)
    try:
        answer = False, function(*arguments)
    except BaseException:
        answer = True, f"in process {rank}:\n{traceback.format_exc()}"
    sender.send(answer)
    sender.close()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
