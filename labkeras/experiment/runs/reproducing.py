"""Runs a run again, and says whether it came out the same, and what differs if not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkeras.errors import RunDirectoryError
from labkeras.experiment.runs.comparing import differing, made_with
from labkeras.experiment.runs.directory import RUNS, RunDirectory, new_folder
from labkeras.experiment.runs.one_run import run

__all__ = ["Reproduction", "reproduce"]

_TIMES = ("seconds",)
_FAILED = "failed"
_GOES_ON = ("created", "running")
# Of runs that ended by themselves; the others have fewer epochs than they would have.
_WHOLE = ("done", _FAILED)


@dataclass(frozen=True)
class Reproduction:
    """How a run came out when it was run again.

    Args:
        run: the folder of the run.
        again: the folder of the new one.
        epoch: the first epoch that differs, from 1; None if none does.
        differences: of that epoch, or else of the results: name → (value of the run, value of the new one).
        environment: what else differs: key → (the run's, the new one's), such as "packages.torch".
        epochs: how many were compared.
    """

    run: Path
    again: Path
    epoch: int | None = None
    differences: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    environment: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    epochs: int = 0

    @property
    def is_identical(self) -> bool:
        """Whether all numbers are the same to the last bit."""
        return not self.differences


def reproduce(original: RunDirectory, directory: str | Path | None = None) -> Reproduction:
    """Runs a run again from its own record: the same config, seed and number of epochs, in another folder.

    Args:
        original: a run that has ended; of one that was broken off, the epochs that it has are compared.
        directory: the folder of the new run; a new one below `runs/` unless given.

    Raises:
        RunDirectoryError: if the run's files cannot be read, it is running, or the folder is taken.
        Exception: what the new run raises.

    Example:
        >>> reproduce(find_run("latest")).is_identical
        True
    """
    record = original.record()
    if record["state"] in _GOES_ON:
        raise RunDirectoryError(f"the run goes on; wait for its end. Received: run={str(original.path)!r}")
    before, is_whole = original.metrics(), record["state"] in _WHOLE
    if not before and not is_whole:
        raise RunDirectoryError(
            f"the run was {record['state']} before its first epoch ended: there is nothing to compare with. "
            f"Received: run={str(original.path)!r}"
        )
    config = {**original.config(), "seed": record.get("seed")}
    again = _run(config, original, directory)
    after = again.metrics()
    epoch, differences = _first_difference(before, after if is_whole else after[: len(before)])
    if not differences and is_whole:
        differences = _differences(_numbers(original.result() or {}), _numbers(again.result() or {}))
    environment = differing([made_with(original), made_with(again)])
    pairs = {key: (old, new) for key, (old, new) in environment.items()}
    return Reproduction(original.path, again.path, epoch, differences, pairs, min(len(before), len(after)))


def _run(config: Mapping[str, Any], original: RunDirectory, directory: str | Path | None) -> RunDirectory:
    """The new run; one that fails is no error if the other had failed too."""
    folder = (
        Path(directory)
        if directory is not None
        else new_folder(RUNS / str(config.get("name") or original.path.parent.name))
    )
    try:
        run(config, original.overrides(), folder)
    except Exception:
        if original.record()["state"] != _FAILED or not (folder / "run.json").exists():
            if directory is None and not any(folder.iterdir()):
                folder.rmdir()
            raise
    return RunDirectory.open(folder)


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
    found = {key: value for key, value in result.items() if key.startswith("test_") or key in ("epochs", "state")}
    # The rest of its message has names in it that are counted up in a process.
    return found | {"error": str(result.get("error") or "").partition(":")[0]}
