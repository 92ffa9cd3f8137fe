"""The ledger of a sweep: what was tried and how it ended, a line an event, never rewritten.

`sweep.yaml` holds what is swept, `sweep.jsonl` what happened. The ledger is the one truth: samplers, reports and a
sweep that goes on after a crash start from it alone. What a line says is on the disk before anything comes of it.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from labkeras.errors import FileFormatError, RunDirectoryError
from labkeras.experiment.config.safe_yaml import read_yaml
from labkeras.experiment.runs.directory import json_value
from labkeras.files import atomic_write

__all__ = ["FINISHED", "LEDGER", "Ledger", "LedgerWriter", "SPEC", "TrialRecord", "read_ledger"]

SPEC = "sweep.yaml"
"""The file that says what is swept."""

LEDGER = "sweep.jsonl"
"""The file of events."""

FINISHED = ("done", "failed", "pruned", "killed", "timeout")
"""States of a trial that are not gone on with; the others are waiting, running, preempted and interrupted."""


@dataclass
class TrialRecord:
    """One trial: one point of the space, tried once or, after failures, more often.

    Args:
        number: counted from 0.
        directory: its run's folder.
        params: the point: swept key → value; for a group the option's name.
        overrides: what its run is composed with.
        state: waiting, running, done, failed, pruned, killed, timeout, preempted or interrupted.
        attempts: how often it was started.
        failures: how many of the attempts ended in a failure.
        losses: how many were lost without a word, when the sweep itself was killed.
        values: of the objectives, in their order; None unless there are any.
        metrics: the best epoch's row and the test results.
        seconds: that the attempts took together, as far as they ended.
        epochs: that were trained.
        parameters: how many the model has.
        failure: None, or {"kind": …, "error": "Type: message"}.
        created: when it was chosen, ISO 8601 in UTC.
        started: when the last attempt started.
        ended: when the last attempt ended.
    """

    number: int
    directory: Path
    params: dict[str, Any]
    overrides: list[str]
    state: str = "waiting"
    attempts: int = 0
    failures: int = 0
    losses: int = 0
    values: list[float] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    epochs: int | None = None
    parameters: int | None = None
    failure: dict[str, Any] | None = None
    created: str | None = None
    started: str | None = None
    ended: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether it ended for good, well or badly."""
        return self.state in FINISHED


@dataclass
class Ledger:
    """A sweep as its ledger tells it.

    Args:
        path: the sweep's folder.
        spec: what `sweep.yaml` holds: name, command, overrides, space, sweeper, launcher, objectives, seed, …
        trials: in the order of their numbers.
        sessions: how often the sweep was started.
        stopped: why it ended, if the last session came to an end: {"reason": …, "time": …}.
        updated: the time of the last event, ISO 8601 in UTC.
    """

    path: Path
    spec: dict[str, Any]
    trials: list[TrialRecord] = field(default_factory=list)
    sessions: int = 0
    stopped: dict[str, Any] | None = None
    updated: str | None = None

    @property
    def objectives(self) -> list[dict[str, str]]:
        """What is sought: {"monitor": …, "mode": "max" or "min"} each."""
        return list(self.spec.get("objectives") or [])

    def of_state(self, *states: str) -> list[TrialRecord]:
        """The trials in one of these states."""
        return [trial for trial in self.trials if trial.state in states]

    def best(self) -> TrialRecord | None:
        """The trial with the best value of the first objective, the earlier of equals; None if none is done."""
        done = [trial for trial in self.trials if trial.state == "done" and trial.values]
        if not done:
            return None
        sign = -1.0 if self.objectives and self.objectives[0]["mode"] == "max" else 1.0
        return min(done, key=lambda trial: (sign * _first(trial), trial.number))

    def without(self, key: str = "seed") -> list[list[TrialRecord]]:
        """The trials in groups whose parameters are equal but for one key, in the order of their first trials.

        Args:
            key: the parameter that is left out, such as the seed of repeated runs.
        """
        groups: dict[str, list[TrialRecord]] = {}
        for trial in self.trials:
            point = {name: value for name, value in trial.params.items() if name != key}
            groups.setdefault(json.dumps(point, sort_keys=True, default=str), []).append(trial)
        return list(groups.values())

    def apply(self, event: Mapping[str, Any]) -> None:
        """Takes an event into account; of events that a later version may add, only the time."""
        _APPLY.get(str(event.get("event")), _nothing)(self, event)
        self.updated = event.get("time", self.updated)


def read_ledger(path: str | os.PathLike[str]) -> Ledger:
    """The ledger in a sweep's folder, also while the sweep goes on.

    A last line that was not written to its end is left out.

    Args:
        path: the sweep's folder.

    Raises:
        RunDirectoryError: if there is no sweep in the folder.
        FileFormatError: naming the line, if another line than the last cannot be read.

    Example:
        >>> ledger = read_ledger("runs/sweeps/digits_mlp/20260131-235959-abcd")
        >>> ledger.best().params
        {'optimizer.learning_rate': 0.01}
    """
    return _read(Path(path))[0]


class LedgerWriter:
    """Appends to a ledger; whoever makes one must hold the sweep's lock.

    Opening it cuts off a last line that was not written to its end.

    Args:
        path: the sweep's folder, with its `sweep.yaml`.

    Raises:
        RunDirectoryError, FileFormatError: as `read_ledger`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.ledger, length = _read(Path(path))
        file = self.ledger.path / LEDGER
        if file.exists():
            _cut(file, length)
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    @classmethod
    def create(cls, path: str | os.PathLike[str], spec: Mapping[str, Any]) -> "LedgerWriter":
        """Starts the ledger of a new sweep.

        Args:
            path: the sweep's folder; it exists.
            spec: what `sweep.yaml` is to hold, plain values.
        """
        with atomic_write(Path(path) / SPEC) as file:
            yaml.safe_dump(dict(spec), file, sort_keys=False, allow_unicode=True)
        return cls(path)

    def session(self, command: Sequence[str] = ()) -> None:
        """The sweep starts, or goes on."""
        self._write({"event": "session", "pid": os.getpid(), "command": list(command)})

    def trial(self, params: Mapping[str, Any], overrides: Sequence[str]) -> TrialRecord:
        """A point was chosen; returns its record, with the next number.

        The line reaches the disk with that of the first attempt, before which nothing comes of it.
        """
        number = len(self.ledger.trials)
        event = {"event": "trial", "trial": number, "dir": f"{number:04d}"}
        self._write({**event, "params": dict(params), "overrides": list(overrides)}, durable=False)
        return self.ledger.trials[number]

    def attempt(self, number: int) -> int:
        """A trial is about to start; returns which attempt it is, from 1."""
        attempt = self.ledger.trials[number].attempts + 1
        self._write({"event": "attempt", "trial": number, "attempt": attempt})
        return attempt

    def end(
        self,
        number: int,
        state: str,
        *,
        values: Sequence[float] | None = None,
        metrics: Mapping[str, Any] | None = None,
        seconds: float = 0.0,
        epochs: int | None = None,
        parameters: int | None = None,
        failure: Mapping[str, Any] | None = None,
    ) -> TrialRecord:
        """A trial's attempt ended; the arguments are those of `TrialRecord`."""
        trial = self.ledger.trials[number]
        self._write(
            {
                "event": "end",
                "trial": number,
                "attempt": trial.attempts,
                "state": state,
                "values": None if values is None else list(values),
                "metrics": dict(metrics or {}),
                "seconds": round(seconds, 3),
                "epochs": epochs,
                "parameters": parameters,
                "failure": None if failure is None else dict(failure),
            }
        )
        return trial

    def stop(self, reason: str) -> None:
        """The sweep ends, by itself or because it was told to."""
        self._write({"event": "stop", "reason": reason})

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def _write(self, event: dict[str, Any], durable: bool = True) -> None:
        event["time"] = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps(json_value(event), ensure_ascii=False) + "\n"
        data = memoryview(line.encode())
        while data:  # a disk that is nearly full takes a part
            data = data[os.write(self._file, data) :]
        if durable:
            os.fsync(self._file)
        self.ledger.apply(json.loads(line))


# --- events ---------------------------------------------------------------------------------------------------------


def _first(trial: TrialRecord) -> float:
    return trial.values[0] if trial.values else float("nan")


def _apply_session(ledger: Ledger, event: Mapping[str, Any]) -> None:
    ledger.sessions += 1
    ledger.stopped = None


def _apply_trial(ledger: Ledger, event: Mapping[str, Any]) -> None:
    ledger.trials.append(
        TrialRecord(
            event["trial"],
            ledger.path / event["dir"],
            event["params"],
            event["overrides"],
            created=event.get("time"),
        )
    )


def _apply_attempt(ledger: Ledger, event: Mapping[str, Any]) -> None:
    trial = ledger.trials[event["trial"]]
    trial.attempts = event["attempt"]
    trial.losses += trial.state == "running"
    trial.state = "running"
    trial.started, trial.ended = event.get("time"), None


def _apply_end(ledger: Ledger, event: Mapping[str, Any]) -> None:
    trial = ledger.trials[event["trial"]]
    trial.state = event["state"]
    trial.values = event.get("values")
    trial.metrics = event.get("metrics") or {}
    trial.seconds = round(trial.seconds + (event.get("seconds") or 0.0), 3)
    trial.epochs = event.get("epochs")
    trial.parameters = event.get("parameters")
    trial.failure = event.get("failure")
    trial.failures += trial.state in ("failed", "killed", "timeout")
    trial.ended = event.get("time")


def _apply_stop(ledger: Ledger, event: Mapping[str, Any]) -> None:
    ledger.stopped = {"reason": event["reason"], "time": event.get("time")}


def _nothing(ledger: Ledger, event: Mapping[str, Any]) -> None:
    pass


_APPLY = {
    "session": _apply_session,
    "trial": _apply_trial,
    "attempt": _apply_attempt,
    "end": _apply_end,
    "stop": _apply_stop,
}


# --- the file -------------------------------------------------------------------------------------------------------


def _read(folder: Path) -> tuple[Ledger, int]:
    """A sweep's ledger, and the length in bytes of the lines that are whole."""
    if not (folder / SPEC).is_file():
        raise RunDirectoryError(f"no sweep is in this folder: it has no {SPEC}. Received: sweep_dir={str(folder)!r}")
    ledger = Ledger(folder, read_yaml(folder / SPEC))
    file = folder / LEDGER
    if not file.exists():
        return ledger, 0
    events, length = _events(file)
    for index, event in enumerate(events, start=1):
        try:
            ledger.apply(event)
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            raise _damaged(file, index) from error
    return ledger, length


def _events(file: Path) -> tuple[list[dict[str, Any]], int]:
    """The events in a ledger, and the length in bytes of the lines that are whole."""
    data = file.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    lines = whole.splitlines()
    try:
        # One call for all lines: a third of the time of a call a line.
        return json.loads(b"[" + b",".join(lines) + b"]"), len(whole)
    except ValueError:
        return _events_one_by_one(file, lines)


def _events_one_by_one(file: Path, lines: list[bytes]) -> tuple[list[dict[str, Any]], int]:
    events, length = [], 0
    for index, line in enumerate(lines, start=1):
        try:
            events.append(json.loads(line))
        except ValueError as error:
            if index == len(lines):  # a power cut may leave the end of a file filled with zeros
                break
            raise _damaged(file, index) from error
        length += len(line) + 1
    return events, length


def _cut(file: Path, length: int) -> None:
    if file.stat().st_size > length:
        with file.open("r+b") as opened:
            opened.truncate(length)
            opened.flush()
            os.fsync(opened.fileno())


def _damaged(file: Path, line: int) -> FileFormatError:
    return FileFormatError(
        f"line {line} of the ledger is damaged: put the file back from a copy, or take the line out. "
        f"Received: {str(file)!r}"
    )
