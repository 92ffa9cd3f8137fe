"""The studies in this folder: runs the sweep of one, and writes its figures and the tables of its README.

    python experiments/studies.py memory
    python experiments/studies.py memory --tables

The sweep is `labkeras train -m experiment=memory sweep_dir=runs/sweeps/memory`; what it has done already is not done
again. Its trials become `memory/results.csv`, a line each, and that the tables. `--tables` only makes the tables again.

A study is a folder with a README, which has tables for the new ones to replace, and `study.py`: `COLUMNS`, the metrics
to be kept, and `tables(runs)`, the tables as Markdown. It may have `measured(epochs)`: further metrics of a
run, from the rows of its epochs.
"""

import argparse
import csv
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from labkeras.experiment.reports.estimates import Estimate, estimate
from labkeras.experiment.reports.texts import number
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.sweeps.ledger import Ledger, TrialRecord, read_ledger

__all__ = [
    "Run",
    "command",
    "groups",
    "markdown",
    "numbers",
    "read_runs",
    "study_of",
    "within_seeds",
    "write",
    "write_runs",
]

HERE = Path(__file__).parent
STUDIES = sorted(path.parent.name for path in HERE.glob("*/study.py"))

Run = dict[str, str]
"""A line of a study's `results.csv`: the swept keys, "state", the study's metrics, "seconds"."""

_TABLE = re.compile(r"(^\|.*\|\n)+", re.MULTILINE)


def command(name: str) -> list[str]:
    """The words after `labkeras` that run a study, or go on with it."""
    return ["train", "-m", f"experiment={name}", f"sweep_dir=runs/sweeps/{name}"]


def study_of(name: str) -> ModuleType:
    """The module `study.py` of a study."""
    spec = importlib.util.spec_from_file_location(f"study_{name}", HERE / name / "study.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(folder: Path, study: ModuleType, ledger: Ledger | None = None) -> None:
    """Writes `results.csv` from a ledger, unless there is none, and the README's tables from `results.csv`.

    Args:
        folder: the study's.
        study: its module.
        ledger: of its sweep.
    """
    if ledger is not None:
        write_runs(folder / "results.csv", ledger, study)
    readme = folder / "README.md"
    made = iter(study.tables(read_runs(folder)))
    text = readme.read_text(encoding="utf-8")
    readme.write_text(_TABLE.sub(lambda _: next(made) + "\n", text), encoding="utf-8")


def read_runs(folder: Path, file: str = "results.csv") -> list[Run]:
    """The lines of a study's figures.

    Args:
        folder: the study's.
        file: their name.
    """
    with (folder / file).open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


# --- what studies make their tables with ------------------------------------------------------------------------------


def groups(runs: Iterable[Run], *keys: str) -> dict[tuple[str, ...], list[Run]]:
    """The runs by their values of some keys, in the order of the first ones."""
    found: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        found.setdefault(tuple(run[key] for key in keys), []).append(run)
    return found


def numbers(runs: Iterable[Run], metric: str) -> list[float]:
    """A metric of the runs that are done."""
    return [float(run[metric]) for run in runs if run["state"] == "done"]


def within_seeds(runs: Sequence[Run], key: str, low: str, high: str, metric: str) -> Estimate | None:
    """How much higher a metric is with one value of a key than with another, all else equal.

    The differences are averaged within each seed, whose runs have data and starting weights in common, and the mean
    and its interval are those of the seeds whose runs are all done.

    Args:
        runs: all of a grid.
        key: the one that differs.
        low, high: its two values.
        metric: a number of each run.
    """
    means = []
    for of_seed in groups(runs, "seed").values():
        if any(run["state"] != "done" for run in of_seed):
            continue
        sides = [numbers([run for run in of_seed if run[key] == value], metric) for value in (high, low)]
        means.append(sum(sides[0]) / len(sides[0]) - sum(sides[1]) / len(sides[1]))
    return estimate(means)


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, without the line break at its end."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


# --- the ledger as lines ----------------------------------------------------------------------------------------------


def write_runs(path: Path, ledger: Ledger, study: ModuleType) -> None:
    """Writes the trials of a sweep, a line each.

    Args:
        path: of the CSV file.
        ledger: of the sweep.
        study: the module that says which metrics are kept.
    """
    columns: list[str] = study.COLUMNS
    keys = list(dict.fromkeys(key for trial in ledger.trials for key in trial.params))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*keys, "state", *columns, "seconds"])
        for trial in ledger.trials:
            params = [_text(trial.params.get(key, "")) for key in keys]
            metrics = _metrics(trial, study) if trial.state == "done" else {}
            kept = [_text(metrics.get(column, "")) for column in columns]
            writer.writerow([*params, trial.state, *kept, f"{trial.seconds:.1f}"])


def _metrics(trial: TrialRecord, study: ModuleType) -> dict[str, Any]:
    """The results of the test and the row of the last epoch: both are of the weights that training ended with."""
    folder = RunDirectory(trial.directory)
    result = folder.result() or {}
    measured = study.measured(folder.metrics()) if hasattr(study, "measured") else {}
    return {**result, **(result.get("last") or {}), **measured}


def _text(value: object) -> str:
    return number(value, 6) if isinstance(value, float) else str(value)


def main() -> None:
    """Runs a study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES, help="which one")
    parser.add_argument("--tables", action="store_true", help="only make the tables again, from results.csv")
    arguments = parser.parse_args()
    name, ledger = arguments.study, None
    if not arguments.tables:
        done = subprocess.run([sys.executable, "-m", "labkeras", *command(name)], cwd=HERE.parent)
        # 1: trials failed, as they do at a learning rate that is far too high; the tables say so.
        if done.returncode not in (0, 1):
            sys.exit(done.returncode)
        ledger = read_ledger(HERE.parent / "runs" / "sweeps" / name)
        if ledger.stopped is None or not all(trial.is_finished for trial in ledger.trials):
            sys.exit("the sweep has not come to its end; the same command goes on with it")
    write(HERE / name, study_of(name), ledger)


if __name__ == "__main__":
    main()
