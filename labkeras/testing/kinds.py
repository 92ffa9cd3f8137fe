"""What is looked at in a component of any kind, for whoever looks at all that a plugin offers."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labkeras.errors import PluginError, did_you_mean
from labkeras.testing import component
from labkeras.testing.callbacks import CALLBACK_PROPERTIES, callback_case
from labkeras.testing.component import Component
from labkeras.testing.datasets import DATASET_PROPERTIES, dataset_case
from labkeras.testing.layers import LAYER_PROPERTIES, layer_case
from labkeras.testing.losses import LOSS_PROPERTIES, loss_case
from labkeras.testing.metrics import METRIC_PROPERTIES, metric_case
from labkeras.testing.optimizers import OPTIMIZER_PROPERTIES, optimizer_case
from labkeras.testing.properties import Properties, named

__all__ = ["DECLARATION", "Looked", "case_of", "declared"]

DECLARATION = "labkeras_check"
"""The name under which a plugin's module says how its components are made and tried."""

_TABLES: Mapping[str, tuple[Properties, Callable[..., Component]]] = {
    "layers": (LAYER_PROPERTIES, layer_case),
    "losses": (LOSS_PROPERTIES, loss_case),
    "metrics": (METRIC_PROPERTIES, metric_case),
    "optimizers": (OPTIMIZER_PROPERTIES, optimizer_case),
    "callbacks": (CALLBACK_PROPERTIES, callback_case),
    "datasets": (DATASET_PROPERTIES, dataset_case),
}
_OF_SOURCES = named(component.docstring, component.types, component.lightning)
_OF_CLASSES = named(*_OF_SOURCES.values(), component.config, component.serialization)


@dataclass(frozen=True)
class Looked:
    """What to look at.

    Args:
        properties: of the kind.
        case: the component.
        skip: properties that its plugin leaves out.
    """

    properties: Properties
    case: Component
    skip: tuple[str, ...] = ()


def case_of(kind: str, name: str, target: Any, said: Mapping[str, Any]) -> Looked:
    """How a component is looked at.

    Args:
        kind: its kind, in the plural.
        name: that it goes by.
        target: the class or function.
        said: what the plugin says of it: arguments of the kind's check.

    Raises:
        PluginError: if the check has no such argument, or the component cannot be made from what is said.
    """
    given = dict(said)
    skip = tuple(given.pop("skip", ()))
    properties, make = _TABLES.get(kind, (_OF_CLASSES if _has_config(target) else _OF_SOURCES, Component))
    known = [name for name in inspect.signature(make).parameters if name not in ("cls", "function")]
    strange = [name for name in given if name not in known]
    if strange:
        raise PluginError(
            f"what {DECLARATION} says of it holds {strange[0]!r}, which its check does not take."
            f"{did_you_mean(strange[0], known)} It takes: {', '.join([*known, 'skip'])}"
        )
    case = make(target, **given) if kind in _TABLES else Component(target, dict(given.get("arguments", {})), kind)
    missing = _without_values(case)
    if missing and properties is not _OF_SOURCES:
        raise PluginError(
            f"it has no default for {', '.join(map(repr, missing))}. Say in the plugin's module how it is made: "
            f'{DECLARATION} = {{"{kind}/{name}": {{"arguments": {{"{missing[0]}": …}}}}}}'
        )
    return Looked(properties, case, skip)


def declared(module: Any, offered: list[str]) -> dict[str, Mapping[str, Any]]:
    """What a plugin's module says of its components, by "kind/name".

    Args:
        module: the plugin's.
        offered: "kind/name" of all that it offers.

    Raises:
        PluginError: if it is no such mapping, or names what is not offered.
    """
    said = getattr(module, DECLARATION, {})
    if not isinstance(said, Mapping) or not all(isinstance(one, Mapping) for one in said.values()):
        raise PluginError(f"{DECLARATION} must be a mapping from 'kind/name' to a mapping. Received: {said!r}")
    for name in said:
        if name not in offered:
            raise PluginError(
                f"{DECLARATION} names {name!r}, which the plugin does not offer.{did_you_mean(name, offered)} "
                f"It offers: {', '.join(offered)}"
            )
    return dict(said)


def _has_config(target: Any) -> bool:
    return inspect.isclass(target) and hasattr(target, "get_config") and hasattr(target, "from_config")


def _without_values(case: Component) -> list[str]:
    parameters = component.parameters_of(case.cls).items()
    return [name for name, one in parameters if one.default is one.empty and name not in case.arguments]
