"""A section for a sweep's report: which point's probabilities can be believed, beside how often it is right."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from labkeras.experiment.reports.estimates import estimate
from labkeras.experiment.reports.texts import plus_minus, value_text
from labkeras.plugins.subjects import ReportSection, Trial

__all__ = ["sections"]

_CALIBRATION = ("expected_calibration_error", "brier_score")
_MOST = 20  # rows of the table


class _Row(NamedTuple):
    """A point of the sweep, with its runs under several seeds."""

    point: str
    values: tuple[list[float], ...]


def sections(trials: Sequence[Trial], format: str) -> list[ReportSection]:
    """A table of calibration and accuracy, the best calibrated point first; nothing if no run has measured it.

    Args:
        trials: of the sweep; runs that differ in their seeds alone are averaged.
        format: "markdown" or "html".
    """
    done = [trial for trial in trials if trial.state == "done"]
    columns = _columns(done)
    if not columns:
        return []
    rows = sorted(_rows(done, columns), key=lambda row: _mean(row.values[0]))
    head = ["point", *(name.replace("_", " ") for name in columns), "runs"]
    lines = [[row.point, *map(_interval, row.values), str(len(row.values[0]))] for row in rows[:_MOST]]
    body = (_html if format == "html" else _markdown)(head, lines)
    return [ReportSection("Calibration", body, order=60)]


def _columns(trials: Sequence[Trial]) -> list[str]:
    """The metrics to show, those of the test if there are any, else of validation."""
    for part in ("test_", "val_"):
        measured = [f"{part}{name}" for name in _CALIBRATION if any(f"{part}{name}" in t.metrics for t in trials)]
        if measured:
            others = [f"{part}{name}" for name in ("loss", "accuracy")]
            return [*measured, *(name for name in others if any(name in trial.metrics for trial in trials))]
    return []


def _rows(trials: Sequence[Trial], columns: Sequence[str]) -> list[_Row]:
    points: dict[str, list[Trial]] = {}
    for trial in trials:
        if all(isinstance(trial.metrics.get(name), int | float) for name in columns):
            points.setdefault(_point(trial.params), []).append(trial)
    return [
        _Row(point, tuple([float(trial.metrics[name]) for trial in some] for name in columns))
        for point, some in points.items()
    ]


def _point(params: Mapping[str, Any]) -> str:
    """What the sweep chose, without the seed."""
    chosen = {key: value for key, value in params.items() if key != "seed" and not key.endswith(".seed")}
    return " ".join(f"{key.rpartition('.')[2]}={value_text(value)}" for key, value in chosen.items()) or "all"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _interval(values: Sequence[float]) -> str:
    found = estimate(values)
    return "" if found is None else plus_minus(found.mean, found.half, 4)


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in line] for line in lines)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _html(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table>"
