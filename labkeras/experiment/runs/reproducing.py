"""Runs a run again, and says whether it came out the same, and what differs if not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkeras.experiment.runs.comparing import differing, made_with
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.runs.one_run import run

__all__ = ["Reproduction", "reproduce"]

_TIMES = ("seconds",)


@dataclass(frozen=True)
class Reproduction:
    """How a run came out when it was run again.

    Args:
        run: the folder of the run.
        again: the folder of the new one.
        epoch: the first epoch that differs, from 1; None if none does.
        differences: of that epoch, or else of the results: name → (value of the run, value of the new one).
        environment: what else differs: key → (the run's, the new one's), such as "packages.torch".
    """

    run: Path
    again: Path
    epoch: int | None = None
    differences: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    environment: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def is_identical(self) -> bool:
        """Whether all numbers are the same to the last bit."""
        return not self.differences


def reproduce(original: RunDirectory, directory: str | Path | None = None) -> Reproduction:
    """Runs a run again from its own record: the same config, seed and number of epochs, in another folder.

    Args:
        original: a run that has ended.
        directory: the folder of the new run; a new one below `runs/` unless given.

    Raises:
        RunDirectoryError: if the run's files cannot be read, or the folder is taken.
        Exception: what the new run raises.

    Example:
        >>> reproduce(find_run("latest")).is_identical
        True
    """
    config = {**original.config(), "seed": original.record().get("seed")}
    result = run(config, original.overrides(), directory)
    again = RunDirectory.open(result["run_dir"])
    epoch, differences = _first_difference(original.metrics(), again.metrics())
    if not differences:
        differences = _differences(_numbers(original.result() or {}), _numbers(again.result() or {}))
    environment = differing([made_with(original), made_with(again)])
    return Reproduction(
        original.path, again.path, epoch, differences, {key: (old, new) for key, (old, new) in environment.items()}
    )


def _first_difference(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> tuple[int | None, dict[str, tuple[Any, Any]]]:
    for old, new in zip(before, after, strict=False):
        differences = _differences(old, new)
        if differences:
            return int(old["epoch"]), differences
    if len(before) != len(after):
        return min(len(before), len(after)) + 1, {"epochs": (len(before), len(after))}
    return None, {}


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    keys = [key for key in dict.fromkeys([*old, *new]) if key not in _TIMES]
    return {key: (old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)}


def _numbers(result: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key.startswith("test_") or key in ("epochs", "state")}
