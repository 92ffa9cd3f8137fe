import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
import torch

from labkeras.callbacks import RemoteMonitor
from labkeras.errors import InvalidArgumentError


class Server(HTTPServer):
    """A server on this machine that keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, dict[str, str], str]] = []
        self.status = 200
        self.address = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.requests.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


LOGS = {"loss": 0.5, "np": np.float32(0.25), "array": np.array(2.0), "tensor": torch.tensor([1.0, 2.0])}
SENT = {"epoch": 3, "loss": 0.5, "np": 0.25, "array": 2.0, "tensor": [1.0, 2.0]}


def test_logs_are_sent_as_a_field_of_a_form(server: Server) -> None:
    RemoteMonitor(server.address, field="numbers").on_epoch_end(3, LOGS)
    ((path, headers, body),) = server.requests
    assert path == "/publish/epoch/end/"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert list(parse_qs(body)) == ["numbers"]
    assert json.loads(parse_qs(body)["numbers"][0]) == SENT


def test_logs_are_sent_as_json_with_ones_own_headers(server: Server) -> None:
    RemoteMonitor(server.address, "/here", headers={"X-Key": "7"}, send_as_json=True).on_epoch_end(3, LOGS)
    ((path, headers, body),) = server.requests
    assert (path, headers["Content-Type"], headers["X-Key"]) == ("/here", "application/json", "7")
    assert json.loads(body) == SENT


def test_a_server_that_is_not_there_gets_a_warning() -> None:
    with Server() as gone:
        address = gone.address
    with pytest.warns(UserWarning, match=f"Could not reach RemoteMonitor root server at {address}"):
        RemoteMonitor(address).on_epoch_end(0, {"loss": 1.0})


def test_an_answer_that_says_no_gets_a_warning(server: Server) -> None:
    server.status = 500
    with pytest.warns(UserWarning, match="answered HTTP Error 500"):
        RemoteMonitor(server.address).on_epoch_end(0, {"loss": 1.0})


def test_a_log_that_is_no_json_is_no_matter_of_the_server(server: Server) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        RemoteMonitor(server.address).on_epoch_end(0, {"loss": object()})


@pytest.mark.parametrize("root", ["file:///etc/passwd", "localhost:9000", "ftp://here"])
def test_only_web_servers_are_written_to(root: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"Received: root='{root}'"):
        RemoteMonitor(root)


def test_only_the_first_process_sends(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labkeras.callbacks.remote_monitor.is_main_process", lambda: False)
    RemoteMonitor(server.address).on_epoch_end(0, {"loss": 1.0})
    assert server.requests == []
