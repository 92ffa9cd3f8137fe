"""RunRecord: `run.json`, from the moment a run has a folder to the moment it ends."""

import os
import re
import socket
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from labkeras.errors import RunDirectoryError
from labkeras.experiment.runs import provenance
from labkeras.experiment.runs.directory import RunDirectory, new_id
from labkeras.files import atomic_write

__all__ = ["RunRecord"]

_VERSION = 1
_ID = re.compile(r"\d{8}-\d{6}-[a-z]{4}")


class RunRecord:
    """Writes `run.json`, and the files beside it that say what a run was made with.

    Args:
        folder: of the run.
        before: what the record says of a run that goes on; None for a new one.
    """

    def __init__(self, folder: RunDirectory, before: dict[str, Any] | None = None) -> None:
        self._folder = folder
        self._start = time.perf_counter()
        self._seconds_before = float((before or {}).get("seconds") or 0.0)
        self.values: dict[str, Any] = dict(before or {})

    def begin(
        self,
        name: str | None,
        command: Sequence[str] | None,
        overrides: Sequence[str],
        seed: int,
        said: Mapping[str, Any] | None = None,
    ) -> None:
        """Writes how the run starts, and what it is made with.

        Args:
            name: the experiment's.
            command: the words of the command line; those of this process unless given.
            overrides: what the config was composed with.
            seed: of all random generators.
            said: plugin → the facts that it adds.
        """
        is_new = not self.values
        if is_new:
            self.values = {"version": _VERSION, "id": self._id(), "name": name, "state": "created"}
            self.values |= {"command": list(sys.argv if command is None else command), "overrides": list(overrides)}
            self.values |= {"created": _now(), "started": None}
        self.values |= {"ended": None, "seconds": round(self._seconds_before, 3)}
        self.values |= {"pid": os.getpid(), "host": socket.gethostname(), "exit_code": None, "failure": None}
        if is_new:
            self._describe(seed)
            self.values |= {"plugins_say": dict(said)} if said else {}
        self._folder.write_record(self.values, durable=False)

    def running(self, **facts: Any) -> None:
        """Says that training begins.

        Args:
            **facts: what is known by now, such as the data.
        """
        self.values |= {"state": "running", "started": self.values.get("started") or _now(), **facts}
        self._folder.write_record(self.values, durable=False)

    def resumed(self, epoch: int, batch: int) -> None:
        """Says from where the run goes on.

        Args:
            epoch: from 0.
            batch: how many of its batches are done.
        """
        self.values["resumed"] = [*self.values.get("resumed", []), {"time": _now(), "epoch": epoch, "batch": batch}]
        self._folder.write_record(self.values, durable=False)

    def stop_clock(self) -> float:
        """The seconds that the run took, in all its sittings."""
        seconds = round(self._seconds_before + time.perf_counter() - self._start, 3)
        self.values["seconds"] = seconds
        return seconds

    def end(self, state: str, exit_code: int, failure: dict[str, str] | None = None) -> None:
        """Says how the run ended; its clock was stopped."""
        self.values |= {"state": state, "ended": _now()}
        self.values |= {"exit_code": exit_code, "failure": failure}
        self._folder.write_record(self.values)

    def set_aside(self, plugins: list[dict[str, str]]) -> None:
        """Names the plugins that looked on and failed, so that they may have missed what happened.

        Args:
            plugins: "plugin", "hook" and "error" of each.
        """
        if plugins:
            self.values["plugins_set_aside"] = plugins
            self._folder.write_record(self.values)

    @contextmanager
    def timing(self, phase: str) -> Iterator[None]:
        """Adds what passes within it to the seconds of a phase: "data", "fit", "test"."""
        start = time.perf_counter()
        try:
            yield
        finally:
            timings = self.values.setdefault("timings", {})
            timings[phase] = round(timings.get(phase, 0.0) + time.perf_counter() - start, 3)

    def write_traceback(self, error: BaseException) -> None:
        """Writes `logs/error.txt`."""
        folder = self._folder.path / "logs"
        folder.mkdir(exist_ok=True)
        with atomic_write(folder / "error.txt", durable=False) as file:
            file.write("".join(traceback.format_exception(error)))

    def _describe(self, seed: int) -> None:
        git = provenance.git_state()
        self.values |= {
            "git": None if git is None else git.record(),
            "packages": provenance.telling_packages(),
            "python": sys.version.split()[0],
            "plugins": provenance.plugins_in_use(),
            "hardware": provenance.hardware(),
            "data": None,
            "seed": seed,
            "timings": {},
            "resumed": [],
            "sweep": self._sweep(),
        }
        with atomic_write(self._folder.path / "requirements.txt", durable=False) as file:
            file.write(provenance.requirements())
        if git is not None and git.patch:
            path = self._folder.path / "code.patch"
            path.write_bytes(git.patch.encode("utf-8", "surrogateescape"))

    def _id(self) -> str:
        name = self._folder.path.name
        return name if _ID.fullmatch(name) else new_id()

    def _sweep(self) -> dict[str, Any] | None:
        job: dict[str, Any] = {}
        with suppress(RunDirectoryError):
            job = self._folder.job() or {}
        return {"dir": job.get("sweep"), "trial": job.get("trial")} if job else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
