"""From overrides to a config, by Hydra; what Hydra refuses is reported in our words, all of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict

from labkeras.errors import ConfigError
from labkeras.experiment.refusals import REFUSALS, first_lines, loader, refusal_of
from labkeras.experiment.sources import installed
from labkeras.experiment.validate import validate

__all__ = ["CONFIG_NAME", "VERSION_BASE", "compose", "faults_of", "sweep_points"]

CONFIG_NAME = "train"
"""The primary config."""

VERSION_BASE = "1.3"
"""The version of Hydra's behaviour that is relied on."""


def compose(
    overrides: Sequence[str] = (), *, config_name: str = CONFIG_NAME, config_dir: str | None = None
) -> DictConfig:
    """The config of a run, as `labkeras train` composes it; interpolations are kept.

    Args:
        overrides: as on the command line: "experiment=digits_mlp", "optimizer.learning_rate=0.01".
        config_name: the primary config.
        config_dir: a folder of YAML files that is searched before all others.

    Raises:
        ConfigError: naming every override, option or file that does not fit, and, in what is left, everything that
            `validate` finds.

    Example:
        >>> compose(["experiment=digits_mlp", "seed=3"]).seed
        3
    """
    with _initialized(config_dir):
        config, faults = _composed(list(overrides), config_name)
    if faults or config is None:
        raise ConfigError([*faults, *(validate(config) if config is not None else [])])
    return config


def faults_of(
    overrides: Sequence[str], *, config_name: str = CONFIG_NAME, config_dir: str | None = None, sweep: bool = False
) -> list[str]:
    """Everything that is wrong with a run, or with any run of a sweep.

    Args:
        overrides: as on the command line.
        config_name: the primary config.
        config_dir: a folder of YAML files that is searched before all others.
        sweep: whether overrides with several values mean a run for each.
    """
    with _initialized(config_dir):
        if not sweep:
            return _faults_of_one(list(overrides), config_name)
        points, faults = sweep_points(overrides)
        found = [*faults, *(fault for point in points for fault in _faults_of_one(point, config_name))]
        return list(dict.fromkeys(found))  # what is wrong at every point is said once


def sweep_points(overrides: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """The overrides of each run of a sweep, and what is wrong with those of the sweep; Hydra must be initialized."""
    parsed, faults = _parsed(overrides)
    axes = []
    for override in parsed:
        if not override.is_sweep_override():
            axes.append([override.input_line or ""])
        elif override.is_discrete_sweep():
            key = override.get_key_element()
            axes.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        else:
            faults.append(
                f"{override.input_line}: this sweeper takes lists of values (a,b,c) and range(…), no intervals"
            )
    return [list(point) for point in product(*axes)], faults


@contextmanager
def _initialized(config_dir: str | None) -> Iterator[None]:
    with (
        installed(config_dir) as folder,
        hydra.initialize_config_dir(folder, job_name="labkeras", version_base=VERSION_BASE),
    ):
        yield


def _faults_of_one(overrides: list[str], config_name: str) -> list[str]:
    config, faults = _composed(overrides, config_name)
    return [*faults, *(validate(config) if config is not None else [])]


def _composed(overrides: list[str], config_name: str) -> tuple[DictConfig | None, list[str]]:
    """The config of those overrides that Hydra takes, and why it refuses the others.

    Hydra stops at the first fault. So the override at fault is put right or left out, until the rest composes.
    """
    parsed, faults = _parsed(overrides)
    lines = [override.input_line or "" for override in parsed]
    while True:
        try:
            return _with_name(hydra.compose(config_name, lines, return_hydra_config=True)), faults
        except REFUSALS as error:
            refusal = refusal_of(error, lines, config_name)
            faults.append(refusal.sentence)
            if refusal.culprit is None:
                return None, faults
            at = lines.index(refusal.culprit)
            lines[at : at + 1] = [] if refusal.instead is None else [refusal.instead]


def _with_name(config: DictConfig) -> DictConfig:
    """The config without Hydra's own part, named after the experiment that was chosen."""
    experiment = config.hydra.runtime.choices.get("experiment")
    with open_dict(config):
        del config["hydra"]
        if config.get("name") is None:
            config["name"] = experiment
    return config


def _parsed(overrides: Sequence[str]) -> tuple[list[Override], list[str]]:
    """The overrides that follow Hydra's grammar, and a sentence for each that does not."""
    parser = OverridesParser.create(config_loader=loader())
    parsed, faults = [], []
    for line in overrides:
        try:
            parsed.append(parser.parse_override(line))
        except HydraException as error:
            faults.append(f"{line}: not of the form key=value that Hydra reads: {first_lines(error)}")
    return parsed, faults
