"""Values set in a composed config, by Hydra's rules; what is a node stays one.

`optimizer.learning_rate={schedule: cosine_decay, decay_steps: 100}` puts a node where a number was. It gets all its
arguments, so that `optimizer.learning_rate.alpha=0.1` needs no plus; and a mapping that names another component than
the node it is set in takes that one's place, whose arguments it does not have. A bare name, as in
`model.layers.h1=kan_dense`, makes the node one of that component, which keeps what it has set and the component takes.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl  # no public name sets overrides in a config
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from labkeras.errors import UnknownComponentError
from labkeras.experiment.config.components import KEY_OF_KIND, complete, defaults_of, node_kind, parameters_of

__all__ = ["set_values", "setting_nodes"]

_by_hydra = ConfigLoaderImpl._apply_overrides_to_config


@contextmanager
def setting_nodes() -> Iterator[None]:
    """Within it Hydra sets values as `set_values` does, whatever it composes for."""
    before = ConfigLoaderImpl._apply_overrides_to_config
    ConfigLoaderImpl._apply_overrides_to_config = staticmethod(set_values)  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        ConfigLoaderImpl._apply_overrides_to_config = staticmethod(before)  # type: ignore[method-assign]


def set_values(overrides: Iterable[Override], config: DictConfig) -> None:
    """Sets values in a config, one after the other.

    Args:
        overrides: each with one value.
        config: changed in place; if an override is refused, those before it are set, and it may be in part.

    Raises:
        HydraException, OmegaConfBaseException: if the config has no such key, or it cannot hold the value.
    """
    for override in overrides:
        node = _renamed(override, config)
        if node is not None:
            with open_dict(config):
                OmegaConf.update(config, override.key_or_group, node, merge=False)
            continue
        holds_mapping = isinstance(override.value(), dict) and not override.is_hydra_override()
        if holds_mapping:
            _make_room(override, config)
        _by_hydra([override], config)
        if holds_mapping:
            _complete_at(override.key_or_group, config)


def _renamed(override: Override, config: DictConfig) -> dict[str, Any] | None:
    """The node that a bare name makes of the node that is there; None if it is no such override."""
    name = override.value()
    if override.type != OverrideType.CHANGE or override.is_hydra_override() or not isinstance(name, str):
        return None
    present = _at(override.key_or_group, config)
    kind = node_kind(present)
    if kind is None or "${" in name:
        return None
    own_key = KEY_OF_KIND[kind]
    known = {key: value for key, value in present.items() if key != own_key}
    try:
        before, after = defaults_of(kind, present[own_key]), parameters_of(kind, name)
    except UnknownComponentError:  # validation says so
        return {own_key: name, **known}
    was_set = {key: value for key, value in known.items() if key not in before or value != before[key]}
    kept = {key: value for key, value in was_set.items() if key in after or key not in before}
    return complete({own_key: name, **kept})  # type: ignore[no-any-return]


def _make_room(override: Override, config: DictConfig) -> None:
    """Takes away the node that another component is to stand in for."""
    present: Any = _at(override.key_or_group, config)
    given: Any = override.value()
    kind = node_kind(given)
    if kind is not None and node_kind(present) == kind and present[KEY_OF_KIND[kind]] != given[KEY_OF_KIND[kind]]:
        OmegaConf.update(config, override.key_or_group, None, merge=False)


def _complete_at(key: str, config: DictConfig) -> None:
    present = _at(key, config)
    if isinstance(present, dict):
        with open_dict(config):
            OmegaConf.update(config, key, complete(present), merge=True)


def _at(key: str, config: DictConfig) -> Any:
    """What a key holds, as plain values with interpolations as they are written; None if there is nothing."""
    try:
        found = OmegaConf.select(config, key)
    except OmegaConfBaseException:
        return None
    return OmegaConf.to_container(found, resolve=False) if OmegaConf.is_config(found) else found
