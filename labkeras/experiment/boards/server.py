"""A TensorBoard server in this process."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import absl.logging

from labkeras.errors import InvalidArgumentError

__all__ = ["serving"]


@contextmanager
def serving(folder: Path, host: str = "127.0.0.1", port: int | None = None, *, once: bool = False) -> Iterator[str]:
    """Serves a folder of event files; yields the address.

    Args:
        folder: what is shown.
        host: the address of this machine at which the server is found; another than loopback lets others see the runs.
        port: 0 for any that is free; 6006 unless given, or the next one that is free.
        once: whether everything is read before this returns, and nothing that is written later.

    Raises:
        InvalidArgumentError: if the host is none of this machine's, or the port is in use.
    """
    default, program = _tensorboard()
    servers: list[Any] = []

    def make_server(app: Any, flags: Any) -> Any:
        servers.append(program.create_port_scanning_werkzeug_server(app, flags))
        return servers[0]

    absl.logging.set_verbosity(absl.logging.ERROR)  # or each request that finds nothing is a line
    board = program.TensorBoard(plugins=default.get_plugins(), server_class=make_server)
    words = ["tensorboard", "--logdir", str(folder), "--host", host, *([] if port is None else ["--port", str(port)])]
    board.configure([*words, *(_AT_ONCE if once else _AS_IT_COMES)])
    try:
        yield _launched(board)
    except program.TensorBoardServerException as error:
        raise InvalidArgumentError(f"{error.msg}. Received: host={host!r}, port={port!r}") from error
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        # The fast reader is a process of its own, which ends when nobody holds its input any more.
        handle = getattr(getattr(board, "_ingester", None), "_stdin_handle", None)
        if handle is not None:
            handle.close()


def _launched(board: Any) -> str:
    """Starts a server; returns its address."""
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        # It says of its fast reader each time that it is new, and Python of the reader that nobody waits for its end.
        warnings.simplefilter("ignore", ResourceWarning)
        return str(board.launch())


def _tensorboard() -> tuple[Any, Any]:
    """TensorBoard's modules, which take a while to import, and warn of what they are made of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from tensorboard import default, program
    return default, program


# The reader in Python, before the server answers: what it has then is all that there is.
_AT_ONCE = ["--load_fast", "false", "--reload_interval", "0", "--reload_task", "blocking"]
_AS_IT_COMES = ["--load_fast", "auto", "--reload_interval", "5"]
