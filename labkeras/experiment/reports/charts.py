"""Charts of how a sweep went: its best value so far, learning curves, trade-offs, importance."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard

from labkeras.experiment.reports.importance import Importance
from labkeras.experiment.reports.markup import Markup, element, joined
from labkeras.experiment.reports.scales import Scale, value_scale
from labkeras.experiment.reports.study import Study
from labkeras.experiment.reports.texts import number
from labkeras.experiment.sweeps.ledger import TrialRecord

__all__ = [
    "MOST_MARKS",
    "axes",
    "curves_chart",
    "importance_chart",
    "progress_chart",
    "shade",
    "svg",
    "trade_off_chart",
]

MOST_MARKS = 400
"""Marks of one kind in a chart; of more, evenly chosen ones are drawn."""

_WIDTH, _HEIGHT = 520, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 14, 44
_TOP_CURVES = 5
_MOST_PRUNED = 30
_MOST_POINTS = 120


def progress_chart(study: Study, index: int = 0) -> Markup:
    """The values of an objective in the order in which trials ended, and the best so far."""
    objective = study.objectives[index]
    ended = sorted(
        (trial for trial in study.trials if trial.is_finished), key=lambda trial: (trial.ended or "", trial.number)
    )
    done = {trial.number: value for trial, value in study.done(index)}
    x = Scale(0.0, len(ended) + 1.0, _LEFT, _WIDTH - _RIGHT)
    y = value_scale(list(done.values()), objective.mode, _HEIGHT - _BOTTOM, _TOP)
    order = study.order()
    marks: list[Markup] = []
    steps: list[tuple[float, float]] = []
    best: float | None = None
    kept = {trial.number for trial in spread(ended, MOST_MARKS)}
    for position, trial in enumerate(ended, start=1):
        value = done.get(trial.number)
        if value is not None and (best is None or objective.sign * value < objective.sign * best):
            steps += [] if best is None else [(x(position), y(best))]
            steps.append((x(position), y(value)))
            best = value
        if trial.number in kept:
            marks.append(_progress_mark(study, trial, value, x(position), y, order))
    if steps:
        steps.append((x(len(ended) + 1), steps[-1][1]))
    frame = axes(x, y, "trials that ended", objective.monitor)
    line = element("path", class_="best-line", d=path(steps)) if steps else Markup()
    return svg(
        _WIDTH,
        _HEIGHT,
        f"{objective.monitor} of each trial and the best so far",
        f"{len(done)} trials with a value" + (f"; the best is {number(best)}" if best is not None else ""),
        frame,
        joined(marks),
        line,
    )


def _progress_mark(
    study: Study, trial: TrialRecord, value: float | None, x: float, y: Scale, order: dict[int, float]
) -> Markup:
    label = f"trial {study.label(trial)}: "
    if value is None:
        kind = "pruned" if trial.state == "pruned" else "failed"
        return cross(x, _HEIGHT - _BOTTOM - 6.0, kind, label + trial.state, trial.number)
    return dot(x, y(value), order.get(trial.number), label + number(value), trial.number)


def curves_chart(study: Study) -> Markup | None:
    """The learning curves of the best trials, and of those that were pruned; None if there are none."""
    name = curve_name(study)
    if name is None:
        return None
    best = [row.first for row in study.rows if row.rank is not None][:_TOP_CURVES]
    pruned = spread([trial for trial in study.trials if trial.state == "pruned"], _MOST_PRUNED)
    top = [(trial, _curve(study, trial, name)) for trial in best]
    cut = [(trial, _curve(study, trial, name)) for trial in pruned]
    fit = _curve(study, best[0], name.removeprefix("val_")) if best and name.startswith("val_") else []
    points = [point for _, curve in (*top, *cut) for point in curve] + fit
    if not points:
        return None
    mode = study.objectives[0].mode if name.endswith(study.objectives[0].monitor.removeprefix("test_")) else _mode(name)
    x = Scale(min(1.0, points[0][0]), max(2.0, max(epoch for epoch, _ in points)), _LEFT, _WIDTH - _RIGHT)
    y = value_scale([value for _, value in points], mode, _HEIGHT - _BOTTOM, _TOP)
    lines = [
        _line(curve, x, y, "curve pruned", f"trial {study.label(trial)}, pruned", trial.number) for trial, curve in cut
    ]
    for rank, (trial, curve) in reversed(list(enumerate(top))):
        lines.append(
            _line(curve, x, y, f"curve top{rank}", f"rank {rank + 1}: trial {study.label(trial)}", trial.number)
        )
    if fit and top:
        lines.append(
            _line(fit, x, y, "curve training", f"trial {study.label(best[0])} on training data", best[0].number)
        )
    title = f"{name} by epoch: the best {len(top)}" + (f", and {len(cut)} that were pruned" if cut else "")
    return svg(_WIDTH, _HEIGHT, title, "Learning curves.", axes(x, y, "epoch", name), joined(lines))


def curve_name(study: Study) -> str | None:
    """The column of `metrics.jsonl` that is closest to the objective; None if there is none."""
    if not study.objectives:
        return None
    names = dict.fromkeys(name for facts in study.facts.values() for name in (facts.rows[0] if facts.rows else {}))
    monitor = study.objectives[0].monitor
    plain = monitor.removeprefix("test_")
    wanted = (monitor, f"val_{plain}", plain, "val_loss", "loss")
    return next((name for name in wanted if name in names and name not in ("epoch", "seconds")), None)


def trade_off_chart(study: Study) -> Markup | None:
    """Two objectives against each other, with the Pareto front; None if there are not two."""
    if len(study.objectives) < 2:
        return None
    first, second = study.objectives[:2]
    rows = [row for row in study.rows if row.rank is not None]
    pairs = [
        (row, row.estimates[0].mean, row.estimates[1].mean) for row in rows if row.estimates[0] and row.estimates[1]
    ]
    x = value_scale([b for _, _, b in pairs], second.mode, _LEFT, _WIDTH - _RIGHT)
    y = value_scale([a for _, a, _ in pairs], first.mode, _HEIGHT - _BOTTOM, _TOP)
    marks = []
    for row, a, b in reversed(pairs[:MOST_MARKS]):
        label = f"trial {study.label(row.first)}: {first.monitor} {number(a)}, {second.monitor} {number(b)}"
        marks.append(dot(x(b), y(a), 0.0 if row.rank == 1 else 1.0, label, row.first.number))
    front = sorted((x(b), y(a)) for row, a, b in pairs if row.rank == 1)
    line = element("polyline", class_="best-line", points=_points(front)) if len(front) > 1 else Markup()
    title = f"{first.monitor} against {second.monitor}; the line joins the Pareto front"
    return svg(
        _WIDTH,
        _HEIGHT,
        title,
        f"{len(front)} on the front.",
        axes(x, y, second.monitor, first.monitor),
        line,
        joined(marks),
    )


def importance_chart(found: Importance, labels: dict[str, str]) -> Markup:
    """A bar for each parameter."""
    step, left = 26, 170
    height = step * len(found.shares) + 8
    x = Scale(0.0, max(found.shares.values()) or 1.0, left, _WIDTH - 60)
    bars = []
    for index, (key, share) in enumerate(found.shares.items()):
        middle = step * index + step / 2 + 2
        bars.append(element("text", labels.get(key, key), x=left - 8, y=middle + 4, text_anchor="end"))
        bars.append(
            element("rect", x=left, y=middle - 8, width=max(1.0, x(share) - left), height=16, rx=2, class_="bar")
        )
        bars.append(element("text", f"{100 * share:.0f} %", x=x(share) + 6, y=middle + 4, class_="value"))
    shares = ", ".join(f"{key} {100 * share:.0f} %" for key, share in found.shares.items())
    return svg(_WIDTH, height, f"What decides {found.monitor}", shares, joined(bars))


# --- parts that all charts have ---------------------------------------------------------------------------------------


def svg(width: float, height: float, title: str, description: str, *parts: str) -> Markup:
    """A picture with a title and a description, which those hear who do not see it."""
    inner = (element("title", title), element("desc", description), *parts)
    return element("svg", *inner, viewBox=f"0 0 {width:g} {height:g}", role="img", width=int(width), height=int(height))


def axes(x: Any, y: Any, x_label: str, y_label: str | None, width: float = _WIDTH, height: float = _HEIGHT) -> Markup:
    """Lines, ticks and names of two scales."""
    bottom = height - _BOTTOM
    parts = []
    for place, label in y.ticks():
        parts.append(element("line", class_="grid", x1=_LEFT, x2=width - _RIGHT, y1=place, y2=place))
        parts.append(element("text", label, class_="tick", x=_LEFT - 7, y=place + 4, text_anchor="end"))
    parts.append(element("line", class_="axis", x1=_LEFT, x2=width - _RIGHT, y1=bottom, y2=bottom))
    for place, label in x.ticks():
        parts.append(element("line", class_="axis", x1=place, x2=place, y1=bottom, y2=bottom + 4))
        parts.append(element("text", shortened(label, 14), class_="tick", x=place, y=bottom + 17, text_anchor="middle"))
    parts.append(
        element("text", x_label, class_="name", x=(_LEFT + width - _RIGHT) / 2, y=height - 7, text_anchor="middle")
    )
    if y_label is not None:
        middle = (_TOP + bottom) / 2
        turn = f"translate(13 {middle:g}) rotate(-90)"
        parts.append(element("text", y_label, class_="name", transform=turn, text_anchor="middle"))
    return element("g", *parts)


def dot(x: float, y: float, order: float | None, label: str, trial: int) -> Markup:
    """The mark of a trial that is done, shaded by where it stands."""
    return element("circle", element("title", label), class_=shade(order), cx=x, cy=y, r=4, data_trial=trial)


def cross(x: float, y: float, kind: str, label: str, trial: int) -> Markup:
    """The mark of a trial without a value."""
    shape = f"M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6"
    return element("path", element("title", label), class_=f"cross {kind}", d=shape, data_trial=trial)


def shade(order: float | None) -> str:
    """The class of colour for a place among all: q0 for the best to q6 for the worst."""
    return "q6" if order is None else f"q{min(6, int(order * 7))}"


def path(points: Sequence[tuple[float, float]]) -> str:
    """Steps: across, then up or down."""
    first, *rest = points
    return f"M{first[0]:.1f} {first[1]:.1f}" + "".join(f"L{x:.1f} {y:.1f}" for x, y in rest)


def spread(items: Sequence[Any], most: int) -> list[Any]:
    """At most so many of a list, evenly chosen; the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def shortened(text: str, longest: int) -> str:
    """A text that fits."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _curve(study: Study, trial: TrialRecord, name: str) -> list[tuple[float, float]]:
    rows = study.facts[trial.number].rows
    found = [(row.get("epoch", index), row.get(name)) for index, row in enumerate(rows, start=1)]
    return spread([(float(a), float(b)) for a, b in found if _is_number(a) and _is_number(b)], _MOST_POINTS)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _line(curve: Sequence[tuple[float, float]], x: Scale, y: Scale, kind: str, label: str, trial: int) -> Markup:
    if not curve:
        return Markup()
    points = [(x(epoch), y(value)) for epoch, value in curve]
    title = element("title", label)
    line = element("polyline", title, class_=kind, points=_points(points), data_trial=trial)
    # One point is no line, and the end of a pruned one is what it is about.
    end = element("circle", title, class_=f"{kind} end", cx=points[-1][0], cy=points[-1][1], r=2.5)
    return joined([line, end])


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _mode(name: str) -> str:
    return "min" if "loss" in name or "error" in name else "max"
