"""Why a key of a config has its value: who set it, one after the other."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from labkeras.errors import ConfigError, did_you_mean
from labkeras.experiment.config.components import complete
from labkeras.experiment.config.composer import Composer
from labkeras.experiment.config.hydra_session import CONFIG_NAME
from labkeras.experiment.config.origins import Origin, Origins
from labkeras.experiment.config.resolving import plain
from labkeras.experiment.config.words import listed

__all__ = ["Explanation", "explain"]

_INTERPOLATION = re.compile(r"\$\{([\w.]+)\}")


@dataclass(frozen=True)
class Explanation:
    """Why a key has its value.

    Args:
        key: the full key.
        value: its value, interpolations followed.
        written: the interpolation that it was written as; None if it is none.
        chain: who set it, one after the other; the last one won.
        inner: of a mapping, its keys, explained.
        referred: the keys that the interpolation refers to, explained.
    """

    key: str
    value: Any
    written: str | None
    chain: list[Origin]
    inner: "list[Explanation]"
    referred: "list[Explanation]"

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return {
            "key": self.key,
            "value": self.value,
            "written": self.written,
            "chain": [{"kind": one.kind, "where": one.where, "value": one.value} for one in self.chain],
            "inner": [one.as_dict() for one in self.inner],
            "referred": [one.as_dict() for one in self.referred],
        }


def explain(
    key: str, overrides: Sequence[str] = (), *, config_name: str = CONFIG_NAME, config_dir: str | None = None
) -> Explanation:
    """Why a key of the config of some overrides has its value.

    Args:
        key: a full key: "model.layers.h1.units", or that of a mapping: "optimizer".
        overrides: as on the command line.
        config_name: the primary config.
        config_dir: a folder of YAML files that is searched before all others.

    Raises:
        ConfigError: if an override, option or file does not fit, or there is no such key.

    Example:
        >>> explain("fit.epochs", ["experiment=digits_mlp", "fit.epochs=3"]).chain[-1].where
        'on the command line'
    """
    composer = Composer(overrides, config_name=config_name, config_dir=config_dir)
    config, faults = composer.examine()
    origins = composer.origins()
    if faults or config is None:
        raise ConfigError([origins.located(fault) for fault in faults])
    values = complete(plain(config, []), is_whole=True)
    value = _at(values, key.split("."))
    if value is _NOTHING:
        raise ConfigError([_unknown(key, values)])
    return _explained(key, value, values, config, origins, set())


_NOTHING = object()


def _at(values: Any, parts: Sequence[str]) -> Any:
    """The value at a full key; keys and places in lists may be numbers."""
    for part in parts:
        if isinstance(values, Mapping):
            values = next((value for key, value in values.items() if str(key) == part), _NOTHING)
        elif isinstance(values, list) and part.isdigit() and int(part) < len(values):
            values = values[int(part)]
        else:
            return _NOTHING
    return values


def _unknown(key: str, values: Mapping[str, Any]) -> str:
    known = list(_keys(values, ""))
    same_end = [one for one in known if one.rpartition(".")[2] == key.rpartition(".")[2]]
    near = did_you_mean(key, known) or (listed(same_end[:5], "Keys of this name") if same_end else "")
    return f"{key}: the config has no such key.{near or listed(map(str, values), 'Keys')}"


def _keys(values: Any, path: str) -> Iterator[str]:
    for key, value in values.items() if isinstance(values, Mapping) else ():
        inner = f"{path}.{key}" if path else str(key)
        yield inner
        yield from _keys(value, inner)


def _explained(
    key: str, value: Any, values: Mapping[str, Any], config: DictConfig, origins: Origins, known: set[str]
) -> Explanation:
    written = _written(config, key)
    keys = [] if written is None else [one for one in _INTERPOLATION.findall(written) if one not in known]
    return Explanation(
        key,
        value,
        written,
        origins.chain(key, values),
        [
            _explained(f"{key}.{inner}", one, values, config, origins, known)
            for inner, one in (value.items() if isinstance(value, Mapping) and written is None else ())
        ],
        # Two that refer to each other would go on for ever.
        [
            _explained(one, _at(values, one.split(".")), values, config, origins, known | {key, one})
            for one in keys
            if _at(values, one.split(".")) is not _NOTHING
        ],
    )


def _written(config: DictConfig, key: str) -> str | None:
    """The interpolation that a value was written as, if it was."""
    *above, last = key.split(".")
    node = OmegaConf.select(config, ".".join(above)) if above else config
    if not isinstance(node, DictConfig) or not OmegaConf.is_interpolation(node, last):
        return None
    return str(OmegaConf.to_container(node, resolve=False)[last])  # type: ignore[index, call-overload]  # a mapping
