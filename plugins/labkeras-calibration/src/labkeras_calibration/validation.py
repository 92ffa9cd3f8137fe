"""What a config must have for the plugin's callback to work."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["faults"]

_METRIC = "expected_calibration_error"


def faults(config: Mapping[str, Any]) -> list[str]:
    """A sentence for each diagram that would find no metric to draw."""
    measured = {str(node.get("metric", "")).rpartition("/")[2] for node in _nodes(config.get("metrics"))}
    if _METRIC in measured:
        return []
    callbacks = config.get("callbacks") or {}
    named = callbacks.items() if isinstance(callbacks, Mapping) else enumerate(callbacks)
    return [
        f"callbacks.{key}: reliability_diagram shows what the metric {_METRIC} has counted, and the model has no such "
        f"metric: 'metrics=[accuracy,{_METRIC}]'"
        for key, node in named
        if isinstance(node, Mapping) and str(node.get("callback", "")).rpartition("/")[2] == "reliability_diagram"
    ]


def _nodes(metrics: Any) -> Iterator[Mapping[str, Any]]:
    """The metrics of a config: one, a list, or a mapping by output; names or nodes."""
    if isinstance(metrics, str):
        yield {"metric": metrics}
    elif isinstance(metrics, Mapping) and "metric" in metrics:
        yield metrics
    elif isinstance(metrics, Mapping):
        for each in metrics.values():
            yield from _nodes(each)
    elif isinstance(metrics, list | tuple):
        for each in metrics:
            yield from _nodes(each)
