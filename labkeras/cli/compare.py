"""`labkeras compare A B …`: what differs between runs, and what came out."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import mean, stdev
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from labkeras.cli.outcomes import outcome, short
from labkeras.errors import ConfigError
from labkeras.experiment.runs.comparing import Comparison, compare_runs
from labkeras.experiment.runs.directory import find_run, json_value

__all__ = ["main"]

_WIDE = 500


def main(arguments: Sequence[str]) -> int:
    """Compares runs; returns the exit code."""
    parser = argparse.ArgumentParser("labkeras compare", description="Says what differs between runs.")
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="a run's folder, its name or id below runs/, or `latest`"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)

    def show() -> int:
        if len(options.runs) < 2:
            raise ConfigError([f"labkeras compare: name two runs or more. Received: {' '.join(options.runs)}"])
        comparison = compare_runs([find_run(run) for run in options.runs])
        if options.json:
            print(json.dumps(json_value(asdict(comparison)), indent=2, ensure_ascii=False))
        else:
            _print(comparison)
        return 0

    return outcome(show)


def _print(comparison: Comparison) -> None:
    # Into a file or a pipe goes the whole of each line.
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    console.print(_table("config", comparison.runs, comparison.config, "the configs are equal"))
    console.print(
        _table("made with", comparison.runs, comparison.environment, "code, packages, machine and data are the same")
    )
    console.print(_table("results", comparison.runs, comparison.results, "", with_spread=True))


def _table(
    title: str, runs: Sequence[str], rows: Mapping[str, Sequence[Any]], nothing: str, with_spread: bool = False
) -> Table | str:
    if not rows:
        return nothing
    numbers = with_spread and any(_are_numbers(values) for values in rows.values())
    spread = ("difference" if len(runs) == 2 else "mean ± s.d.") if numbers else None
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left", title_style="bold")
    for name in ("", *map(short, runs), *([spread] if spread else [])):
        table.add_column(name, overflow="fold", justify="right" if name == spread else "left")
    for key, values in rows.items():
        cells = [escape(text) for text in (key, *map(_text, values))]  # lists in it are no colours
        table.add_row(*cells, *([_spread(values)] if spread else []))
    return table


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _spread(values: Sequence[Any]) -> str:
    if not _are_numbers(values):
        return ""
    if len(values) == 2:
        return f"{values[1] - values[0]:+.4g}"
    return f"{mean(values):.4g} ± {stdev(values):.2g}"


def _text(value: Any) -> str:
    return "–" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
