"""How the figures are taken: two sides in turn, the median of the rounds, a table."""

import csv
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["HERE", "Row", "Rounds", "child_seconds", "interleaved", "ratio_row", "table", "value_row", "write"]

HERE = Path(__file__).parent
COLUMNS = ["figure", "goal", "measured", "lowest", "highest", "rounds"]

Row = dict[str, object]
Rounds = list[tuple[float, float]]


def interleaved(
    first: Callable[[], object],
    second: Callable[[], object],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> Rounds:
    """Seconds of both, in each round one after the other; a round before the first warms up.

    Args:
        first, second: what is measured.
        rounds: how often.
        clock: of the processor by default, all of it on one thread: what else the machine does would show in the time
            of the wall's.
    """
    first(), second()
    return [(_seconds(first, clock), _seconds(second, clock)) for _ in range(rounds)]


def child_seconds(*words: str) -> float:
    """What a fresh Python process printed last, a number of seconds."""
    output = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True).stdout
    return float(output.split()[-1])


def ratio_row(figure: str, goal: str, pairs: Rounds) -> Row:
    """The first side's time over the second's."""
    return value_row(figure, goal, [first / second for first, second in pairs])


def value_row(figure: str, goal: str, values: list[float], digits: int = 3) -> Row:
    """The median of values, the lowest and the highest."""
    numbers = {"measured": statistics.median(values), "lowest": min(values), "highest": max(values)}
    written = {name: f"{number:.{digits}f}" for name, number in numbers.items()}
    return {"figure": figure, "goal": goal, **written, "rounds": len(values)}


def table(rows: list[Row]) -> str:
    """The figures as a Markdown table."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *([str(row.get(column, "")) for column in COLUMNS] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def write(rows: list[Row], folder: Path = HERE) -> None:
    """Writes the figures into a folder: as CSV, and as the table of its README."""
    with (folder / "figures.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(re.sub(r"(^\|.*\|\n)+", table(rows) + "\n", text, count=1, flags=re.MULTILINE), encoding="utf-8")


def _seconds(function: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    function()
    return clock() - start
