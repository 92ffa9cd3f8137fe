"""Charts of what the parameters do: all of them side by side, and each by itself."""

import itertools
import statistics
from collections.abc import Sequence

from labkeras.experiment.reports.charts import MOST_MARKS, axes, dot, shade, shortened, spread, svg
from labkeras.experiment.reports.markup import Markup, element, joined
from labkeras.experiment.reports.parameters import Parameter
from labkeras.experiment.reports.scales import Scale, Slots, parameter_scale, value_scale
from labkeras.experiment.reports.study import Study
from labkeras.experiment.reports.texts import number
from labkeras.experiment.sweeps.ledger import TrialRecord

__all__ = ["parallel_chart", "slice_chart"]

_WIDTH, _HEIGHT = 1060, 340
_TOP, _BOTTOM, _SIDE = 42, 24, 96
_SLICE_WIDTH, _SLICE_HEIGHT = 340, 250
_GOLDEN = 0.618033988749895  # multiples of it, taken modulo 1, never come close to each other
_MOST_AXES = 10


def parallel_chart(study: Study) -> Markup | None:
    """A line a trial through its parameters to its value; None if there is nothing to compare."""
    parameters, objectives = study.shown[:_MOST_AXES], study.objectives
    order = study.order()
    done = [trial for trial, _ in study.done()]
    if not parameters or len(done) < 2:
        return None
    count = len(parameters) + len(objectives)
    places = [_SIDE + index * (_WIDTH - 2 * _SIDE) / max(1, count - 1) for index in range(count)]
    low, high = _HEIGHT - _BOTTOM, _TOP
    scales: list[Scale | Slots] = [parameter_scale(one, low, high) for one in parameters]
    scales += [
        value_scale([value for _, value in study.done(index)], one.mode, low, high)
        for index, one in enumerate(objectives)
    ]
    names = [parameter.label for parameter in parameters] + [objective.monitor for objective in objectives]
    ranked = sorted(done, key=lambda trial: order[trial.number])
    lines = [
        _thread(study, trial, places, scales, order[trial.number]) for trial in reversed(spread(ranked, MOST_MARKS))
    ]
    rods = [_rod(place, scale, name) for place, scale, name in zip(places, scales, names, strict=True)]
    title = f"Parameters and {', '.join(one.monitor for one in objectives)} of {len(done)} trials"
    return svg(_WIDTH, _HEIGHT, title, "Each line is a trial; darker is better.", joined(lines), joined(rods))


def _thread(
    study: Study, trial: TrialRecord, places: Sequence[float], scales: Sequence[Scale | Slots], order: float
) -> Markup:
    parameters = study.shown[:_MOST_AXES]
    points: list[str] = []
    for place, scale, parameter in zip(places, scales, parameters, strict=False):
        if parameter.key not in trial.params:  # it does not exist for this trial: the line passes below
            points.append(f"{place:.1f},{_HEIGHT - 6}")
            continue
        shift = 0.0
        if isinstance(scale, Slots):
            shift = 0.5 * scale.width * ((trial.number * _GOLDEN) % 1 - 0.5)
        points.append(f"{place:.1f},{scale(trial.params[parameter.key]) + shift:.1f}")
    for place, scale, value in zip(
        places[len(parameters) :], scales[len(parameters) :], trial.values or [], strict=True
    ):
        if value is not None:
            points.append(f"{place:.1f},{scale(value):.1f}")
    value = (trial.values or [0.0])[0]
    title = element("title", f"trial {study.label(trial)}: {number(value)}")
    return element("polyline", title, class_=f"thread {shade(order)}", points=" ".join(points), data_trial=trial.number)


def _rod(place: float, scale: Scale | Slots, name: str) -> Markup:
    parts = [element("line", class_="axis", x1=place, x2=place, y1=_TOP, y2=_HEIGHT - _BOTTOM)]
    parts.append(element("text", shortened(name, 24), class_="name strong", x=place, y=_TOP - 20, text_anchor="middle"))
    for y, label in scale.ticks():
        parts.append(element("line", class_="axis", x1=place - 4, x2=place, y1=y, y2=y))
        text = shortened(label, 14)
        parts.append(element("text", text, class_="tick halo", x=place - 7, y=y + 4, text_anchor="end"))
    return element("g", *parts)


def slice_chart(study: Study, parameter: Parameter, y: Scale | None = None) -> Markup:
    """The first objective against one parameter; a bar marks the median of each value that was tried often."""
    objective = study.objectives[0]
    order = study.order()
    done = [(trial, value) for trial, value in study.done() if parameter.key in trial.params]
    y = y or slice_scale(study)
    x = parameter_scale(parameter, 58, _SLICE_WIDTH - 14)
    few = parameter.ticks is not None or isinstance(x, Slots)
    width = _jitter_width(x)
    ranked = sorted(done, key=lambda pair: -order[pair[0].number])
    marks = []
    for trial, value in spread(ranked, MOST_MARKS):
        shift = width * ((trial.number * _GOLDEN) % 1 - 0.5) if few else 0.0
        label = f"trial {study.label(trial)}: {number(value)}"
        marks.append(dot(x(trial.params[parameter.key]) + shift, y(value), order[trial.number], label, trial.number))
    bars = _medians(parameter, x, y, done, width) if few else Markup()
    frame = axes(x, y, parameter.label, None, _SLICE_WIDTH, _SLICE_HEIGHT)
    title = f"{objective.monitor} by {parameter.key}"
    return svg(_SLICE_WIDTH, _SLICE_HEIGHT, title, f"{len(done)} trials.", frame, joined(marks), bars)


def slice_scale(study: Study) -> Scale:
    """The scale of the first objective that all slices share."""
    return value_scale([value for _, value in study.done()], study.objectives[0].mode, _SLICE_HEIGHT - 44, 14)


def _jitter_width(x: Scale | Slots) -> float:
    if isinstance(x, Slots):
        return 0.6 * x.width
    places = [place for place, _ in x.ticks()]
    return min([24.0, *(0.5 * abs(b - a) for a, b in itertools.pairwise(places))])


def _medians(
    parameter: Parameter, x: Scale | Slots, y: Scale, done: Sequence[tuple[TrialRecord, float]], width: float
) -> Markup:
    bars = []
    for tried in parameter.values:
        values = [value for trial, value in done if _same(trial.params[parameter.key], tried)]
        if len(values) > 2:
            place, middle = x(tried), y(statistics.median(values))
            half = width / 2 + 4
            bars.append(element("line", class_="median", x1=place - half, x2=place + half, y1=middle, y2=middle))
    return joined(bars)


def _same(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)
