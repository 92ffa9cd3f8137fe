"""report.html: a sweep in one file that needs nothing else, no network and no script."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from labkeras.experiment.reports.charts import (
    curve_name,
    curves_chart,
    importance_chart,
    progress_chart,
    trade_off_chart,
)
from labkeras.experiment.reports.findings import advice, failure_classes, spent
from labkeras.experiment.reports.importance import FEWEST_TRIALS, Importance
from labkeras.experiment.reports.leaderboard import decimals_of
from labkeras.experiment.reports.markup import Markup, element, joined
from labkeras.experiment.reports.page_tables import leaderboard_section, provenance_section
from labkeras.experiment.reports.parameter_charts import parallel_chart, slice_chart, slice_scale
from labkeras.experiment.reports.study import Study
from labkeras.experiment.reports.texts import fixed, value_text
from labkeras.experiment.reports.words import command_of, cost, progress, seeds_text
from labkeras.plugins.subjects import ReportSection

__all__ = ["page"]

_MOST_SLICES = 12
# The page may load nothing, whatever a config has smuggled in.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page(study: Study, importance: Sequence[Importance] | None = None, added: Sequence[ReportSection] = ()) -> str:
    """The report; it is well-formed XML as well.

    Args:
        study: what it is about.
        importance: of the parameters; None if it was not asked for, as while a sweep runs.
        added: sections of plugins, whose HTML is well-formed.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", f"{study.name}: sweep"),
        element("style", Markup(_file("report.css"))),
    )
    sections = (
        _header(study),
        _best(study),
        leaderboard_section(study),
        _course(study),
        _parameters(study, importance),
        _failures(study),
        _added(added),
        provenance_section(study),
        _footer(),
    )
    body = element("body", *map(joined, sections), element("script", Markup(_file("report.js"))))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _added(sections: Sequence[ReportSection]) -> Iterator[Markup]:
    for section in sections:
        yield element("h2", section.title)
        yield element("div", Markup(section.body))


def _footer() -> Iterator[Markup]:
    text = "Written from sweep.jsonl; `labkeras report` writes it again. The same numbers are in leaderboard.csv."
    yield element("footer", text)


@cache
def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _header(study: Study) -> Iterator[Markup]:
    yield element("h1", study.name)
    yield element("p", progress(study), class_="soft")


def _best(study: Study) -> Iterator[Markup]:
    best = study.best
    if best is None:
        text = "No trial is done with a value yet." if study.trials else "No trial was started yet."
        yield element("div", element("p", text), element("p", cost(spent(study)), class_="soft"), class_="card")
        return
    parts: list[Markup] = []
    if len(study.objectives) > 1:
        names = ", ".join(f"{one.monitor} ({one.mode})" for one in study.objectives)
        parts.append(element("p", f"Pareto front of {names}", class_="soft"))
        parts.append(element("div", f"{len(study.front)} of {len(study.rows)} points", class_="best"))
        parts.append(element("p", f"The best of them in {study.objectives[0].monitor}:", class_="soft"))
    else:
        found, decimals = best.estimates[0], decimals_of(study)[0]
        assert found is not None  # a row of rank 1 has values
        half = element("small", "" if found.half is None else f" ± {fixed(found.half, decimals)}")
        parts.append(element("p", f"Best {study.objectives[0].monitor}", class_="soft"))
        parts.append(element("div", fixed(found.mean, decimals), half, class_="best"))
        tied = sum(row.tied is True for row in study.rows) - 1
        ties = f"; {tied} other point{'' if tied == 1 else 's'} cannot be told from it" if tied > 0 else ""
        link = element("a", f"trial {study.label(best.first)}", href=study.link(best.first))
        parts.append(element("p", f"{seeds_text(best)}{ties}; ", link, class_="soft"))
    tags = [
        element("li", element("span", f"{one.label} "), value_text(best.params[one.key]), title=one.key)
        for one in study.shown
        if one.key in best.params
    ]
    parts.append(element("ul", *tags, class_="tags") if tags else Markup())
    parts.append(element("pre", command_of(study, best.first)))
    parts.append(element("p", f"or, in this folder: labkeras reproduce {study.link(best.first)}", class_="soft"))
    parts.append(element("p", cost(spent(study)), class_="soft"))
    yield element("div", *parts, class_="card")
    found_advice = advice(study)
    if found_advice:
        yield element("h2", "What to try next")
        yield element("ul", *(element("li", one) for one in found_advice), class_="plain")


def _course(study: Study) -> Iterator[Markup]:
    figures: list[Markup] = []
    if study.done():
        trade_off = trade_off_chart(study)
        if trade_off is not None:
            figures.append(_figure(trade_off, "Trade-off; the line joins the Pareto front"))
        for index in range(len(study.objectives)):
            caption = (
                "Each trial, and the best so far" if len(study.objectives) == 1 else study.objectives[index].monitor
            )
            figures.append(_figure(progress_chart(study, index), caption))
    curves = curves_chart(study)
    if curves is not None:
        figures.append(_figure(curves, _curves_key(study)))
    if figures:
        yield element("h2", "How it went")
        yield element("div", *figures, class_="figures")


def _curves_key(study: Study) -> Markup:
    best = [row.first for row in study.rows if row.rank is not None][:5]
    keys = [
        joined([element("span", class_=f"key top{index}"), f"trial {study.label(trial)} "])
        for index, trial in enumerate(best)
    ]
    if any(trial.state == "pruned" for trial in study.trials):
        keys.append(joined([element("span", class_="key pruned"), "pruned "]))
    if best and (curve_name(study) or "").startswith("val_"):
        keys.append(joined(["dotted: the best on its training data"]))
    return joined(["Learning curves: ", *keys])


def _parameters(study: Study, importance: Sequence[Importance] | None) -> Iterator[Markup]:
    if not study.shown or len(study.done()) < 2:
        return
    yield element("h2", "What the parameters do")
    ramp = element("span", *(element("i", class_=f"q{index}") for index in range(7)), class_="ramp")
    note = element(
        "p", "best", ramp, "worst, by rank, in all charts. Far worse values lie on the border.", class_="soft"
    )
    labels = {one.key: one.label for one in study.shown}
    for one in importance or []:
        caption = f"Share of what tells the best {100 * one.quantile:.0f} % of the trials from all (PED-ANOVA)"
        yield _figure(importance_chart(one, labels), f"What decides {one.monitor}. {caption}")
    if importance is not None and not importance and len(study.shown) > 1:
        text = f"Which parameter matters is told from {FEWEST_TRIALS} trials on; {len(study.done())} are done."
        yield element("p", text, class_="soft")
    yield note
    shared = slice_scale(study)
    slices = [_figure(slice_chart(study, one, shared), one.key) for one in study.shown[:_MOST_SLICES]]
    yield element("div", *slices, class_="slices")
    parallel = parallel_chart(study)
    if parallel is not None and len(study.shown) > 1:
        yield element("div", _figure(parallel, "All at once: a line is a trial"), class_="wide parallel")


def _failures(study: Study) -> Iterator[Markup]:
    found = failure_classes(study)
    if not found:
        return
    yield element("h2", "Failures")
    names = element("tr", *(element("th", name) for name in ("cause", "trials", "first line", "what they share")))
    rows = []
    for one in found:
        links = []
        for trial in one.trials[:12]:
            links += [element("a", study.label(trial), href=f"{study.link(trial)}/logs/error.txt"), " "]
        more = f"and {len(one.trials) - 12} more" if len(one.trials) > 12 else ""
        shared = ", ".join(f"{key}={value_text(value)}" for key, value in one.shared.items()) or "–"
        cells = [
            element("td", f"{one.kind}, {len(one.trials)}×", class_="bad"),
            element("td", *links, more, class_="text"),
            element("td", one.error or "no message", class_="text"),
            element("td", shared, class_="text"),
        ]
        rows.append(element("tr", *cells))
    table = element("table", element("thead", names), element("tbody", *rows))
    yield element("div", table, class_="wide")


def _figure(chart: Markup, caption: str) -> Markup:
    return element("figure", element("figcaption", caption), chart)
