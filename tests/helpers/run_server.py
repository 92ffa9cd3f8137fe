"""Processes of `labkeras` by fork, from one that has imported everything: a tenth of the time of a new one each.

    python -m tests.helpers.run_server

It reads a job a line, as JSON: {"arguments", "folder", "environment", "seconds"}, and answers each with a line:
{"code", "output"}, where a code below 0 is the signal that ended the process. After `seconds` it kills with SIGKILL.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["RunServer"]


class RunServer:
    """Starts processes of `labkeras`, and waits for them.

    Args:
        folder: where they run.
        environment: of all of them.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "tests.helpers.run_server"]
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "RunServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def labkeras(self, *arguments: str, seconds: float = 120, **environment: str) -> tuple[int, str]:
        """Exit code, or minus the signal, and output of one process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {"arguments": arguments, "environment": environment, "seconds": seconds}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["code"], answer["output"]


def serve() -> None:
    """Does the jobs that come in."""
    from labkeras.cli.main import main

    _import_all()
    for line in sys.stdin:
        job = json.loads(line)
        with tempfile.TemporaryFile() as output:
            child = os.fork()
            if child == 0:
                _become(job, output.fileno(), main)
            code = _waited(child, job["seconds"])
            output.seek(0)
            text = output.read().decode(errors="replace")
        print(json.dumps({"code": code, "output": text}), flush=True)


def _import_all() -> None:
    import h5py  # noqa: F401
    import pytorch_lightning  # noqa: F401
    import torch.utils.tensorboard  # noqa: F401

    import labkeras.cli.resume
    import labkeras.cli.train  # noqa: F401
    import tests.helpers.dying_runs  # noqa: F401


def _become(job: dict[str, Any], output: int, main: Any) -> None:
    code = 1
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(job["environment"])
        sys.argv = ["labkeras", *job["arguments"]]
        code = main(job["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _waited(child: int, seconds: float) -> int:
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            end = float("inf")
        time.sleep(0.005)


if __name__ == "__main__":
    serve()
