"""From overrides to a config, by Hydra; what is wrong with it is reported in our words, all of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

from labkeras.errors import ConfigError
from labkeras.experiment.config.composer import Composer
from labkeras.experiment.config.hydra_session import CONFIG_NAME, VERSION_BASE, initialized, parsed, with_name
from labkeras.experiment.config.validation import Validator

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
        raise ConfigError(_all_faults(composer, config, faults))
    return config


@dataclass(frozen=True)
class Examination:
    """What is known of a run before it starts.

    Args:
        faults: what is wrong, a sentence each, with who set the value at fault.
        config: of the run; None if it cannot be composed.
    """

    faults: list[str]
    config: DictConfig | None


def examine(overrides: Sequence[str], *, config_name: str = CONFIG_NAME, config_dir: str | None = None) -> Examination:
    """Composes and validates a run.

    Args:
        overrides: as on the command line.
        config_name: the primary config.
        config_dir: a folder of YAML files that is searched before all others.
    """
    composer = Composer(overrides, config_name=config_name, config_dir=config_dir)
    config, faults = composer.examine()
    return Examination(_all_faults(composer, config, faults), config)


def _all_faults(composer: Composer, config: DictConfig | None, refused: list[str]) -> list[str]:
    """What was refused and what is wrong with the rest, with who set it."""
    values, faults = Validator().examine(config) if config is not None else ({}, [])
    origins = composer.origins() if refused or faults else None
    return [] if origins is None else [origins.located(one, values) for one in dict.fromkeys([*refused, *faults])]
