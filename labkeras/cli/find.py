"""`labkeras find lr|batch [overrides]`: a learning rate, or a batch size, to begin with."""

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from labkeras.cli.outcomes import outcome, short
from labkeras.cli.with_run import words_of
from labkeras.errors import ConfigError
from labkeras.experiment.config.composition import compose
from labkeras.experiment.config.validation import checked
from labkeras.experiment.runs.directory import RUNS, new_folder, writing_to
from labkeras.experiment.runs.finding import BatchSizes, LearningRates, find_batch_size, find_learning_rate
from labkeras.experiment.runs.finding_chart import curve_chart
from labkeras.experiment.runs.trained import config_with
from labkeras.files import atomic_write

__all__ = ["main"]

_MEGABYTE = 1e6


def main(arguments: Sequence[str]) -> int:
    """Finds a learning rate or a batch size; returns the exit code."""
    parser = argparse.ArgumentParser(
        "labkeras find",
        description="Tries a few steps with rising learning rates, or batch sizes, and says which to begin with.",
        epilog="examples: labkeras find lr experiment=digits_cnn   labkeras find batch run=latest high=512",
    )
    parser.add_argument("what", choices=["lr", "batch"])
    parser.add_argument(
        "words",
        nargs="*",
        metavar="key=value",
        help="overrides as for labkeras train; run=RUN for a run's config; low=, high=, for lr also steps=; out=FOLDER",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_intermixed_args(list(arguments))
    return outcome(lambda: _find(options.what, options.words, options.json))


def _find(what: str, words: Sequence[str], as_json: bool) -> int:
    run, given, overrides = words_of(words, "find", {"low": (), "high": (), "steps": (), "out": ()}, required=False)
    config = checked(compose(overrides)) if run is None else config_with(run, overrides)
    limits = _numbers(given, float if what == "lr" else int)
    if what == "batch" and "steps" in limits:
        raise ConfigError([f"steps={limits['steps']}: is of `find lr`"])
    found = find_learning_rate(config, **limits) if what == "lr" else find_batch_size(config, **limits)
    folder = Path(given["out"]) if "out" in given else new_folder(RUNS / "find")
    with writing_to(folder):
        file = _write(folder, found)
    if as_json:
        print(json.dumps({**asdict(found), "file": str(file)}, indent=2))
    elif isinstance(found, LearningRates):
        _say_rates(found, file)
    else:
        _say_sizes(found, file)
    return 0 if found.suggestion is not None else 1


def _numbers(given: dict[str, str], kind: type) -> dict[str, Any]:
    """The limits that were given, as numbers."""
    limits: dict[str, Any] = {}
    faults: list[str] = []
    for key in ("low", "high", "steps"):
        if key in given:
            try:
                limits[key] = int(given[key]) if key == "steps" else kind(given[key])
            except ValueError:
                faults.append(f"{key}={given[key]}: expected {'a number' if kind is float else 'an integer'}")
    if faults:
        raise ConfigError(faults)
    return limits


def _write(folder: Path, found: LearningRates | BatchSizes) -> Path:
    if isinstance(found, LearningRates):
        file, header = folder / "learning_rates.csv", ["learning_rate", "loss"]
        rows: list[tuple[Any, ...]] = list(zip(found.rates, found.losses, strict=True))
    else:
        file, header = folder / "batch_sizes.csv", ["batch_size", "samples_per_second", "memory"]
        rows = [(probe.batch_size, probe.samples_per_second, probe.memory) for probe in found.probes]
    with atomic_write(file.with_suffix(".svg"), durable=False) as text:
        text.write(_picture(found))
    with atomic_write(file) as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return file


def _picture(found: LearningRates | BatchSizes) -> str:
    if isinstance(found, LearningRates):
        marks = {} if found.suggestion is None else {f"{found.suggestion:.2g}": found.suggestion}
        return curve_chart(found.rates, {"loss": found.losses}, x_label="learning rate", y_label="loss", marks=marks)
    speeds = {"speed": [probe.samples_per_second for probe in found.probes]}
    chosen = {} if found.suggestion is None else {str(found.suggestion): float(found.suggestion)}
    sizes = [probe.batch_size for probe in found.probes]
    return curve_chart(sizes, speeds, x_label="batch size", y_label="samples a second", marks=chosen)


def _say_rates(found: LearningRates, file: Path) -> None:
    span = f", {found.rates[0]:.2g} to {found.rates[-1]:.2g}" if found.rates else ""
    print(f"tried {len(found.rates)} learning rates{span}: {short(str(file))} (and .svg)")
    if found.suggestion is None:
        print("the loss never fell: look at the model and the data first (labkeras train debug=overfit)")
    else:
        print(f"the loss fell fastest at\n  optimizer.learning_rate={found.suggestion:.2g}")


def _say_sizes(found: BatchSizes, file: Path) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("batch size", "samples a second", "memory"):
        table.add_column(title, justify="right")
    for probe in found.probes:
        if probe.samples_per_second is None:
            table.add_row(str(probe.batch_size), "did not fit", "")
        else:
            memory = "" if probe.memory is None else f"{probe.memory / _MEGABYTE:,.0f} MB"
            table.add_row(str(probe.batch_size), f"{probe.samples_per_second:,.0f}", memory)
    Console(highlight=False).print(table)
    print(short(str(file)))
    if found.suggestion is not None:
        print(f"the smallest that is about as fast as any:\n  fit.batch_size={found.suggestion}")
