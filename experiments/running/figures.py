"""What running experiments costs: the start of commands, a sweep, the check of a grid, a ledger, event files.

    python experiments/running/figures.py                  all figures, as a table
    python experiments/running/figures.py sweep --rounds 5
    python experiments/running/figures.py --write          also into figures.csv and the README

By the clock, each process on one thread of one core, and training with and without event files by the processor's
time; each figure is the median of its rounds.
"""

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "speed"))

from measuring import Row, interleaved, ratio_row, table, value_row, write  # noqa: E402  # from experiments/speed

EPOCHS = 3
LEARNING_RATES = [0.03, 0.01, 0.003, 0.001]
SEEDS = [0, 1, 2, 3]
NAMING = ["--help", "list", "list layers", "info optimizer/adam"]
SHOWING = ["train --help", "train --cfg job experiment=digits_mlp"]
GRID = [
    "experiment=digits_mlp",
    "optimizer.learning_rate=range(0.01,0.11,0.01)",
    "model.layers.h1.units=range(10,110,10)",
    "seed=range(10)",
]
TRIALS = 10_000
WATCHED = {
    "digits_mlp": ["experiment=digits_mlp"],
    "digits_cnn": ["experiment=digits_cnn"],
    "residual_cnn of 64 filters": [
        "experiment=digits_cnn",
        "model=residual_cnn",
        "model.nodes.stem.filters=64",
        "model.nodes.block.nodes.conv1.filters=64",
        "model.nodes.block.nodes.conv2.filters=64",
        "fit.epochs=1",
    ],
}

Figure = Callable[[int], list[Row]]


def start(rounds: int) -> list[Row]:
    """Commands that name and show things, each in a fresh process."""
    goals = dict.fromkeys(NAMING, "< 0.5") | dict.fromkeys(SHOWING, "")
    return [
        value_row(f"`labkeras {line}`, seconds", goal, [_command_seconds(line) for _ in range(rounds)])
        for line, goal in goals.items()
    ]


def sweep(rounds: int) -> list[Row]:
    """A sweep of 16 tiny runs within its process, with all records, against 16 bare fits of Lightning's."""
    from bare_lightning import fit_and_test

    def bare() -> None:
        for learning_rate in LEARNING_RATES:
            for seed in SEEDS:
                fit_and_test(learning_rate, seed, EPOCHS)

    axes = [f"optimizer.learning_rate={_listed(LEARNING_RATES)}", f"seed={_listed(SEEDS)}"]
    ours = ["experiment=digits_mlp", "trainer=cpu", f"fit.epochs={EPOCHS}", *axes]
    full = interleaved(lambda: _sweep(ours), bare, rounds, clock=time.perf_counter)
    plain = interleaved(lambda: _sweep([*ours, "callbacks=none", "logger=none"]), bare, rounds, clock=time.perf_counter)
    return [
        ratio_row(
            "16 tiny runs as a sweep in one process, best models and event files kept : 16 bare fits", "≤ 1.3", full
        ),
        ratio_row("the same without best models and event files", "≤ 1.3", plain),
        value_row("16 tiny runs as a sweep, seconds", "", [first for first, _ in full]),
    ]


def grid(rounds: int) -> list[Row]:
    """Composing and validating a grid of 1,000 points, the checks before a sweep starts."""
    from labkeras.experiment.sweeps.plan import plan_of
    from labkeras.experiment.sweeps.request import SweepRequest

    def seconds() -> float:
        begin = time.perf_counter()
        assert plan_of(SweepRequest(GRID)).space.size() == 1000
        return time.perf_counter() - begin

    seconds()
    return [
        value_row(
            "composing and validating a grid of 1,000 points, seconds", "< 10", [seconds() for _ in range(rounds)]
        )
    ]


def ledger(rounds: int) -> list[Row]:
    """Opening the ledger of a sweep of 10,000 trials that ended."""
    from labkeras.experiment.sweeps.ledger import read_ledger

    with tempfile.TemporaryDirectory() as folder:
        _write_ledger(Path(folder))
        seconds = []
        for _ in range(rounds):
            begin = time.perf_counter()
            assert len(read_ledger(folder).of_state("done")) == TRIALS
            seconds.append(time.perf_counter() - begin)
    return [value_row("opening a ledger of 10,000 trials, seconds", "< 2", seconds)]


def watching(rounds: int) -> list[Row]:
    """Training with the event files of `logger=tensorboard` against training without any."""
    from labkeras.models.model import Model

    spent = 0.0
    fit = Model.fit

    def timed(*arguments: Any, **options: Any) -> Any:
        nonlocal spent
        begin = time.process_time()
        try:
            return fit(*arguments, **options)
        finally:
            spent += time.process_time() - begin

    Model.fit = timed  # type: ignore[method-assign]  # of a run its training, not its start
    try:
        return [
            ratio_row(
                f"training {name}, with event files : without",
                "≤ 1.03",
                interleaved(_trained([*words]), _trained([*words, "logger=none"]), rounds, clock=lambda: spent),
            )
            for name, words in WATCHED.items()
        ]
    finally:
        Model.fit = fit  # type: ignore[method-assign]


def _trained(words: list[str]) -> Callable[[], None]:
    from labkeras.experiment.config.composition import compose
    from labkeras.experiment.runs.one_run import run

    overrides = [*words, "trainer=cpu", "fit.verbose=0", "pictures=null"]
    config = compose(overrides)

    def train() -> None:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            run(config, overrides, Path(folder) / "run")

    return train


def _command_seconds(line: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-m", "labkeras", *line.split()], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def _sweep(overrides: list[str]) -> None:
    from labkeras.experiment import SweepRequest, sweep

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        result = sweep(SweepRequest([*overrides, f"sweep_dir={folder}/sweep"]))
        assert len(result.ledger.of_state("done")) == 16


def _listed(values: list[float] | list[int]) -> str:
    return ",".join(map(str, values))


def _write_ledger(folder: Path) -> None:
    from labkeras.experiment.sweeps.ledger import LedgerWriter

    spec = {"version": 1, "name": "many", "objectives": [{"monitor": "val_accuracy", "mode": "max"}]}
    writer = LedgerWriter.create(folder, spec)
    os.fsync = lambda file: None  # type: ignore[assignment]  # 30,000 of them would be most of the time
    for number in range(TRIALS):
        params = {"optimizer": "adam", "optimizer.learning_rate": 0.1 / (number + 1), "seed": number}
        writer.trial(params, [f"{key}={value}" for key, value in params.items()])
        writer.attempt(number)
        metrics = {"loss": 0.1, "accuracy": 0.9, "val_loss": 0.2, "val_accuracy": 0.8, "test_accuracy": 0.8}
        writer.end(number, "done", values=[0.8], metrics=metrics, seconds=1.5, epochs=10, parameters=17226)
    writer.close()


FIGURES: dict[str, Figure] = {"start": start, "sweep": sweep, "grid": grid, "ledger": ledger, "watching": watching}


def main() -> None:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", choices=[[], *FIGURES], help="which to measure; all unless given")
    parser.add_argument("--rounds", type=int, default=7, help="rounds, at least 5 for figures to quote")
    parser.add_argument("--write", action="store_true", help="also write figures.csv and the README's table")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    rows = []
    for name in arguments.figures or FIGURES:
        rows += FIGURES[name](arguments.rounds)
        print(f"{name}: done", file=sys.stderr)
    print(table(rows))
    if arguments.write:
        write(rows, HERE)


if __name__ == "__main__":
    main()
