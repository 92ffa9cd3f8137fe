"""The leaderboard as rows of plain values: for CSV, for JSON, for the terminal."""

import csv
import io
import json
from typing import Any

from rich.table import Table
from rich.text import Text

from labkeras.experiment.reports.estimates import Estimate
from labkeras.experiment.reports.parameters import SEED
from labkeras.experiment.reports.study import Row, Study
from labkeras.experiment.reports.texts import duration, fixed, places, plus_minus, value_text

__all__ = [
    "decimals_of",
    "estimate_text",
    "leaderboard",
    "leaderboard_csv",
    "leaderboard_json",
    "leaderboard_table",
    "tied_text",
]


def leaderboard(study: Study) -> list[dict[str, Any]]:
    """A mapping a row: rank, trial, trials, state, values, their intervals, seeds, parameters, cost, checkpoint."""
    return [_values(study, row) for row in study.rows]


def leaderboard_csv(study: Study) -> str:
    """As comma-separated values with a line of names; the parameters by their full keys."""
    monitors = [objective.monitor for objective in study.objectives]
    keys = [parameter.key for parameter in study.shown]
    names = ["rank", "tied_with_best", "trial", "trials", "state"]
    names += [name for monitor in monitors for name in (monitor, f"{monitor}_ci95")]
    names += ["seeds", *keys, "seconds", "parameters", "checkpoint"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in leaderboard(study):
        means = [cell for one in row["values"] for cell in (one["mean"], one["ci95"])]
        params = [_cell(row["params"][key]) if key in row["params"] else "" for key in keys]
        head = [
            row["rank"],
            _truth(row["tied_with_best"]),
            row["trial"],
            " ".join(map(str, row["trials"])),
            row["state"],
        ]
        tail = [row["seeds"], *params, row["seconds"], row["parameters"], row["checkpoint"]]
        writer.writerow(["" if cell is None else cell for cell in (*head, *means, *tail)])
    return text.getvalue()


def leaderboard_json(study: Study) -> str:
    """As JSON: the objectives, the differing parameters and the rows."""
    value = {
        "name": study.name,
        "objectives": [{"monitor": one.monitor, "mode": one.mode} for one in study.objectives],
        "parameters": [parameter.key for parameter in study.parameters],
        "rows": leaderboard(study),
    }
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def leaderboard_table(study: Study, limit: int | None = None) -> Table:
    """For the terminal.

    Args:
        study: whose rows are shown.
        limit: at most so many rows.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("#", "", "trial", "state"):
        table.add_column(name, justify="right" if name == "#" else "left", no_wrap=name != "state")
    for objective in study.objectives:
        table.add_column(Text(objective.monitor), justify="right", no_wrap=True)
    for parameter in study.shown:
        table.add_column(Text(parameter.label), justify="right" if parameter.is_number else "left", overflow="fold")
    table.add_column("time", justify="right", no_wrap=True)
    decimals = decimals_of(study)
    for row in study.rows[:limit]:
        means = [estimate_text(found, decimals[index]) for index, found in enumerate(row.estimates)]
        params = [value_text(row.params[one.key]) if one.key in row.params else "–" for one in study.shown]
        trials = ", ".join(study.label(trial) for trial in row.trials)
        seconds = "–" if row.seconds is None else duration(row.seconds)
        cells = [fixed(row.rank, 0), tied_text(row), trials, row.state, *means, *params, seconds]
        style = "bold" if row.rank == 1 else "dim" if row.rank is None else None
        table.add_row(*map(Text, cells), style=style)
    return table


def tied_text(row: Row) -> str:
    """The mark of a row that cannot be told from the best."""
    return "≈" if row.tied and row.rank != 1 else ""


def estimate_text(found: Estimate | None, decimals: int | None) -> str:
    """A mean and its interval; "–" if there is none."""
    return "–" if found is None else plus_minus(found.mean, found.half, decimals)


def decimals_of(study: Study) -> list[int | None]:
    """How many decimals each objective's column has."""
    return [
        places(row.estimates[index].mean for row in study.rows if row.estimates[index])  # type: ignore[union-attr]  # checked
        for index in range(len(study.objectives))
    ]


def _values(study: Study, row: Row) -> dict[str, Any]:
    pairs = zip(study.objectives, row.estimates, strict=True)
    checkpoint = study.facts[row.first.number].checkpoint
    return {
        "rank": row.rank,
        "tied_with_best": row.tied,
        "trial": study.label(row.first),
        "trials": [study.label(trial) for trial in row.trials],
        "state": row.state,
        "values": [
            {"monitor": one.monitor, "mean": found and found.mean, "ci95": found and found.half} for one, found in pairs
        ],
        "seeds": row.count,
        "seed": [trial.params[SEED] for trial in row.trials if SEED in trial.params],
        "params": row.params,
        "seconds": None if row.seconds is None else round(row.seconds, 3),
        "parameters": row.first.parameters,
        "checkpoint": checkpoint and f"{study.link(row.first)}/{checkpoint}",
    }


def _cell(value: Any) -> Any:
    # Spreadsheets run cells that begin so; numbers are none of them.
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else value_text(value)


def _truth(value: bool | None) -> str:
    return "" if value is None else str(value).lower()
