"""From overrides to a config, by Hydra; what is wrong with it is reported in our words, all of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from labkeras.errors import ConfigError
from labkeras.experiment.config.composer import Composer
from labkeras.experiment.config.hydra_session import CONFIG_NAME, VERSION_BASE, initialized, parsed, with_name
from labkeras.experiment.config.points import validate_points
from labkeras.experiment.config.refusals import loader
from labkeras.experiment.config.validation import validate

__all__ = [
    "CONFIG_NAME",
    "Examination",
    "VERSION_BASE",
    "compose",
    "examine",
    "initialized",
    "parsed",
    "with_name",
]


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
    composer = Composer(overrides, config_name=config_name, config_dir=config_dir)
    config, faults = composer.examine()
    if faults or config is None:
        faults = faults + (validate(config) if config is not None else [])
        raise ConfigError([composer.origins().located(fault) for fault in faults])
    return config


@dataclass(frozen=True)
class Examination:
    """What is known of a run, or of all runs of a sweep, before any starts.

    Args:
        faults: what is wrong, a sentence each, with who set the value at fault.
        names: the names of the runs, each once.
        config: of the run, or of the first one; None if it cannot be composed.
    """

    faults: list[str]
    names: list[str]
    config: DictConfig | None = None


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
    if not sweep:
        composer = Composer(overrides, config_name=config_name, config_dir=config_dir)
        config, faults = composer.examine()
        if config is not None:
            faults = faults + validate(config)
        located = [composer.origins().located(fault) for fault in dict.fromkeys(faults)]
        return Examination(located, [] if config is None else [str(config.get("name"))], config)
    with initialized(config_dir):
        points, faults = _sweep_points(overrides)
    composer = Composer(config_name=config_name, config_dir=config_dir)
    configs = [composer.examine(point)[0] for point in points]
    faults = faults + validate_points([], points, config_name=config_name, config_dir=config_dir)
    names = dict.fromkeys(str(config.get("name")) for config in configs if config is not None)
    return Examination(faults, list(names), next(iter(configs), None))


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
