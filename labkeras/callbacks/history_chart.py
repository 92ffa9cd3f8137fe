"""What a notebook shows for a History: a small chart of each loss and metric."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["history_html"]

_WIDTH, _HEIGHT, _MARGIN = 240, 120, 8
_TRAINING, _VALIDATION = "#1f77b4", "#ff7f0e"  # told apart on light and dark pages, and by the colour-blind


def history_html(history: Mapping[str, Sequence[Any]], epochs: Sequence[int]) -> str:
    """Charts in HTML, which load nothing: training and validation of one metric in one of them.

    Args:
        history: name of a loss or metric → its values, one an epoch; "val_…" belongs to the name without it.
        epochs: the numbers of the epochs that training went through last, from 0.
    """
    names = [name for name in history if not (name.startswith("val_") and name[4:] in history)]
    curves = {name: [_numbers(history[name]), _numbers(history.get(f"val_{name}", ()))] for name in names}
    charts = "".join(_chart(name, *both) for name, both in curves.items() if any(map(_finite, both)))
    count = max((len(values) for values in history.values()), default=len(epochs))
    legend = f'<span style="color:{_TRAINING}">training</span>'
    if any(_finite(validation) for _, validation in curves.values()):
        legend += f', <span style="color:{_VALIDATION}">validation</span>'
    title = f"History: {count} epoch{'' if count == 1 else 's'}"
    return f'<div><p>{title} ({legend})</p><div style="display:flex;flex-wrap:wrap">{charts}</div></div>'


def _numbers(values: Sequence[Any]) -> list[float]:
    """The values as numbers; NaN for what is none."""
    return [float(value) if isinstance(value, int | float) else math.nan for value in values]


def _finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _chart(name: str, training: list[float], validation: list[float]) -> str:
    known = _finite([*training, *validation])
    low, high = min(known), max(known)
    count = max(len(training), len(validation))
    lines = "".join(
        _line(values, low, high, count, colour)
        for values, colour in ((training, _TRAINING), (validation, _VALIDATION))
        if _finite(values)
    )
    last = " · ".join(_short(values[-1]) for values in (training, validation) if values)
    return (
        f'<figure style="margin:4px 12px"><figcaption>{html.escape(name)}: <b>{last}</b></figcaption>'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" role="img">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="currentColor" stroke-opacity="0.3"/>'
        f"{lines}</svg><br><small>{_short(low)} to {_short(high)}</small></figure>"
    )


def _line(values: list[float], low: float, high: float, count: int, colour: str) -> str:
    """A curve, which has a gap where a value is not finite; a dot for an epoch on its own."""
    parts: list[list[str]] = [[]]
    for index, value in enumerate(values):
        # Of fewer values than epochs, each stands for several, as with `validation_freq=2`, and comes at their end.
        epoch = (index + 1) * count / len(values) - 1
        if math.isfinite(value):
            parts[-1].append(f"{_place(epoch, 0, count - 1, _WIDTH)},{_HEIGHT - _place(value, low, high, _HEIGHT)}")
        elif parts[-1]:
            parts.append([])
    return "".join(_stroke(part, colour) for part in parts if part)


def _stroke(points: list[str], colour: str) -> str:
    if len(points) == 1:
        x, y = points[0].split(",")
        return f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>'
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _place(value: float, low: float, high: float, size: int) -> float:
    share = (value - low) / (high - low) if high > low else 0.5
    return round(_MARGIN + share * (size - 2 * _MARGIN), 1)


def _short(value: float) -> str:
    return f"{value:.4g}"
