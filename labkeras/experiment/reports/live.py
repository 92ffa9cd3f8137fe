"""Display: what a sweep shows in the terminal while it runs.

In a terminal a few lines are redrawn in place, at most ten times a second, and only when somebody calls: there is no
thread. Written to a file or pipe, there is a line for each trial that ended.
"""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import IO, Any, Literal

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from labkeras.experiment.reports.parameters import short_keys
from labkeras.experiment.reports.study import value_of
from labkeras.experiment.reports.texts import duration, number, single_line, value_text
from labkeras.experiment.sweeps.ledger import Ledger, TrialRecord

__all__ = ["Display", "sparkline"]

Mode = Literal["auto", "lines", "none"]

_SECONDS_BETWEEN_DRAWINGS = 0.1
_BAR = 24
_SPARKS = "▁▂▃▄▅▆▇█"
_SPARK_WIDTH = 12
_MOST_LINES = 12
_BAD = ("failed", "killed", "timeout")
_GOING = ("preempted", "interrupted")
_STYLE = {"failed": "red", "killed": "red", "timeout": "red", "running": "cyan", "pruned": "yellow"}


def sparkline(values: list[float], width: int = _SPARK_WIDTH) -> str:
    """The last values as a row of blocks, the least lowest.

    Example:
        >>> sparkline([0.1, 0.5, 0.9])
        '▁▅█'
    """
    shown = values[-width:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    top = len(_SPARKS) - 1
    return "".join(_SPARKS[round(top * (value - low) / (high - low)) if high > low else 0] for value in shown)


class Display:
    """Shows how a sweep goes: trials done, running, failed and pruned, the best so far, the time left.

    Args:
        ledger: of the sweep, kept up to date by whoever writes it.
        total: how many trials there will be; None if nobody knows.
        mode: "auto" to draw in a terminal and to write lines elsewhere, "lines" to write lines in a terminal too,
            "none" to show nothing.
        file: where to; the standard output unless given.
    """

    def __init__(
        self, ledger: Ledger, total: int | None = None, mode: Mode | str = "auto", file: IO[str] | None = None
    ) -> None:
        self._ledger = ledger
        self._total = total
        self._quiet = mode == "none"
        self._console = Console(file=file or sys.stdout, highlight=False, soft_wrap=False)
        self._live: Live | None = None
        self._draws = mode == "auto" and self._console.is_terminal and not self._console.is_dumb_terminal
        self._start = time.perf_counter()
        self._next_drawing = 0.0
        self._curves: dict[int, list[float]] = {}
        self._rows: dict[int, Mapping[str, Any]] = {}
        self._running: dict[int, TrialRecord] = {}
        self._ended = 0

    def __enter__(self) -> "Display":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def trial_started(self, record: TrialRecord) -> None:
        """A trial starts, or goes on."""
        self._running[record.number] = record
        self._curves[record.number] = []
        self._rows.pop(record.number, None)
        self._draw(at_once=True)

    def trial_progress(self, number: int, row: Mapping[str, Any]) -> None:
        """A trial came to the end of an epoch.

        Args:
            number: of the trial.
            row: of its `metrics.jsonl`.
        """
        self._rows[number] = row
        value = row.get(self._monitored(row))
        if isinstance(value, int | float) and value - value == 0:  # finite
            self._curves.setdefault(number, []).append(float(value))
        self._draw()

    def trial_ended(self, record: TrialRecord) -> None:
        """A trial's attempt ended."""
        for known in (self._running, self._curves, self._rows):
            known.pop(record.number, None)
        self._ended += 1
        if self._draws:
            if record.state in _BAD:
                self._print(self._line(record))
            self._draw(at_once=True)
        elif not self._quiet:
            self._print(self._line(record))

    def refresh(self) -> None:
        """Time has passed: draws again, if the last time is long enough ago."""
        self._draw()

    def close(self) -> None:
        """The sweep ends; what was drawn last stays."""
        if self._live is not None:
            live, self._live = self._live, None
            with contextlib.suppress(OSError, ValueError):  # the terminal is gone
                live.update(self._picture(), refresh=True)
                live.stop()
        self._draws, self._quiet = False, True

    # --- drawing -----------------------------------------------------------------------------------------------------

    def _draw(self, at_once: bool = False) -> None:
        now = time.perf_counter()
        if not self._draws or (now < self._next_drawing and not (at_once and self._live is None)):
            return
        self._next_drawing = now + _SECONDS_BETWEEN_DRAWINGS
        try:
            if self._live is None:
                # What runs in this process prints meanwhile goes above the picture.
                self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
                self._live.start()
            self._live.update(self._picture(), refresh=True)
        except (OSError, ValueError):  # the terminal is gone; the sweep goes on
            self._draws, self._quiet = False, True

    def _print(self, line: Text) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._draws:  # above the picture, and not over into a second row
                self._console.print(line, overflow="ellipsis", no_wrap=True)
            else:
                self._console.print(line, soft_wrap=True)

    def _picture(self) -> Group:
        return Group(self._headline(), *self._best_line(), *self._trial_lines())

    def _headline(self) -> Text:
        ledger = self._ledger
        over = sum(trial.is_finished for trial in ledger.trials)
        line = Text(no_wrap=True, overflow="ellipsis")
        if self._total:
            filled = min(_BAR, round(_BAR * over / self._total))
            line.append("━" * filled, "green").append("━" * (_BAR - filled) + " ", "bright_black")
        line.append(f"{over}{f'/{self._total}' if self._total else ''} trials", "bold")
        for state, words in (
            ("running", ("running",)),
            ("failed", _BAD),
            ("pruned", ("pruned",)),
            ("interrupted", _GOING),
        ):
            count = len(ledger.of_state(*words))
            if count:
                line.append(f" · {count} {state}", _STYLE.get(state))
        line.append(f" · {duration(time.perf_counter() - self._start)}")
        left = self._seconds_left(over)
        return line.append(f" · about {duration(left)} left") if left is not None else line

    def _seconds_left(self, over: int) -> float | None:
        if not self._total or not self._ended or over >= self._total:
            return None
        return (time.perf_counter() - self._start) / self._ended * (self._total - over)

    def _best_line(self) -> Iterator[Text]:
        best = self._ledger.best()
        if best is not None and value_of(best) is not None:
            line = Text("best ", no_wrap=True, overflow="ellipsis").append(self._values(best), "bold green")
            yield line.append(f"  trial {best.number}  {_params(best)}")

    def _trial_lines(self) -> Iterator[Table]:
        if not self._running:
            return
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        for style in ("cyan", None, "bold", "green", "bright_black"):
            table.add_column(no_wrap=True, overflow="ellipsis", style=style)
        for trial in list(self._running.values())[:_MOST_LINES]:
            row = self._rows.get(trial.number, {})
            monitored = self._monitored(row)
            value = row.get(monitored)
            shown = f"{monitored} {number(value)}" if isinstance(value, int | float) else ""
            epoch = f"epoch {row['epoch']}" if "epoch" in row else "starting"
            cells = [
                f"trial {trial.number}",
                epoch,
                shown,
                sparkline(self._curves.get(trial.number, [])),
                _params(trial),
            ]
            table.add_row(*map(Text, cells))
        if len(self._running) > _MOST_LINES:
            table.add_row(Text(f"{len(self._running) - _MOST_LINES} more"))
        yield table

    def _line(self, record: TrialRecord) -> Text:
        over = sum(trial.is_finished for trial in self._ledger.trials)
        line = Text(f"[{over}/{self._total}] " if self._total else f"[{over}] ", "bright_black")
        line.append(f"trial {record.number} ", "default")
        line.append(record.state, _STYLE.get(record.state, "green"))
        line.append(f" in {duration(record.seconds)}", "default")
        if record.failure and record.state != "pruned":
            line.append(f": {single_line(str(record.failure.get('error') or record.failure.get('kind')))}", "default")
        elif value_of(record) is not None:
            line.append(f": {self._values(record)}", "bold")
        return line.append(f"  {_params(record)}", "default")

    def _values(self, record: TrialRecord) -> str:
        pairs = zip(self._ledger.objectives, record.values or [], strict=False)
        return ", ".join(f"{one['monitor']} {number(value)}" for one, value in pairs if value is not None)

    def _monitored(self, row: Mapping[str, Any]) -> str:
        """The column that is closest to the objective."""
        objectives = self._ledger.objectives
        monitor = objectives[0]["monitor"] if objectives else "loss"
        plain = monitor.removeprefix("test_")
        return next((name for name in (monitor, f"val_{plain}", plain, "val_loss") if name in row), "loss")


def _params(trial: TrialRecord) -> str:
    labels = short_keys(list(trial.params))  # there is one line for all of them
    return single_line(" ".join(f"{labels[key]}={value_text(value)}" for key, value in trial.params.items()))
