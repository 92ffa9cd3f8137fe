"""What Hydra refused to compose, in our words: the override or file, the key, the nearest right ones."""

import re
from dataclasses import dataclass
from pathlib import Path

import hydra
import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, Node
from omegaconf.errors import OmegaConfBaseException

from labkeras.errors import LabkerasError, UnknownComponentError, did_you_mean
from labkeras.experiment.config.folders import shipped_conf
from labkeras.experiment.config.sources import GROUPS
from labkeras.experiment.config.words import listed, nearest
from labkeras.registry import registry_of

__all__ = ["REFUSALS", "Refusal", "first_lines", "loader", "refused_option", "refused_value", "shown"]

REFUSALS = (HydraException, OmegaConfBaseException, yaml.YAMLError, LabkerasError, ValueError)
"""What composing a config raises when the config is at fault."""


def loader() -> ConfigLoader:
    """What finds options and files; Hydra must be initialized."""
    return GlobalHydra.instance().config_loader()


@dataclass(frozen=True)
class Refusal:
    """Why a config could not be composed.

    Args:
        sentence: the fault.
        culprit: the override at fault, or None if a file is.
        instead: an override to go on with in its place, to find what else is wrong.
    """

    sentence: str
    culprit: str | None = None
    instead: str | None = None


def refused_value(error: Exception, line: str, config: DictConfig) -> str:
    """Why a value cannot be set in a config; Hydra must be initialized.

    Args:
        error: one of `REFUSALS`.
        line: the override.
        config: what it was to be set in.
    """
    message = first_lines(error)
    refused = re.search(r"Could not override '([^']*)'", message)
    if refused is None:
        return f"{line}: {message}"
    # Of a mapping that is set, a key within it may be the one that is not there.
    return f"{line}: {_no_such_key(getattr(error.__cause__, 'full_key', None) or refused[1], config) or message}"


def refused_option(error: Exception, lines: list[str], config_name: str) -> Refusal:
    """Why options cannot be chosen, or files not be read; Hydra must be initialized.

    Args:
        error: one of `REFUSALS`.
        lines: the overrides that were given to Hydra.
        config_name: the primary config.
    """
    if isinstance(error, yaml.MarkedYAMLError):
        return Refusal(_bad_yaml(error))
    if isinstance(error, MissingConfigException):
        return _missing_option(error, lines, config_name)
    message = first_lines(error)
    refused = re.search(r"Could not override '([^']*)'", message)
    if refused is not None:
        return _no_override(refused[1], message, lines)
    culprit = _culprit(str(error), lines) or _alone_at_fault(str(error), lines, config_name)
    if culprit is None:
        return Refusal(message)
    if "Ambiguous value" in message or "requires --multirun" in message:
        key, _, value = culprit.partition("=")
        return Refusal(f"{culprit}: several values are a sweep: add -m. A list has brackets: {key}=[{value}]", culprit)
    return Refusal(f"{culprit}: {message}", culprit)


def _bad_yaml(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = "" if mark is None else f"{shown(mark.name)}:{mark.line + 1}: "
    return f"{where}no YAML that can be read: {' '.join(str(error.problem or error.context).split())}"


def shown(path: str) -> str:
    """A path as it is shown: from the current folder, if that is a way down, or from that of labkeras's own files."""
    for above in (Path.cwd(), shipped_conf().parent):
        if Path(path).is_relative_to(above):
            return str(Path(path).relative_to(above))
    return path


def _no_override(key: str, message: str, lines: list[str]) -> Refusal:
    """An override, on the command line or in a defaults list, of what is not there."""
    culprit = next((line for line in lines if _key(line) == key), None)
    if culprit is None:
        return Refusal(f"{message}{did_you_mean(key, loader().list_groups(''))}")
    return Refusal(f"{culprit}: {message}", culprit)


def _culprit(message: str, lines: list[str]) -> str | None:
    """The override that a message of Hydra's is about: it holds the key."""
    named = [line for line in lines if re.search(rf"(?<![\w.]){re.escape(_key(line))}(?![\w.])", message)]
    return max(named, key=lambda line: (line in message, len(_key(line))), default=None)


def _alone_at_fault(message: str, lines: list[str], config_name: str) -> str | None:
    """The override that is refused with the same words when it is the only one."""
    for line in lines:
        try:
            hydra.compose(config_name, [line])
        except REFUSALS as error:
            if str(error) == message:
                return line
    return None


def _key(line: str) -> str:
    return line.partition("=")[0].lstrip("+~")


def first_lines(error: Exception) -> str:
    """A message on one line, without the search path and the address of Hydra's documentation."""
    text = str(error) or str(error.__cause__ or type(error).__name__)
    text = text.partition("Config search path")[0]
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return "; ".join(line for line in lines if line and "hydra.cc" not in line)


def _missing_option(error: MissingConfigException, lines: list[str], config_name: str) -> Refusal:
    """A group has no such option, or there is no such group or file."""
    wanted = error.missing_cfg_file or _quoted(str(error))
    if wanted == config_name:
        return Refusal(f"--config-name={config_name!r}: no folder of the search path has {config_name}.yaml")
    group, _, option = wanted.rpartition("/")
    if group not in loader().list_groups("") and (parent := group.partition("/")[0]) in GROUPS:
        group, option = parent, wanted.partition("/")[2]
    options = loader().get_group_options(group)
    near = did_you_mean(option, options)
    culprit = next((line for line in lines if _key(line).partition("@")[0] == group and option in line), None)
    where = culprit or f"{group}={option}, in a defaults list"
    first = re.search(r"Did you mean '([^']*)'", near)
    instead = culprit.replace(option, first[1]) if culprit and first else None
    return Refusal(f"{where}: {_no_such_option(group, option, options, near)}", culprit, instead)


def _quoted(message: str) -> str:
    found = re.search(r"Could not (?:find|load) '([^']*)'", message)
    return found[1] if found else ""


def _no_such_option(group: str, option: str, options: list[str], near: str) -> str:
    if group in GROUPS:
        try:
            registry_of(GROUPS[group]).entry(option)
        except UnknownComponentError as error:
            # The registry knows of plugins that were set aside; files in the same group it does not know.
            return f"{error}" if "Did you mean" in str(error) or not near else f"no such option.{near}"
    if not options:
        groups = [name for name in loader().list_groups("") if name != "hydra"]
        return f"there is no group {group!r}.{nearest(group, groups, 'Groups')}"
    return f"the group {group!r} has no option {option!r}.{near or listed(options, 'Options')}"


def _no_such_key(key: str, config: DictConfig) -> str | None:
    """Where in the config a key leaves it, and the nearest keys there; None if it does not."""
    node: Node | None = config
    parts = key.split(".")
    above: list[str] = []
    for part in parts:
        if not isinstance(node, DictConfig):
            return f"{'.'.join(above)} is a value, which has no keys"
        if part not in node:
            break
        node = node._get_node(part)
        above.append(part)
    if len(above) == len(parts):
        return None
    known = [str(name) for name in node] if isinstance(node, DictConfig) else []
    if not above:
        known += [group for group in loader().list_groups("") if group not in ("hydra", *known)]
    place = f"in {'.'.join(above)}" if above else "in the config"
    near = nearest(parts[len(above)], known)
    return f"there is no key {parts[len(above)]!r} {place}.{near} A new key needs a plus: +{key}=…"
