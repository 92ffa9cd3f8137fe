"""A composed config as plain values: interpolations followed, what cannot be followed reported."""

import re
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from labkeras.experiment.config.components import MISSING

__all__ = ["has_only_plain_references", "plain", "referred_keys"]

_INTERPOLATION = re.compile(r"\$\{([\w.\[\]]+)\}")


def plain(config: Any, faults: list[str], path: str = "") -> Any:
    """Mappings, lists and plain values in place of OmegaConf's.

    Args:
        config: the config, or a part of it.
        faults: a sentence for each interpolation that leads nowhere is added here.
        path: where the part stands.
    """
    if isinstance(config, DictConfig):
        return {key: _value(config, key, f"{path}.{key!s}" if path else str(key), faults) for key in config}
    if isinstance(config, ListConfig):
        return [_value(config, index, f"{path}[{index}]", faults) for index in range(len(config))]
    return config


def referred_keys(config: DictConfig) -> set[str]:
    """The full keys that interpolations in a config refer to: a key of the user's own invention is known by its use."""
    container = OmegaConf.to_container(config, resolve=False)
    return {key for text in _strings(container) for key in _INTERPOLATION.findall(text)}


def has_only_plain_references(config: DictConfig) -> bool:
    """Whether `referred_keys` tells all that the interpolations in a config depend on: full keys, and no resolvers."""
    texts = [text for text in _strings(OmegaConf.to_container(config, resolve=False)) if "${" in text]
    keys = [key for text in texts for key in _INTERPOLATION.findall(text)]
    left = [_INTERPOLATION.sub("", text) for text in texts]
    return not any("${" in text for text in left) and not any("[" in key or key.startswith(".") for key in keys)


def _value(config: DictConfig | ListConfig, key: Any, path: str, faults: list[str]) -> Any:
    if OmegaConf.is_missing(config, key):
        return MISSING
    try:
        value = config[key]
    except OmegaConfBaseException as error:
        reason = str(error).partition("\n")[0]
        written = config._get_node(key)
        faults.append(f"{path}={str(written)!r}: {reason}")
        return None
    return plain(value, faults, path)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
