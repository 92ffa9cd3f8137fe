"""The runs that there are: found below a folder, chosen by a condition, read no further than that needs."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from labkeras.errors import ConfigError, RunDirectoryError
from labkeras.experiment.config.components import KEY_OF_KIND
from labkeras.experiment.config.words import nearest
from labkeras.experiment.runs.directory import RUNS, RunDirectory, run_folders
from labkeras.experiment.runs.filters import Lookup, parse_condition

__all__ = ["RunSummary", "find_runs", "list_runs"]

_BEST = "best"
_UNREADABLE = "unreadable"


@dataclass
class RunSummary:
    """A run as lists show it; each file is read when something of it is asked for.

    Args:
        directory: the folder of the run.
    """

    directory: RunDirectory

    @cached_property
    def record(self) -> dict[str, Any]:
        """What `run.json` says; only the state "unreadable" if it is damaged."""
        try:
            return self.directory.record()
        except RunDirectoryError:
            return {"state": _UNREADABLE}

    @cached_property
    def result(self) -> dict[str, Any]:
        """What `result.json` says; empty if the run has not ended, or the file is damaged."""
        try:
            return self.directory.result() or {}
        except RunDirectoryError:
            return {}

    @cached_property
    def config(self) -> dict[str, Any]:
        """The whole config; empty if there is none that can be read."""
        try:
            return self.directory.config()
        except RunDirectoryError:
            return {}

    @property
    def best(self) -> float | None:
        """The monitored value of the best epoch."""
        value = (self.result.get(_BEST) or {}).get(self.result.get("monitor"))
        return value if isinstance(value, int | float) else None

    def value(self, key: str) -> Any:
        """What the run has under a key: of the record ("state"), the result ("test_accuracy"), the best epoch
        ("val_loss"), "best" for the monitored value, "failure" for its kind, or of the config
        ("optimizer.learning_rate"; "optimizer" is its name). None if nothing has the key.
        """
        if key == _BEST:
            return self.best
        if key == "failure":
            return (self.record.get("failure") or {}).get("kind")
        for values in (self.record, self.result, self.result.get(_BEST) or {}):
            if not isinstance(values.get(key), dict | list | None):
                return values[key]
        return _plain(_at(self.config, key))

    def known_keys(self) -> Iterator[str]:
        """The keys that `value` knows."""
        yield from (_BEST, "failure")
        for values in (self.record, self.result, self.result.get(_BEST) or {}):
            yield from (key for key, value in values.items() if not isinstance(value, dict | list))
        yield from _paths(self.config)


def list_runs(
    root: str | os.PathLike[str] = RUNS, *, where: str | None = None, sort: str | None = None, limit: int | None = None
) -> list[RunSummary]:
    """Runs below a folder, the newest first.

    Args:
        root: the folder.
        where: which of them, as `labkeras.experiment.runs.filters` reads it.
        sort: a key by whose value they are sorted, the highest first, "-KEY" the lowest; runs without it come last.
        limit: how many at most.

    Raises:
        ConfigError: for a condition that cannot be read, a key that no run has, or a limit below 0.

    Example:
        >>> done = list_runs(where="state=done and optimizer.learning_rate<=0.01", sort="test_accuracy", limit=10)
    """
    if limit is not None and limit < 0:
        raise ConfigError([f"--limit: expected 0 or more. Received: {limit}"])
    runs = [RunSummary(directory) for directory in find_runs(root)]
    runs.sort(key=lambda run: str(run.record.get("created") or ""), reverse=True)
    if where is not None:
        is_meant = parse_condition(where)
        asked: dict[str, bool] = {}
        meant = [run for run in runs if is_meant(_noting(run, asked))]
        _check_keys(asked, runs, "--where")
        runs = meant
    if sort is not None:
        runs = _sorted(runs, sort)
    return runs if limit is None else runs[:limit]


def find_runs(root: str | os.PathLike[str]) -> list[RunDirectory]:
    """The runs below a folder, sweeps' trials among them."""
    return [RunDirectory(folder) for folder in run_folders(root)]


def _sorted(runs: list[RunSummary], sort: str) -> list[RunSummary]:
    key, rising = sort.removeprefix("-"), sort.startswith("-")
    values = {id(run): run.value(key) for run in runs}
    _check_keys({key: any(value is not None for value in values.values())}, runs, "--sort")
    known = [run for run in runs if values[id(run)] is not None]
    words = any(isinstance(values[id(run)], str) for run in known)
    known.sort(key=lambda run: str(values[id(run)]) if words else values[id(run)], reverse=not rising)
    return known + [run for run in runs if values[id(run)] is None]


def _noting(run: RunSummary, asked: dict[str, bool]) -> Lookup:
    """Looks up values of a run, and notes which keys any run has."""

    def lookup(key: str) -> Any:
        value = run.value(key)
        asked[key] = asked.get(key, False) or value is not None
        return value

    return lookup


def _check_keys(asked: dict[str, bool], runs: Sequence[RunSummary], option: str) -> None:
    unknown = [key for key, is_known in asked.items() if not is_known]
    if not unknown or not runs:
        return
    known = {key for run in runs for key in run.known_keys()}
    faults = [f"{option}: no run has {key!r}.{nearest(key, sorted(known))}" for key in unknown if key not in known]
    if faults:
        raise ConfigError(faults)


def _at(config: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(config, dict) or part not in config:
            return None
        config = config[part]
    return config


def _plain(value: Any) -> Any:
    """A component's name in the place of its node."""
    if isinstance(value, dict):
        return next((value[key] for key in KEY_OF_KIND.values() if isinstance(value.get(key), str)), str(value))
    return str(value) if isinstance(value, list) else value


def _paths(value: Any, path: str = "") -> Iterator[str]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(item, f"{path}.{key}" if path else str(key))
