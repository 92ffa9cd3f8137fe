"""Whether more or less of a monitored value is better, told by its name."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkeras.errors import UnknownComponentError
from labkeras.experiment.config.components import BY_SHAPE
from labkeras.registry import registry_of

__all__ = ["direction_of"]

_LESS = ("loss", "seconds", "parameters", "epochs")
_OF_DIRECTION = {"up": "max", "down": "min"}


def direction_of(monitor: str, metrics: Any) -> str | None:
    """ "max" or "min"; None if neither the name nor a metric of the config tells.

    Args:
        monitor: the value: "val_accuracy", "val_out_loss".
        metrics: those of the config, by name.
    """
    name = monitor.removeprefix("val_").removeprefix("test_")
    if name in _LESS or name.endswith("_loss"):
        return "min"
    for own, component in _named(metrics):
        if name == own or name.endswith(f"_{own}"):
            return _direction(component)
    return None


def _named(metrics: Any) -> Iterator[tuple[str, str]]:
    """Name in the logs and component of each metric, those of single outputs too."""
    for name, node in (metrics or {}).items():
        if isinstance(node, Mapping) and isinstance(node.get("metric"), str):
            yield str(node.get("metric") if node["metric"] in BY_SHAPE else name), node["metric"]
        elif isinstance(node, Mapping):
            yield from _named(node)


def _direction(component: str) -> str | None:
    if component in BY_SHAPE:
        return "max" if component.startswith("acc") else "min"
    try:
        found = registry_of("metrics").get(component)
    except UnknownComponentError:
        return None
    return _OF_DIRECTION.get(getattr(found, "_direction", None) or "")
