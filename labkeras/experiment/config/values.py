"""What a key of a config can be set to, as far as there is a list of it: for completion."""

from collections.abc import Mapping
from typing import Any

from labkeras.experiment.config.components import KEY_OF_KIND, node_kind, parameters_of
from labkeras.experiment.config.hints import choices_of, fits
from labkeras.experiment.config.manifest import keywords_of
from labkeras.experiment.config.schema import Parameter
from labkeras.registry import registry_of

__all__ = ["parameter_at", "values_at"]

_KIND_OF_WORD = {key: kind for kind, key in KEY_OF_KIND.items()} | {"activation": "activations"}
_KEYWORDS = ("fit", "compile", "trainer")


def values_at(config: Mapping[str, Any], key: str) -> list[str]:
    """The values that a key is known to take: members of a `Literal`, names of components, true and false, null.

    Args:
        config: plain values.
        key: a full key, "model.layers.h1.activation".

    Example:
        >>> values_at({"model": {"h": {"layer": "dense", "units": 3}}}, "model.h.use_bias")
        ['false', 'true']
    """
    path, _, last = key.rpartition(".")
    node = _at(config, path)
    if node_kind(node) is not None and last == KEY_OF_KIND[str(node_kind(node))]:
        return registry_of(str(node_kind(node))).names()
    parameter = parameter_at(config, key)
    if parameter is None:
        return []
    found = choices_of(parameter.hint)
    found += [word for word, value in (("true", True), ("false", False), ("null", None)) if _takes(parameter, value)]
    kind = _KIND_OF_WORD.get(last.rpartition("_")[2])
    if kind is not None and not found[:-1] and fits("a name", parameter.hint):
        found += registry_of(kind).names()
    return sorted(set(found))


def parameter_at(config: Mapping[str, Any], key: str) -> Parameter | None:
    """The parameter that a key gives, of a component or of `fit`, `compile` and the Trainer; None if it is no such key.

    Args:
        config: plain values, with whose nodes the key is read.
        key: a full key.

    Raises:
        UnknownComponentError: if the node that the key is in names something unknown.
    """
    path, _, last = key.rpartition(".")
    if path in _KEYWORDS:
        return keywords_of(path).get(last)
    node = _at(config, path)
    kind = node_kind(node) if path else None
    return None if kind is None else parameters_of(kind, node[KEY_OF_KIND[kind]]).get(last)


def _takes(parameter: Parameter, value: bool | None) -> bool:
    # What fits any value would offer these three everywhere.
    return fits(value, parameter.hint) and not fits(object(), parameter.hint)


def _at(config: Any, path: str) -> Any:
    for key in path.split(".") if path else []:
        config = config.get(key) if isinstance(config, Mapping) else None
    return config
