"""From overrides to a config, by Hydra; what Hydra refuses is reported in our words, all of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict

from labkeras.errors import ConfigError
from labkeras.experiment.config.refusals import REFUSALS, first_lines, loader, refusal_of
from labkeras.experiment.config.sources import installed
from labkeras.experiment.config.validation import validate

__all__ = [
    "CONFIG_NAME",
    "Composed",
    "Examination",
    "VERSION_BASE",
    "compose",
    "composed",
    "examine",
    "initialized",
    "parsed",
    "with_name",
]

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
    with initialized(config_dir):
        found = composed(overrides, config_name)
    if found.config is None:
        raise ConfigError(found.faults)
    config = with_name(found.choices.get("experiment"), found.config)
    if found.faults:
        raise ConfigError([*found.faults, *validate(config)])
    return config


@dataclass(frozen=True)
class Examination:
    """What is known of a run, or of all runs of a sweep, before any starts.

    Args:
        faults: what is wrong, a sentence each.
        names: the names of the runs, each once.
    """

    faults: list[str]
    names: list[str]


def examine(
    overrides: Sequence[str], *, config_name: str = CONFIG_NAME, config_dir: str | None = None, sweep: bool = False
) -> Examination:
    """Composes and validates a run, or every run of a sweep.

    Args:
        overrides: as on the command line.
        config_name: the primary config.
        config_dir: a folder of YAML files that is searched before all others.
        sweep: whether overrides with several values mean a run for each.
    """
    with initialized(config_dir):
        points, faults = _sweep_points(overrides) if sweep else ([list(overrides)], [])
        names: list[str] = []
        for point in points:
            found = composed(point, config_name)
            faults += found.faults
            if found.config is not None:
                config = with_name(found.choices.get("experiment"), found.config)
                faults += validate(config)
                names.append(str(config.get("name")))
    # What is wrong at every point is said once.
    return Examination(list(dict.fromkeys(faults)), list(dict.fromkeys(names)))


def with_name(experiment: str | None, config: DictConfig) -> DictConfig:
    """The config, named after the experiment that was chosen unless it has a name."""
    if config.get("name") is None:
        with open_dict(config):
            config["name"] = experiment
    return config


def _sweep_points(overrides: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """The overrides of each run of a sweep, and what is wrong with those of the sweep itself."""
    fitting, faults = parsed(overrides, OverridesParser.create(config_loader=loader()))
    axes = []
    for override in fitting:
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
def initialized(config_dir: str | None) -> Iterator[None]:
    """Within it Hydra composes what labkeras has.

    Args:
        config_dir: a folder of YAML files that is searched before all others.
    """
    with (
        installed(config_dir) as folder,
        hydra.initialize_config_dir(folder, job_name="labkeras", version_base=VERSION_BASE),
    ):
        yield


@dataclass(frozen=True)
class Composed:
    """What Hydra made of some overrides.

    Args:
        config: None if nothing could be composed.
        faults: why Hydra refused the overrides, options or files that are not in it.
        choices: group → the option that is chosen.
    """

    config: DictConfig | None
    faults: list[str]
    choices: Mapping[str, Any]


def composed(overrides: Sequence[str], config_name: str) -> Composed:
    """The config of those overrides that Hydra takes, and why it refuses the others; Hydra must be initialized.

    Hydra stops at the first fault. So the override at fault is put right or left out, until the rest composes.
    """
    fitting, faults = parsed(overrides, OverridesParser.create(config_loader=loader()))
    lines = [override.input_line or "" for override in fitting]
    while True:
        try:
            config = hydra.compose(config_name, lines, return_hydra_config=True)
        except REFUSALS as error:
            refusal = refusal_of(error, lines, config_name)
            faults.append(refusal.sentence)
            if refusal.culprit is None:
                return Composed(None, faults, {})
            at = lines.index(refusal.culprit)
            lines[at : at + 1] = [] if refusal.instead is None else [refusal.instead]
            continue
        choices = OmegaConf.to_container(config.hydra.runtime.choices)
        with open_dict(config):
            del config["hydra"]
        return Composed(config, faults, choices)  # type: ignore[arg-type]  # it is a mapping


def parsed(overrides: Sequence[str], parser: OverridesParser) -> tuple[list[Override], list[str]]:
    """The overrides that follow Hydra's grammar, and a sentence for each that does not."""
    fitting, faults = [], []
    for line in overrides:
        try:
            fitting.append(parser.parse_override(line))
        except HydraException as error:
            faults.append(f"{line}: not of the form key=value that Hydra reads: {first_lines(error)}")
    return fitting, faults
