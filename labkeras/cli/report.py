"""`labkeras report`: writes the reports of a sweep again, or compares runs as if they were one."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from labkeras.errors import LabkerasError, exit_code_of
from labkeras.experiment.reports.leaderboard import leaderboard_json, leaderboard_table
from labkeras.experiment.reports.loose_runs import ledger_of_runs
from labkeras.experiment.reports.study import Study, study_of
from labkeras.experiment.reports.words import progress, tie_note
from labkeras.experiment.reports.writer import write_study
from labkeras.experiment.sweeps.ledger import SPEC, read_ledger

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Writes the reports of a sweep again and shows its leaderboard; or does the same for a list of runs."""
    parser = argparse.ArgumentParser(
        "labkeras report",
        description="Writes the reports of a sweep again, and shows its leaderboard; or that of any runs.",
    )
    parser.add_argument("paths", nargs="+", metavar="SWEEP_OR_RUN", help="a sweep's folder, or the folders of runs")
    parser.add_argument(
        "--to", metavar="DIR", help="where the reports go; needed for runs, which have no folder in common"
    )
    parser.add_argument("--top", type=int, default=20, metavar="N", help="how many rows to show (default: 20)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)
    try:
        study, folder = _study(options.paths, options.to)
        written = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            written = write_study(study, folder)
    except LabkerasError as error:
        print(f"labkeras report: {error}", file=sys.stderr)
        return exit_code_of(error)
    except OSError as error:
        print(f"labkeras report: the reports cannot be written: {error}", file=sys.stderr)
        return 1
    if options.json:
        sys.stdout.write(leaderboard_json(study))
    else:
        _show(study, written, options.top)
    return 0


def _study(paths: Sequence[str], to: str | None) -> tuple[Study, Path | None]:
    """What is reported on, and the folder of the reports if there is one."""
    folder = None if to is None else Path(to)
    if len(paths) == 1 and (Path(paths[0]) / SPEC).exists():
        return study_of(read_ledger(paths[0])), folder or Path(paths[0])
    ledger, labels = ledger_of_runs(paths, folder)
    return study_of(ledger, labels=labels), folder


def _show(study: Study, written: Path | None, top: int) -> None:
    console = Console(highlight=False)
    console.print(progress(study), markup=False)
    if study.rows:
        console.print(leaderboard_table(study, top))
    if len(study.rows) > top:
        console.print(f"{len(study.rows) - top} more; --top shows them", style="dim")
    if tie_note(study):
        console.print(tie_note(study), style="dim", markup=False)
    if written is not None:
        console.print(f"\n{written}", markup=False, soft_wrap=True)
