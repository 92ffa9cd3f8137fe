"""Hydra as labkeras uses it: what it composes of a primary config and chosen options, and what it refuses."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict

from labkeras.experiment.config.refusals import REFUSALS, first_lines, loader, refused_option
from labkeras.experiment.config.sources import installed

__all__ = ["CONFIG_NAME", "Composed", "VERSION_BASE", "composed", "initialized", "parsed", "with_name"]

CONFIG_NAME = "train"
"""The primary config."""

VERSION_BASE = "1.3"
"""The version of Hydra's behaviour that is relied on."""


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
        lines: the overrides that are in it.
    """

    config: DictConfig | None
    faults: list[str]
    choices: Mapping[str, Any]
    lines: list[str]


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
            refusal = refused_option(error, lines, config_name)
            faults.append(refusal.sentence)
            if refusal.culprit is None:
                return Composed(None, faults, {}, [])
            at = lines.index(refusal.culprit)
            lines[at : at + 1] = [] if refusal.instead is None else [refusal.instead]
            continue
        choices = OmegaConf.to_container(config.hydra.runtime.choices)
        with open_dict(config):
            del config["hydra"]
        return Composed(config, faults, choices, lines)  # type: ignore[arg-type]  # it is a mapping


def parsed(overrides: Sequence[str], parser: OverridesParser) -> tuple[list[Override], list[str]]:
    """The overrides that follow Hydra's grammar, and a sentence for each that does not."""
    fitting, faults = [], []
    for line in overrides:
        try:
            fitting.append(parser.parse_override(line))
        except HydraException as error:
            faults.append(f"{line}: not of the form key=value that Hydra reads: {first_lines(error)}")
    return fitting, faults


def with_name(experiment: str | None, config: DictConfig) -> DictConfig:
    """The config, named after the experiment that was chosen unless it has a name."""
    if config.get("name") is None:
        with open_dict(config):
            config["name"] = experiment
    return config
