"""A picture of what a search found: curves over a logarithmic axis, with what is suggested marked."""

import math
from collections.abc import Mapping, Sequence

from labkeras.experiment.reports.charts import axes
from labkeras.experiment.reports.markup import Markup, element, joined
from labkeras.experiment.reports.scales import Scale

__all__ = ["curve_chart"]

_WIDTH, _HEIGHT = 520, 300  # those of `axes`
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 14, 44
_STYLE = """text { font: 12px sans-serif; fill: #444 } .tick { font-size: 11px } .grid { stroke: #e4e4e4 }
.axis { stroke: #888 } .curve0 { stroke: #b8c4d6; fill: none } .curve1 { stroke: #1f5fa8; fill: none; stroke-width: 2 }
.mark { stroke: #c0392b; stroke-dasharray: 4 3 } .found { fill: #c0392b; font-weight: bold }"""


def curve_chart(
    xs: Sequence[float],
    curves: Mapping[str, Sequence[float | None]],
    *,
    x_label: str,
    y_label: str,
    marks: Mapping[str, float],
) -> str:
    """A picture as a file of SVG.

    Args:
        xs: places on the logarithmic axis, growing, above 0.
        curves: name → a value for each place, None where there is none; the last one is drawn boldest.
        x_label: what the places are.
        y_label: what the values are.
        marks: label → a place to be marked by a line.
    """
    x = Scale(*_ends([value for value in xs if value > 0], log=True), _LEFT, _WIDTH - _RIGHT, log=True)
    y = Scale(*_ends(_shown(curves, y_label == "loss")), _HEIGHT - _BOTTOM, _TOP)
    lines = [
        _line(name, index, xs, values, x, y) for index, (name, values) in enumerate(curves.items(), 2 - len(curves))
    ]
    found = [_mark(label, x(place)) for label, place in marks.items()]
    title = element("title", f"{y_label} by {x_label}")
    parts = (title, element("style", Markup(_STYLE)), element("rect", width=_WIDTH, height=_HEIGHT, fill="#fff"))
    picture = element(
        "svg",
        *parts,
        axes(x, y, x_label, y_label),
        joined(lines),
        joined(found),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        width=_WIDTH,
        height=_HEIGHT,
    )
    return f"{picture}\n"


def _shown(curves: Mapping[str, Sequence[float | None]], falls: bool) -> list[float]:
    """The values that the axis is made for: not the last ones of a loss that flies away."""
    first = next((value for values in curves.values() for value in values if value is not None), 1.0)
    limit = 2 * abs(first) if falls else math.inf
    return [value for values in curves.values() for value in values if value is not None and value <= limit] or [first]


def _ends(values: Sequence[float], log: bool = False) -> tuple[float, float]:
    low, high = min(values, default=1.0), max(values, default=1.0)
    if log:
        return (low, high) if low < high else (low / 2, high * 2)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _line(name: str, index: int, xs: Sequence[float], values: Sequence[float | None], x: Scale, y: Scale) -> Markup:
    there = [(x(place), y(value)) for place, value in zip(xs, values, strict=True) if value is not None]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in there)
    return element("polyline", element("title", name), class_=f"curve{index}", points=points)


def _mark(label: str, place: float) -> Markup:
    line = element("line", class_="mark", x1=place, x2=place, y1=_TOP, y2=_HEIGHT - _BOTTOM)
    return joined([line, element("text", label, class_="found", x=min(place + 5, _WIDTH - 70.0), y=_TOP + 12)])
