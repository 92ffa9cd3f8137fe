"""A run's model as it was trained, and its config with a few things changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from labkeras.callbacks.backup_file import read_backup
from labkeras.errors import ConfigError, FileFormatError, RunDirectoryError
from labkeras.experiment.config.composer import Composer
from labkeras.experiment.config.hydra_session import parsed
from labkeras.experiment.config.refusals import first_lines
from labkeras.experiment.config.sources import GROUPS
from labkeras.experiment.config.validation import checked
from labkeras.experiment.config.words import nearest
from labkeras.experiment.runs.comparing import leaves
from labkeras.experiment.runs.data import RunData
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.models.model import Model
from labkeras.saving.strict_json import read_json

__all__ = ["checkpoint_of", "config_with", "load_trained", "on_one_device"]

_TRAINER = "trainer"


def config_with(run: RunDirectory, overrides: Sequence[str]) -> dict[str, Any]:
    """A run's config with other values, for what is done once in this process: on one device, and nobody watching.

    Args:
        run: the run.
        overrides: as on the command line: "data=digits", "fit.batch_size=8". A group that is chosen anew replaces all
            that the run has of it.

    Raises:
        ConfigError: naming everything that does not fit.
    """
    config = run.config() | _NOBODY_WATCHES
    config["trainer"] = on_one_device(config.get("trainer"))
    found, faults = parsed(overrides, OverridesParser.create())
    chosen = OmegaConf.create(config)
    assert isinstance(chosen, DictConfig)
    for override in found:
        key, value, line = override.key_or_group, override.value(), str(override.input_line)
        if override.is_sweep_override():
            faults.append(f"{line}: several values are a sweep, and this is done once")
        elif key in (*GROUPS, _TRAINER) and isinstance(value, str):
            chosen[key] = Composer([line]).compose()[key]  # whether it fits the rest of the run is seen below
        elif override.is_delete() and "." in key:
            _leave_out(chosen, key)
        elif OmegaConf.select(chosen, key, default=_NOTHING) is _NOTHING and not (
            override.is_add() or override.is_force_add()
        ):
            faults.append(
                f"{line}: the run's config has no {key!r}.{nearest(key, [name for name, _ in leaves(config)])}"
            )
        else:
            try:
                OmegaConf.update(chosen, key, value, force_add=True)
            except OmegaConfBaseException as error:
                faults.append(f"{line}: {first_lines(error)}")
    if faults:
        raise ConfigError(faults)
    return checked(chosen)


_NOTHING = object()
# Of training: other metrics, or another loss, need not have the value that a callback waited for.
_NOBODY_WATCHES: dict[str, Any] = {"monitor": None, "callbacks": {}, "logger": {}}
_ONE_DEVICE = {"devices": 1, "strategy": "auto", "num_nodes": 1}


def on_one_device(trainer: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments of a Trainer without those that would start other processes."""
    values = dict(trainer or {})
    if values.get("devices") in (None, 1, "auto"):
        return values
    return values | {name: value for name, value in _ONE_DEVICE.items() if name in values}


def _leave_out(config: DictConfig, key: str) -> None:
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(config, parent)
    if isinstance(node, DictConfig) and name in node:
        with open_dict(node):
            del node[name]


def checkpoint_of(run: RunDirectory, name: str) -> Path:
    """The file of a checkpoint.

    Args:
        run: the run.
        name: "last", "best", or a path, from here or from the run's folder.

    Raises:
        RunDirectoryError: if there is no such checkpoint; it names those that there are.
    """
    if name in ("last", "best"):
        pointer = run.checkpoints / f"{name}.json"
        if pointer.exists():
            return run.checkpoints / Path(str(read_json(pointer.read_bytes(), str(pointer)).get("path"))).name
    for path in (Path(name), run.path / name, run.checkpoints / name):
        if path.is_file():
            return path
    there = sorted(path.name for path in run.checkpoints.glob("*")) if run.checkpoints.is_dir() else []
    raise RunDirectoryError(
        f"the run has no such checkpoint; it has {', '.join(there) or 'none'}. "
        f"Received: checkpoint={name!r}, run={str(run.path)!r}"
    )


def load_trained(model: Model, checkpoint: Path, data: RunData) -> None:
    """Gives a model the weights of a checkpoint.

    Args:
        model: as the run's config makes it; if it has no input shape it is built on a batch of the data.
        checkpoint: the file.
        data: what it is to see.

    Raises:
        RunDirectoryError: if the file is damaged, or of another model; the model is not changed then.
    """
    if not model.built:
        model.predict(_first_rows(data), verbose=0)
    try:
        if checkpoint.suffix == ".zip":
            read_backup(checkpoint).load_weights(model)
        else:
            model.load_weights(checkpoint)
    except FileFormatError as error:
        raise RunDirectoryError(
            f"{checkpoint} is damaged, or of another model than the one that is to be loaded: {error}"
        ) from error


def _first_rows(data: RunData) -> Any:
    """Enough of the data to build a model on."""
    if not data.is_arrays:
        return next(iter(data.x))[0]
    if isinstance(data.x, Mapping):
        return {name: _row(array) for name, array in data.x.items()}
    return [_row(array) for array in data.x] if isinstance(data.x, list | tuple) else _row(data.x)


def _row(array: Any) -> Any:
    return np.asarray(array[:1])
