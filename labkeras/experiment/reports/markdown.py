"""report.md: a sweep in a text that terminals and repositories show."""

import re
from collections.abc import Iterable, Iterator, Sequence

from labkeras.experiment.reports.differences import differences, made_with
from labkeras.experiment.reports.findings import advice, failure_classes, spent
from labkeras.experiment.reports.importance import FEWEST_TRIALS, Importance
from labkeras.experiment.reports.leaderboard import decimals_of, estimate_text, tied_text
from labkeras.experiment.reports.study import Row, Study
from labkeras.experiment.reports.texts import duration, fixed, ranges, value_text
from labkeras.experiment.reports.words import command_of, cost, parameters_text, progress, seeds_text, tie_note
from labkeras.plugins.subjects import ReportSection

__all__ = ["markdown"]

_MOST_ROWS = 50
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def markdown(study: Study, importance: Sequence[Importance] | None = None, added: Sequence[ReportSection] = ()) -> str:
    """The report.

    Args:
        study: what it is about.
        importance: of the parameters; None if it was not asked for, as while a sweep runs.
        added: sections of plugins.
    """
    sections = (_headline(study), _leaderboard(study), _next(study), _importance(study, importance), _failures(study))
    return "\n".join(line for section in (*sections, _added(added), _provenance(study)) for line in section)


def _added(sections: Sequence[ReportSection]) -> Iterator[str]:
    for section in sections:
        yield from (f"## {_text(section.title)}", "", section.body.strip(), "")


def _headline(study: Study) -> Iterator[str]:
    yield from (f"# {_text(study.name)}", "", _text(progress(study)), "")
    best = study.best
    if best is None:
        yield from ("No trial is done with a value yet." if study.trials else "No trial was started yet.", "")
    elif len(study.objectives) > 1:
        names = ", ".join(f"{_text(one.monitor)} ({one.mode})" for one in study.objectives)
        yield from (f"**Pareto front of {names}: {len(study.front)} of {len(study.rows)} points**, ranked 1 below.", "")
    else:
        found = best.estimates[0]
        assert found is not None  # a row of rank 1 has values
        value = estimate_text(found, decimals_of(study)[0])
        yield f"**Best: {_text(study.objectives[0].monitor)} {value}** ({seeds_text(best)}), {_link(study, best)}"
        yield from (("", _text(parameters_text(study, best))) if best.params else ())
        yield ""
    if best is not None:
        yield from ("```sh", _CONTROL.sub(" ", command_of(study, best.first)), "```", "")
        yield from ("or, in this folder, `labkeras reproduce " + study.link(best.first) + "`", "")
    yield from (f"Spent: {cost(spent(study))}", "")


def _leaderboard(study: Study) -> Iterator[str]:
    if not study.rows:
        return
    names = ["#", "trial", "state", *(one.monitor for one in study.objectives)]
    names += [one.label for one in study.shown] + ["seeds"] * study.has_seeds + ["time"]
    decimals = decimals_of(study)
    lines = []
    for row in study.rows[:_MOST_ROWS]:
        means = [estimate_text(found, decimals[index]) for index, found in enumerate(row.estimates)]
        params = [_text(value_text(row.params[one.key])) if one.key in row.params else "–" for one in study.shown]
        seconds = "–" if row.seconds is None else duration(row.seconds)
        seeds = [str(row.count)] * study.has_seeds
        rank = f"{fixed(row.rank, 0)} {tied_text(row)}".rstrip()
        lines.append([rank, _link(study, row), _text(row.state), *means, *params, *seeds, seconds])
    yield from ("## Leaderboard", "")
    yield from _table(map(_text, names), lines)
    left = len(study.rows) - len(lines)
    yield from (("", f"{left} more in leaderboard.csv.") if left > 0 else ())
    yield from (("", tie_note(study)) if study.has_seeds else ())
    yield ""


def _next(study: Study) -> Iterator[str]:
    found = advice(study)
    if found:
        yield from ("## What to try next", "", *(f"- {_text(one)}" for one in found), "")


def _importance(study: Study, importance: Sequence[Importance] | None) -> Iterator[str]:
    if not importance:
        if importance is not None and len(study.shown) > 1 and study.done():
            yield from ("## Importance", "", f"Told from {FEWEST_TRIALS} trials on; {len(study.done())} are done.", "")
        return
    for one in importance:
        yield from (f"## What decides {_text(one.monitor)}", "")
        yield from _table(
            ["parameter", "share"], [[_text(key), f"{100 * share:.0f} %"] for key, share in one.shares.items()]
        )
        yield from ("", f"PED-ANOVA: what tells the best {100 * one.quantile:.0f} % of the trials from all.", "")


def _failures(study: Study) -> Iterator[str]:
    found = failure_classes(study)
    if not found:
        return
    yield from ("## Failures", "")
    for one in found:
        first = ", ".join(
            f"[{_text(study.label(trial))}]({study.link(trial)}/logs/error.txt)" for trial in one.trials[:8]
        )
        more = f" and {len(one.trials) - 8} more" if len(one.trials) > 8 else ""
        yield f"- **{_text(one.kind)}**, {len(one.trials)}×: {_text(one.error) or 'no message'} (trials {first}{more})"
        if one.shared:
            shared = ", ".join(f"{key}={value_text(value)}" for key, value in one.shared.items())
            yield f"  They share what no trial that is done has: {_text(shared)}."
    yield ""


def _provenance(study: Study) -> Iterator[str]:
    differing, common = differences(study), made_with(study)
    if not differing and not common:
        return
    yield from ("## Made with", "")
    if differing:
        yield from ("**Not all trials can be compared: they were made with different code, packages or machines.**", "")
        for one in differing:
            groups = "; ".join(f"{_text(which)}: trials {ranges(trials)}" for which, trials in one.groups.items())
            yield f"- {_text(one.what)}: {groups}"
        yield ""
    yield from (f"- {_text(name)}: {_text(which)}" for name, which in common.items())
    yield ""


def _link(study: Study, row: Row) -> str:
    names = [f"[{_text(study.label(trial))}]({study.link(trial)})" for trial in row.trials[:6]]
    return ", ".join(names) + (" …" if len(row.trials) > 6 else "")


def _table(names: Iterable[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    listed = list(names)
    yield "| " + " | ".join(listed) + " |"
    yield "|" + " --- |" * len(listed)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _text(text: str) -> str:
    """Text from configs and errors, in which nothing means anything to Markdown."""
    return _SPECIAL.sub(r"\\\1", _CONTROL.sub(" ", text))
