"""`labkeras runs`: the runs that there are."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from labkeras.cli.outcomes import outcome, short
from labkeras.experiment.runs.directory import RUNS, json_value
from labkeras.experiment.runs.listing import RunSummary, list_runs

__all__ = ["main"]

_WIDE = 500
_COLOURS = {"done": "green", "failed": "red", "killed": "red", "running": "cyan", "unreadable": "red"}


def main(arguments: Sequence[str]) -> int:
    """Lists runs; returns the exit code."""
    parser = argparse.ArgumentParser(
        "labkeras runs", description="Lists runs, the newest first, with the values that they were made with."
    )
    parser.add_argument("folder", nargs="?", default=RUNS, help="where to look; runs/ unless given")
    parser.add_argument("--where", metavar="CONDITION", help="which: 'optimizer.learning_rate<1e-3 and state=done'")
    parser.add_argument("--sort", metavar="KEY", help="by best, test_accuracy, seconds, …; -KEY: the lowest first")
    parser.add_argument("--limit", type=int, metavar="N", help="how many at most")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)

    def show() -> int:
        runs = list_runs(options.folder, where=options.where, sort=options.sort, limit=options.limit)
        if options.json:
            print(json.dumps(json_value([_row(run) for run in runs]), indent=2, ensure_ascii=False))
        elif runs:
            # Into a file or a pipe goes the whole of each line.
            Console(width=None if sys.stdout.isatty() else _WIDE).print(_table(runs))
        else:
            print(f"no runs in {options.folder}" + (" that the condition means" if options.where else ""))
        return 0

    return outcome(show)


def _row(run: RunSummary) -> dict[str, Any]:
    keys = ("state", "name", "created", "seconds", "overrides", "failure", "sweep")
    tested = {key: value for key, value in run.result.items() if key.startswith("test_")}
    monitor = run.result.get("monitor")
    return {
        "run": str(run.directory.path),
        **{key: run.record.get(key) for key in keys},
        "monitor": monitor,
        "best": run.best,
        **tested,
    }


def _table(runs: Sequence[RunSummary]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("run", "state", "when", "took", "best"):
        table.add_column(title, justify="right" if title == "took" else "left", no_wrap=True)
    table.add_column("overrides", no_wrap=True, overflow="ellipsis")
    for run in runs:
        state = str(run.record.get("state"))
        best = "" if run.best is None else f"{run.best:.4g} {run.result['monitor']}"
        colour = _COLOURS.get(state, "")
        table.add_row(
            escape(short(str(run.directory.path))),
            f"[{colour}]{state}[/]" if colour else state,
            _when(run.record.get("created")),
            _duration(run.record.get("seconds")),
            best,
            escape(" ".join(map(str, run.record.get("overrides") or []))),  # lists in it are no colours
        )
    return table


def _when(created: Any) -> str:
    try:
        return f"{datetime.fromisoformat(created).astimezone():%Y-%m-%d %H:%M}"
    except (TypeError, ValueError):
        return ""


def _duration(seconds: Any) -> str:
    if not isinstance(seconds, int | float):
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
