"""The tables of report.html: the leaderboard, and what the runs were made with."""

from collections.abc import Iterator

from labkeras.experiment.reports.differences import differences, made_with
from labkeras.experiment.reports.leaderboard import decimals_of, estimate_text, tied_text
from labkeras.experiment.reports.markup import Markup, element, joined
from labkeras.experiment.reports.scales import Scale, value_scale
from labkeras.experiment.reports.study import Row, Study
from labkeras.experiment.reports.texts import duration, fixed, number, ranges, value_text
from labkeras.experiment.reports.words import tie_note

__all__ = ["leaderboard_section", "provenance_section"]

_FIRST_ROWS = 15
_MOST_ROWS = 500
_WHISKER_WIDTH = 110


def leaderboard_section(study: Study) -> Iterator[Markup]:
    """The rows, the best first; all but the first few folded away."""
    if not study.rows:
        return
    yield element("h2", "Leaderboard")
    shown, rest = study.rows[:_FIRST_ROWS], study.rows[_FIRST_ROWS:_MOST_ROWS]
    yield element("div", _table(study, shown), class_="wide")
    if rest:
        summary = element("summary", f"{len(rest)} more", class_="soft")
        yield element("details", summary, element("div", _table(study, rest), class_="wide"))
    if len(study.rows) > _MOST_ROWS:
        yield element("p", f"The other {len(study.rows) - _MOST_ROWS} are in leaderboard.csv.", class_="soft")
    note = tie_note(study)
    if note:
        yield element("p", note, class_="soft")


def provenance_section(study: Study) -> Iterator[Markup]:
    """What all trials were made with; before it, where they differ."""
    differing, common = differences(study), made_with(study)
    if not differing and not common:
        return
    yield element("h2", "Made with")
    if differing:
        items = [
            element(
                "li",
                f"{one.what}: "
                + "; ".join(f"{which}: trials {ranges(trials)}" for which, trials in one.groups.items()),
            )
            for one in differing
        ]
        warning = "Not all trials can be compared: they were made with different code, packages or machines."
        yield element("div", element("strong", warning), element("ul", *items, class_="plain"), class_="card alert")
    if common:
        rows = [
            element("tr", element("th", name, scope="row"), element("td", which, class_="text"))
            for name, which in common.items()
        ]
        table = element("table", element("tbody", *rows))
        yield element("details", element("summary", "What all trials share", class_="soft"), table)


def _table(study: Study, rows: list[Row]) -> Markup:
    heads = [("#", True), ("trial", False), ("state", False)]
    heads += [(one.monitor, True) for one in study.objectives]
    names = [element("th", name, class_="right" if right else None, scope="col") for name, right in heads]
    names.append(element("th", scope="col"))
    names += [
        element("th", one.label, title=one.key, class_="right" if one.is_number else None, scope="col")
        for one in study.shown
    ]
    names += [
        element("th", name, class_="right", scope="col")
        for name in ("seeds",) * study.has_seeds + ("time", "parameters")
    ]
    scale = _whisker_scale(study)
    decimals = decimals_of(study)
    body = [_row(study, row, scale, decimals) for row in rows]
    return element("table", element("thead", element("tr", *names)), element("tbody", *body), class_="sortable")


def _row(study: Study, row: Row, scale: Scale | None, decimals: list[int | None]) -> Markup:
    cells = [element("td", f"{tied_text(row)} {fixed(row.rank, 0)}".strip(), class_="right", data_value=row.rank or "")]
    links = []
    for trial in row.trials[:6]:
        links += [element("a", study.label(trial), href=study.link(trial)), " "]
    cells.append(element("td", *links[:-1], " …" if len(row.trials) > 6 else "", data_value=row.first.number))
    cells.append(element("td", row.state, class_="bad" if row.state == "failed" else None))
    for index, found in enumerate(row.estimates):
        text = estimate_text(found, decimals[index])
        cells.append(element("td", text, class_="right", data_value="" if found is None else repr(found.mean)))
    cells.append(element("td", _whisker(row, scale)))
    for parameter in study.shown:
        value = row.params.get(parameter.key)
        text = value_text(value) if parameter.key in row.params else "–"
        key = repr(value) if parameter.is_number and value is not None else None
        cells.append(element("td", text, class_="right" if parameter.is_number else "text", data_value=key))
    if study.has_seeds:
        cells.append(element("td", str(row.count), class_="right"))
    seconds = "–" if row.seconds is None else duration(row.seconds)
    cells.append(element("td", seconds, class_="right", data_value="" if row.seconds is None else f"{row.seconds:g}"))
    count = row.first.parameters
    cells.append(
        element("td", "–" if count is None else f"{count:,}", class_="right", data_value="" if count is None else count)
    )
    kind = "first" if row.rank == 1 else "unranked" if row.rank is None else None
    trials = " ".join(str(trial.number) for trial in row.trials)
    return element("tr", *cells, class_=kind, data_trial=trials)


def _whisker_scale(study: Study) -> Scale | None:
    if not study.objectives:
        return None
    found = [row.estimates[0] for row in study.rows if row.estimates[0] is not None]
    if len(found) < 2:
        return None
    ends = [one.mean for one in found] + [found[0].mean + sign * (found[0].half or 0.0) for sign in (1, -1)]
    return value_scale(ends, study.objectives[0].mode, 5, _WHISKER_WIDTH - 5)


def _whisker(row: Row, scale: Scale | None) -> Markup:
    """The mean as a dot on a scale that all rows share, and its interval as a line."""
    found = row.estimates[0] if row.estimates else None
    if scale is None or found is None:
        return Markup()
    parts = [element("title", number(found.mean))]
    if found.half is not None:
        low, high = scale(found.mean - found.half), scale(found.mean + found.half)
        parts.append(element("line", class_="whisker", x1=low, x2=high, y1=8, y2=8))
    parts.append(element("circle", class_="mean", cx=scale(found.mean), cy=8, r=3.5))
    return element(
        "svg", joined(parts), viewBox=f"0 0 {_WHISKER_WIDTH} 16", width=_WHISKER_WIDTH, height=16, role="img"
    )
