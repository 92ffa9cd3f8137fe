"""Going on with a run: whether it is the same one, and what of its files a run that goes on writes anew."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from labkeras.errors import ConfigError
from labkeras.experiment.runs.directory import RunDirectory

__all__ = ["check_same_config", "config_of_run", "cut_back"]

_NOT_OF_RUN = ("resume", "sweep_dir", "sweeper", "launcher")
# What a run may go on with in another form: where it runs, how often it says so, how long it takes.
_MAY_DIFFER = ("run_dir", "name", "checkpoint", "pictures", "trainer", "fit.epochs", "fit.verbose")
_EVENTS = "events.out.tfevents.*"


def config_of_run(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config without what says how a run is started, which is no part of what it is."""
    return {key: value for key, value in config.items() if key not in _NOT_OF_RUN} | {"run_dir": None}


def check_same_config(folder: RunDirectory, config: Mapping[str, Any]) -> None:
    """Sees to it that a run goes on as what it was.

    Raises:
        ConfigError: naming all keys that differ from the run's own config, but for those that make no other run.
    """
    old, new = dict(_leaves(folder.config())), dict(_leaves(config))
    faults = []
    for key in sorted({*old, *new}):
        differs = old.get(key, "null") != new.get(key, "null")
        if differs and not any(key == name or key.startswith(f"{name}.") for name in _MAY_DIFFER):
            faults.append(f"{key}={_shown(new, key)}: the run that is to go on was started with {_shown(old, key)}")
    if faults:
        raise ConfigError(faults)


def cut_back(folder: RunDirectory, starts_anew: bool) -> None:
    """Takes away what a run that goes on writes again.

    Args:
        folder: of the run.
        starts_anew: whether it has no checkpoint; otherwise the callbacks go back to where they were then.
    """
    (folder.path / "result.json").unlink(missing_ok=True)
    (folder.path / "logs" / "error.txt").unlink(missing_ok=True)
    if starts_anew:
        folder.metrics_path.unlink(missing_ok=True)
        for path in folder.path.rglob(_EVENTS):
            path.unlink()


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and (value or not path):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    else:
        # As text: YAML gives lists for tuples.
        yield path, json.dumps(value, default=str)


def _shown(leaves: Mapping[str, str], key: str) -> str:
    return leaves.get(key, "(not there)")
