"""From overrides to a config, by Hydra; what Hydra refuses is reported in our words, all of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict

from labkeras.errors import ConfigError
from labkeras.experiment.config.refusals import REFUSALS, first_lines, loader, refusal_of
from labkeras.experiment.config.sources import installed
from labkeras.experiment.config.validation import validate

__all__ = ["CONFIG_NAME", "Examination", "VERSION_BASE", "compose", "examine", "with_name"]

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
    with _initialized(config_dir):
        points, faults = _sweep_points(overrides) if sweep else ([list(overrides)], [])
        names: list[str] = []
        for point in points:
            config, refused = _composed(point, config_name)
            faults += refused
            if config is not None:
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


def _composed(overrides: list[str], config_name: str) -> tuple[DictConfig | None, list[str]]:
    """The config of those overrides that Hydra takes, and why it refuses the others.

    Hydra stops at the first fault. So the override at fault is put right or left out, until the rest composes.
    """
    parsed, faults = _parsed(overrides)
    lines = [override.input_line or "" for override in parsed]
    while True:
        try:
            return _without_hydra(hydra.compose(config_name, lines, return_hydra_config=True)), faults
        except REFUSALS as error:
            refusal = refusal_of(error, lines, config_name)
            faults.append(refusal.sentence)
            if refusal.culprit is None:
                return None, faults
            at = lines.index(refusal.culprit)
            lines[at : at + 1] = [] if refusal.instead is None else [refusal.instead]


def _without_hydra(config: DictConfig) -> DictConfig:
    experiment = config.hydra.runtime.choices.get("experiment")
    with open_dict(config):
        del config["hydra"]
    return with_name(experiment, config)


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
