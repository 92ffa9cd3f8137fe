"""The speed figures of labkeras, as ratios to the same work done by hand in torch, in one process, interleaved.

    python experiments/speed/figures.py            all figures, as a table
    python experiments/speed/figures.py forward fit

Each figure is the median of the ratios of interleaved rounds, in processor time on one thread.
"""

import argparse
import csv
import functools
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Oversubscribed OpenMP makes tiny models several times slower: one thread, unless asked otherwise.
os.environ.setdefault("OMP_NUM_THREADS", "1")

Rounds = list[tuple[float, float]]


def imports(rounds: int) -> list[dict[str, object]]:
    """`import labkeras`, and `labkeras.layers` against torch alone, each in a fresh process."""
    bare = [_import_seconds("import labkeras") for _ in range(rounds)]
    pairs = [
        (_import_seconds("import labkeras.layers; labkeras.layers.Dense"), _import_seconds("import torch"))
        for _ in range(rounds)
    ]
    return [
        {"figure": "import labkeras, seconds", "goal": "< 0.1", "measured": f"{statistics.median(bare):.3f}"},
        _row("import labkeras.layers : import torch", "≤ 1.15", pairs),
    ]


def forward(rounds: int) -> list[dict[str, object]]:
    """A functional model of 20 layers on tiny tensors, batch 4, against the same model written by hand."""
    import torch

    from labkeras.layers import Dense, Input
    from labkeras.models import Model

    ours_input = x = Input((16,))
    for _ in range(20):
        x = Dense(16, activation="relu")(x)
    ours, hand = Model(ours_input, x), _hand_written_20(torch)
    batch = torch.randn(4, 16)
    pairs = _interleaved(lambda: _repeat(ours, batch, 500), lambda: _repeat(hand, batch, 500), rounds)
    with torch.no_grad():
        without = _interleaved(lambda: _repeat(ours, batch, 500), lambda: _repeat(hand, batch, 500), rounds)
    return [
        _row("forward of 20 layers, batch 4 : hand-written module", "≤ 1.1", pairs),
        _row("the same without gradients", "≤ 1.1", without),
    ]


def fit(rounds: int) -> list[dict[str, object]]:
    """`fit` on arrays (784-512-512-10, batch 128, Adam, accuracy) against a loop that slices tensors, in steps per
    second."""
    import numpy as np
    import torch

    from labkeras.layers import Dense, Input
    from labkeras.losses import SparseCategoricalCrossentropy
    from labkeras.models import Sequential
    from labkeras.random import set_random_seed

    set_random_seed(0)
    samples = 128 * 80
    x, y = np.random.rand(samples, 784).astype("float32"), np.random.randint(0, 10, samples)
    rows = []
    for metrics, title in (([], "the loss alone"), (["accuracy"], "with accuracy")):
        layers = [Input((784,)), Dense(512, activation="relu"), Dense(512, activation="relu"), Dense(10)]
        model = Sequential(layers)
        model.compile(optimizer="adam", loss=SparseCategoricalCrossentropy(from_logits=True), metrics=metrics)
        hand = _hand_written_fit(torch, torch.as_tensor(x), torch.as_tensor(y), accuracy=bool(metrics))
        ours = functools.partial(model.fit, x, y, batch_size=128, epochs=3, verbose=0)
        rows.append(
            _row(f"fit, steps per second, {title} : hand-written loop", "≥ 0.95", _interleaved(hand, ours, rounds))
        )
    return rows


def _hand_written_20(torch: object) -> object:
    nn = torch.nn  # type: ignore[attr-defined]

    class Hand(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for index in range(20):
                setattr(self, f"dense_{index}", nn.Linear(16, 16))

        def forward(self, x: object) -> object:
            relu = torch.relu  # type: ignore[attr-defined]
            x = relu(self.dense_1(relu(self.dense_0(x))))
            x = relu(self.dense_3(relu(self.dense_2(x))))
            x = relu(self.dense_5(relu(self.dense_4(x))))
            x = relu(self.dense_7(relu(self.dense_6(x))))
            x = relu(self.dense_9(relu(self.dense_8(x))))
            x = relu(self.dense_11(relu(self.dense_10(x))))
            x = relu(self.dense_13(relu(self.dense_12(x))))
            x = relu(self.dense_15(relu(self.dense_14(x))))
            x = relu(self.dense_17(relu(self.dense_16(x))))
            return relu(self.dense_19(relu(self.dense_18(x))))

    return Hand().eval()


def _hand_written_fit(torch: object, x: object, y: object, accuracy: bool) -> Callable[[], None]:
    """Three epochs: shuffle, slice, forward, backward, Adam; the running mean of the loss, and of the accuracy if
    asked."""
    nn, functional = torch.nn, torch.nn.functional  # type: ignore[attr-defined]
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    optimizer = torch.optim.Adam(model.parameters(), fused=True)  # type: ignore[attr-defined]

    def epoch() -> None:
        order = torch.randperm(len(x))  # type: ignore[attr-defined]
        total = correct = torch.zeros(())  # type: ignore[attr-defined]
        for rows in order.split(128):
            xb, yb = x[rows], y[rows]  # type: ignore[index]
            optimizer.zero_grad()
            logits = model(xb)
            loss = functional.cross_entropy(logits, yb)
            loss.backward()
            optimizer.step()
            total = total + loss.detach() * len(rows)
            if accuracy:
                correct = correct + (logits.detach().argmax(-1) == yb).sum()
        total.item(), correct.item()

    def epochs() -> None:
        for _ in range(3):
            epoch()

    return epochs


def _repeat(function: Callable[[object], object], argument: object, times: int) -> None:
    for _ in range(times):
        function(argument)


def _interleaved(first: Callable[[], object], second: Callable[[], object], rounds: int) -> Rounds:
    """Seconds of both, one after the other, in each round; a round before the first warms up."""
    first(), second()
    return [(_seconds(first), _seconds(second)) for _ in range(rounds)]


def _seconds(function: Callable[[], object]) -> float:
    # Of the processor, all of it on one thread: what else the machine does would show in the time of the clock.
    start = time.process_time()
    function()
    return time.process_time() - start


def _import_seconds(statement: str) -> float:
    code = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return float(output)


def _row(figure: str, goal: str, pairs: Rounds) -> dict[str, object]:
    ratios = [first / second for first, second in pairs]
    return {
        "figure": figure,
        "goal": goal,
        "measured": f"{statistics.median(ratios):.3f}",
        "lowest": f"{min(ratios):.3f}",
        "highest": f"{max(ratios):.3f}",
        "rounds": len(ratios),
    }


FIGURES = {"imports": imports, "forward": forward, "fit": fit}


HERE = Path(__file__).parent
COLUMNS = ["figure", "goal", "measured", "lowest", "highest", "rounds"]


def table(rows: list[dict[str, object]]) -> str:
    """The figures as a Markdown table."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *([str(row.get(column, "")) for column in COLUMNS] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def write(rows: list[dict[str, object]]) -> None:
    """Writes the figures beside this file: as CSV, and as the table of the README."""
    with (HERE / "figures.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    readme = HERE / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(re.sub(r"(^\|.*\|\n)+", table(rows) + "\n", text, count=1, flags=re.MULTILINE), encoding="utf-8")


def main() -> None:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", choices=[[], *FIGURES], help="which to measure; all unless given")
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds, at least 5 for figures to quote")
    parser.add_argument("--write", action="store_true", help="also write figures.csv and the README's table")
    arguments = parser.parse_args()
    rows = [row for name in arguments.figures or FIGURES for row in FIGURES[name](arguments.rounds)]
    print(table(rows))
    if arguments.write:
        write(rows)


if __name__ == "__main__":
    main()
