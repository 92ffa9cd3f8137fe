"""RemoteMonitor: sends the logs of each epoch to a server."""

import json
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from labkeras.callbacks.callback import Callback, Logs
from labkeras.callbacks.processes import is_main_process
from labkeras.errors import InvalidArgumentError

__all__ = ["RemoteMonitor"]

# Training stands still while it waits for the server.
_SECONDS_TO_WAIT = 10


class RemoteMonitor(Callback):
    """Sends the number and the logs of each epoch to a server, as JSON in an HTTP POST.

    A server that does not answer, or answers with an error, gets a warning; training goes on.

    Args:
        root: address of the server, "http://…" or "https://…".
        path: path on the server.
        field: the form's field that holds the JSON; not used with `send_as_json`.
        headers: further headers of the request.
        send_as_json: whether the JSON itself is sent, as "application/json"; otherwise it is a field of a form.

    Raises:
        InvalidArgumentError: for an address of another kind.

    Example:
        >>> RemoteMonitor(root="http://localhost:9000").path
        '/publish/epoch/end/'
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        if not root.startswith(("http://", "https://")):
            # The library below would open files too.
            raise InvalidArgumentError(f"`root` must begin with 'http://' or 'https://'. Received: root={root!r}")
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if not is_main_process():
            return
        try:
            with urllib.request.urlopen(self._request(epoch, logs or {}), timeout=_SECONDS_TO_WAIT) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            # Differs from Keras: an answer that says no is no success.
            error.close()
            warnings.warn(f"RemoteMonitor: the server at {self.root} answered {error}", stacklevel=2)
        except (OSError, ValueError) as error:
            warnings.warn(f"Could not reach RemoteMonitor root server at {self.root}: {error}", stacklevel=2)

    def _request(self, epoch: int, logs: Logs) -> urllib.request.Request:
        text = json.dumps({"epoch": epoch, **{name: _plain(value) for name, value in logs.items()}})
        if self.send_as_json:
            body, kind = text, "application/json"
        else:
            body, kind = urllib.parse.urlencode({self.field: text}), "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, **(self.headers or {})}
        return urllib.request.Request(self.root + self.path, body.encode("utf-8"), headers, method="POST")


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic | Tensor) else value
