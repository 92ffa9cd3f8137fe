"""Whose component a bare name means, where several plugins offer it: what a config's `prefer` says.

Names are looked up while a config is composed, so that this one key is read before that.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from labkeras.errors import ConfigError
from labkeras.experiment.config.folders import conf_folders, option_file
from labkeras.experiment.config.safe_yaml import read_yaml
from labkeras.registry import prefer

__all__ = ["KEY", "prefer_as_asked"]

KEY = "prefer"
"""The key of a config that names distributions."""


def prefer_as_asked(overrides: Sequence[str], config_name: str, config_dir: str | None) -> None:
    """Prefers the distributions that an override names, or else the experiment, or else the primary config.

    Args:
        overrides: as on the command line.
        config_name: the primary config.
        config_dir: a folder of YAML files that is searched before all others.
    """
    said = {key: value for line in overrides for key, value in _parsed(line) if key in (KEY, "experiment")}
    folders = conf_folders(config_dir)
    files = [option_file(folders, "", config_name)]
    if isinstance(said.get("experiment"), str):
        files.insert(0, option_file(folders, "experiment", said["experiment"]))
    answers = [said.get(KEY), *(_in_file(file) for file in files if file is not None)]
    found = next((answer for answer in answers if isinstance(answer, list)), [])
    prefer([str(name) for name in found])


def _parsed(line: str) -> list[tuple[str, Any]]:
    if not line.lstrip("+").startswith((f"{KEY}=", "experiment=")):
        return []
    try:
        override = OverridesParser.create().parse_override(line)
    except HydraException:  # composing it says so
        return []
    return [] if override.is_sweep_override() else [(override.key_or_group, override.value())]


def _in_file(file: Path) -> Any:
    try:
        values = read_yaml(file)
    except (ConfigError, OSError):  # composing it says so
        return None
    return values.get(KEY) if isinstance(values, dict) else None
