"""The layout of TensorBoard's Custom Scalars tab: training and validation of one metric on one chart."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["Charts", "custom_layout", "metric_charts"]

Charts = Mapping[str, list[str]]
"""The title of each chart → regular expressions for the tags of its curves."""

_RATE = "learning_rate"


def metric_charts(names: Iterable[str]) -> dict[str, Charts]:
    """A chart for each loss and metric, with the curves of training and validation, and those of learning rates.

    Args:
        names: of what an epoch's logs hold; "val_loss" is on the chart of "loss".
    """
    ordered = list(dict.fromkeys(name.removeprefix("val_") for name in names))
    return {
        "Loss and metrics": {name: [_pattern(name)] for name in ordered if not name.startswith(_RATE)},
        "Learning rate": {name: [_pattern(name)] for name in ordered if name.startswith(_RATE)},
    }


def custom_layout(categories: Mapping[str, Charts]) -> dict[str, Any]:
    """What `SummaryWriter.add_custom_scalars` takes."""
    return {
        category: {title: ["Multiline", patterns] for title, patterns in charts.items()}
        for category, charts in categories.items()
        if charts
    }


def _pattern(name: str) -> str:
    return f"^epoch_{re.escape(name)}$"
