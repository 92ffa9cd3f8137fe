"""A real TensorBoard server, asked over HTTP."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SECONDS = 20  # the server answers after 2 or 3, and shows event files some seconds later


@contextmanager
def serving(folder: str | Path) -> Iterator[str]:
    """The address of a server that shows a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--load_fast=false"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}/data"
    finally:
        server.terminate()
        server.wait(timeout=10)


def ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def answer_to(url: str, is_there: Callable[[Any], bool], body: dict[str, Any] | None = None) -> Any:
    """What the server answers as soon as that is what is waited for."""
    end = time.monotonic() + _SECONDS
    answer: Any = None
    while time.monotonic() < end:
        try:
            answer = ask(url, body)
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
            continue
        if is_there(answer):
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{url} answers {answer!r}")
