"""What differs between runs: configs, results, code, packages, machine, data."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from labkeras.experiment.runs.directory import RunDirectory

__all__ = ["Comparison", "compare_runs", "differing", "leaves", "made_with"]

_PATCH = "code.patch"
# Of a config: where and under what name a run was made, which makes no other run.
_NOT_COMPARED = ("run_dir", "name")
# Of an epoch: how long it took.
_NO_RESULT = ("epoch", "seconds")

Row = dict[str, list[Any]]
"""key → the value of each run, None where a run has none."""


@dataclass(frozen=True)
class Comparison:
    """What differs between runs, and what came out.

    Args:
        runs: the folders, in the order that they were given.
        config: full keys of the configs whose values differ.
        environment: what else differs of how the runs were made: code, packages, plugins, machine, data.
        results: state, best epoch, last epoch and test results, also where they are equal.
    """

    runs: list[str]
    config: Row
    environment: Row
    results: Row


def compare_runs(runs: Sequence[RunDirectory]) -> Comparison:
    """Compares runs.

    Args:
        runs: two or more.

    Raises:
        RunDirectoryError: if a file of a run cannot be read.

    Example:
        >>> compare_runs([find_run("first"), find_run("second")]).config
        {'optimizer.learning_rate': [0.01, 0.001]}
    """
    configs = [
        {key: value for key, value in leaves(run.config()) if key.partition(".")[0] not in _NOT_COMPARED}
        for run in runs
    ]
    return Comparison(
        runs=[str(run.path) for run in runs],
        config=differing(configs),
        environment=differing([made_with(run) for run in runs]),
        results=_side_by_side([dict(_results(run)) for run in runs]),
    )


def made_with(run: RunDirectory) -> dict[str, Any]:
    """What a run was made with besides its config, as flat keys: "git.commit", "packages.torch", "hardware.cpu"."""
    record = run.record()
    found: dict[str, Any] = {"python": record.get("python")}
    git = record.get("git") or {}
    found |= {"code.commit": git.get("commit"), "code.patch": _patch_of(run)}
    found |= {f"packages.{name}": version for name, version in (record.get("packages") or {}).items()}
    plugins = {plugin["distribution"]: plugin["version"] for plugin in record.get("plugins") or []}
    found |= {f"plugins.{name}": version for name, version in plugins.items()}
    found |= {f"hardware.{key}": value for key, value in leaves(record.get("hardware") or {})}
    found["data.fingerprint"] = (record.get("data") or {}).get("fingerprint")
    return found


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The full keys of a nested mapping, with their values; lists and empty mappings are values."""
    if isinstance(value, Mapping) and (value or not path):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def differing(sides: Sequence[Mapping[str, Any]]) -> Row:
    """Of several mappings the keys whose values are not all equal."""
    rows = _side_by_side(sides)
    return {key: values for key, values in rows.items() if any(_differ(values[0], value) for value in values[1:])}


def _side_by_side(sides: Sequence[Mapping[str, Any]]) -> Row:
    keys: Iterable[str] = dict.fromkeys(key for side in sides for key in side)
    return {key: [side.get(key) for side in sides] for key in keys}


def _differ(first: Any, second: Any) -> bool:
    return bool(first != second) or isinstance(first, bool) != isinstance(second, bool)


def _results(run: RunDirectory) -> Iterator[tuple[str, Any]]:
    record, result = run.record(), run.result() or {}
    yield "state", record.get("state")
    yield from ((key, value) for key, value in result.items() if key.startswith("test_"))
    for which in ("best", "last"):
        row = result.get(which) or {}
        yield from ((f"{which}.{key}", value) for key, value in row.items() if key not in _NO_RESULT)
    yield "best.epoch", (result.get("best") or {}).get("epoch")
    yield "epochs", result.get("epochs")
    yield "parameters", result.get("parameters")
    yield "seconds", record.get("seconds")


def _patch_of(run: RunDirectory) -> str | None:
    """Tells patches apart; None if the code was as committed."""
    path = run.path / _PATCH
    return f"sha256:{sha256(path.read_bytes()).hexdigest()[:16]}" if path.exists() else None
