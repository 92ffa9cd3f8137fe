"""A config that came as a file, from a colleague or from the internet: read without trusting it."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labkeras.errors import ConfigError
from labkeras.experiment.config.components import KEY_OF_KIND, build, complete, node_kind
from labkeras.experiment.config.node_checks import check_node
from labkeras.experiment.config.safe_yaml import read_yaml
from labkeras.experiment.model.building import build_model

__all__ = ["instantiate", "load_config"]

_CONFIG = "config.yaml"
_TARGETS = ("_target_", "_partial_", "_recursive_", "_convert_")


def load_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads a config from a file; nothing in it is run, imported, looked up in the environment or followed.

    What it holds is as `labkeras.experiment.compose` makes it, with components by name (`layer: dense`), or a part of
    that. `validate` says what is wrong with its values, `instantiate` makes the objects, `run` trains.

    Args:
        path: a YAML file, or the folder of a run, whose `config.yaml` is meant.

    Raises:
        ConfigError: naming every place, if the file is no plain YAML mapping, has a `_target_`, or has an interpolation
            (`${…}`), which could read the environment.
        OSError: if it cannot be read.

    Example:
        >>> result = run(compose(["experiment=digits_mlp", "fit.epochs=1", "run_dir=first"]))
        >>> load_config("first")["optimizer"]["optimizer"]
        'adam'
    """
    path = Path(path)
    path = path / _CONFIG if path.is_dir() else path
    config = read_yaml(path)
    if not isinstance(config, dict):
        raise ConfigError([f"{path}: expected a mapping of keys to values. Received: {type(config).__name__}"])
    _check_plain(config, f"{path}: ")
    return config


def instantiate(config: Mapping[str, Any]) -> Any:
    """The object that a config describes: a component, or a model.

    Components are found by their names in the registry, which holds labkeras's own, those of installed plugins, and
    those that this program registered. Nothing is imported because a config names it.

    Args:
        config: a node such as `{"layer": "dense", "units": 3}`, or the group `model` of a config, with `kind`.

    Raises:
        ConfigError: naming everything that is wrong with it.

    Example:
        >>> instantiate({"optimizer": "adam", "learning_rate": 0.01}).learning_rate
        0.01
    """
    if not isinstance(config, Mapping):
        raise ConfigError([f"expected a mapping that names a component. Received: {config!r}"])
    _check_plain(config)
    node = complete(config)
    kind = node_kind(node)
    if kind is None and "kind" in node:
        return build_model(node)
    if kind is None:
        keys = ", ".join(f"`{key}: …`" for key in KEY_OF_KIND.values())
        raise ConfigError(
            [f"expected a mapping with one of {keys}, or a model's `kind`. Received: keys {list(config)}"]
        )
    if node.get("kind") == "subclass":
        return build_model(node)
    faults: list[str] = []
    path = KEY_OF_KIND[kind]
    check_node(kind, node, path, faults)
    if faults:
        raise ConfigError(faults)
    return build(kind, node, path)


def _check_plain(config: Mapping[str, Any], where: str = "") -> None:
    faults = [f"{where}{fault}" for fault in _not_plain(config, "")]
    if faults:
        raise ConfigError(faults)


def _not_plain(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str) and "${" in value:
        yield f"{path}={value!r}: interpolations are not followed in a config that came as a file; write the value"
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        inner = f"{path}.{key}" if path else str(key)
        if key in _TARGETS:
            yield f"{inner}={item!r}: `{key}` is not read; components are named, as in `layer: dense`"
        yield from _not_plain(item, inner)
