"""ProgressBar: `45/45 ━━━━━━━━━━━━━━━━━━━━ 0s 3ms/step - loss: 0.1132`, redrawn in place.

In a terminal or notebook the line is redrawn, for `fit` at most ten times a second; written to a file or pipe it
appears once, when it is complete. There is no thread: the line is drawn by the calls of `update`, which cost nothing in
between.
"""

import os
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.text import Text
from torch import Tensor

from labkeras.callbacks.logs import python_logs

__all__ = ["ProgressBar", "end_line", "say"]

# The bar whose unfinished line the cursor stands on, if there is one.
_open_bar: "ProgressBar | None" = None


class ProgressBar:
    """Shows how far a loop has come, how long it will take, and its losses and metrics.

    Args:
        target: number of steps; `None` if unknown.
        title: a line of its own above the bar, such as "Epoch 3/10"; in a file or pipe it begins the bar's line.
        bar: whether to draw a bar that is redrawn as the loop goes; else there is one line without a bar at the end.
        unit: what a step is called in "3ms/step".
        width: characters of the bar.
        interval: seconds between two drawings, at least.

    Example:
        >>> progress = ProgressBar(target=45, title="Epoch 3/10")
        >>> progress.update(12, {"loss": torch.tensor(0.25)})
        >>> progress.finish(45, {"loss": 0.25})  # doctest: +ELLIPSIS
        Epoch 3/10 - 45/45 ━━━━━━━━━━━━━━━━━━━━ ...s .../step - loss: 0.2500
    """

    def __init__(
        self,
        target: int | None,
        title: str = "",
        bar: bool = True,
        unit: str = "step",
        width: int = 20,
        interval: float = 0.1,
    ) -> None:
        self.target = target
        self.title = title
        self.bar = bar
        self.unit = unit
        self.width = width
        self.interval = interval
        self.stream = sys.stdout
        self._live = _can_redraw(self.stream)
        self._console: Console | None = None
        self._drawn_width = 0
        self._names: list[str] = []
        self._start = time.perf_counter()
        self._after_first_step: float | None = None
        # Where nothing is drawn before the end, no update has anything to do.
        self._next_drawing = self._start if self._live and bar else float("inf")
        # A loop may have been broken off in the middle of its line.
        _clear_open_bar()
        if title and self._live:
            self._write(Text(f"{title}\n"))

    def update(self, current: int, logs: Mapping[str, Any] | None = None) -> None:
        """Takes note that `current` steps are done; draws the line if the last time is long enough ago.

        Args:
            current: number of steps done.
            logs: losses and metrics; scalar tensors are waited for only when the line is drawn.
        """
        now = time.perf_counter()
        if self._after_first_step is None and current == 1:
            self._after_first_step = now
        # The last step is always drawn: the line may stand there for the time that validation takes.
        if now >= self._next_drawing or (current == self.target and self._next_drawing < float("inf")):
            self._draw(self._line(current, logs, now, done=False))
            self._next_drawing = now + self.interval

    def finish(self, current: int, logs: Mapping[str, Any] | None = None) -> None:
        """Writes the complete line, and ends it.

        Args:
            current: number of steps done.
            logs: losses and metrics.
        """
        global _open_bar
        line = self._line(current, logs, time.perf_counter(), done=True)
        if self.title and not self._live:
            line = Text(f"{self.title} - ").append_text(line)
        padding = max(0, self._drawn_width - line.cell_len)
        self._write(line.append(" " * padding + "\n"), restart=self._drawn_width > 0)
        self._drawn_width = 0
        _open_bar = None

    def expect(self, names: Iterable[str]) -> None:
        """Losses and metrics are shown in this order, after those that are known already.

        Args:
            names: their names.
        """
        self._names += [name for name in names if name not in self._names]

    def clear(self) -> None:
        """Empties the line, so that something else can be written there; the next update draws it anew."""
        self.stream.write("\r" + " " * self._drawn_width + "\r")
        self._drawn_width = 0
        self._next_drawing = 0.0

    def leave(self) -> None:
        """Ends the line as it stands; an update would draw it anew below."""
        self.stream.write("\n")
        self.stream.flush()
        self._drawn_width = 0

    def _draw(self, line: Text) -> None:
        global _open_bar
        if _is_terminal(self.stream):
            # "\r" returns to the start of a row, so the line must not go over into a second one while it is redrawn.
            overflow: Literal["ellipsis", "crop"] = "ellipsis" if _can_write("…", self.stream) else "crop"
            line.truncate(max(1, self._get_console().width - 1), overflow=overflow)
        width = line.cell_len
        self._write(line.append(" " * max(0, self._drawn_width - width)), restart=self._drawn_width > 0)
        self._drawn_width = width
        _open_bar = self

    def _line(self, current: int, logs: Mapping[str, Any] | None, now: float, done: bool) -> Text:
        seconds_per_step = self._seconds_per_step(current, now)
        elapsed = f"{now - self._start:.0f}s"
        line = Text()
        if self.bar:
            self._append_bar(line, current)
            running = self.target and not done
            remaining = _clock(seconds_per_step * ((self.target or 0) - current)) if running else elapsed
            line.append(" ").append(remaining, "bold").append(f" {_duration(seconds_per_step)}/{self.unit}")
        else:
            line.append(f"{self._count(current)} - {elapsed} - {_duration(seconds_per_step)}/{self.unit}")
        for name, value in self._in_order(python_logs(logs)):
            line.append(f" - {name}: {_value(value)}")
        return line

    def _append_bar(self, line: Text, current: int) -> None:
        if not self.target:
            line.append(f"{current:7d}/Unknown")
            return
        sign, light = ("━", "─") if _can_write("━─", self.stream) else ("=", "-")
        # Differs from Keras: where there are no colours, as with NO_COLOR, the part that is done differs by its sign.
        rest = light if self._live and self._get_console().no_color else sign
        done = min(self.width, int(self.width * current / self.target))
        line.append(self._count(current), "bold").append(" ")
        line.append(sign * done, "green").append(rest * (self.width - done), "white")

    def _count(self, current: int) -> str:
        target = str(self.target or current)
        return f"{current:{len(target)}d}/{target}"

    def _in_order(self, logs: dict[str, Any]) -> list[tuple[str, Any]]:
        """The logs in the order in which their names first came: those of training before those of validation."""
        self.expect(logs)
        return [(name, logs[name]) for name in self._names if name in logs]

    def _seconds_per_step(self, current: int, now: float) -> float:
        if self._after_first_step is not None and current > 1:
            # The first step is not like the others: it compiles, allocates, starts the workers of the data.
            return (now - self._after_first_step) / (current - 1)
        return (now - self._start) / current if current else 0.0

    def _get_console(self) -> Console:
        if self._console is None:
            # A notebook shows a terminal's colours; rich's own way there is a new output for each line.
            self._console = Console(file=self.stream, force_terminal=True, force_jupyter=False, highlight=False)
        return self._console

    def _write(self, text: Text, restart: bool = False) -> None:
        if self._live:
            console = self._get_console()
            with console.capture() as capture:
                console.print(text, end="", soft_wrap=True)
            rendered = capture.get()
        else:
            rendered = text.plain
        self.stream.write("\r" + rendered if restart else rendered)
        self.stream.flush()


def say(message: str) -> None:
    """Prints a message above the progress bar that is being drawn, or just prints it.

    Args:
        message: one or more lines, without the last line break.
    """
    _clear_open_bar()
    print(message, flush=True)


def end_line() -> None:
    """Ends the line of a progress bar that was broken off in the middle, and leaves it to be read; else nothing."""
    global _open_bar
    if _open_bar is not None and _open_bar.stream is sys.stdout:
        _open_bar.leave()
    _open_bar = None


def _clear_open_bar() -> None:
    global _open_bar
    # The standard output may have been exchanged, and the old one closed, since the bar was drawn.
    if _open_bar is not None and _open_bar.stream is sys.stdout:
        _open_bar.clear()
    _open_bar = None


def _can_redraw(stream: Any) -> bool:
    return _is_terminal(stream) or type(stream).__module__.startswith("ipykernel") or "PYCHARM_HOSTED" in os.environ


def _is_terminal(stream: Any) -> bool:
    return bool(getattr(stream, "isatty", lambda: False)()) and os.environ.get("TERM") not in ("dumb", "unknown")


def _can_write(text: str, stream: Any) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _clock(seconds: float) -> str:
    whole = int(seconds)
    if whole > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    if whole > 60:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole}s"


def _duration(seconds: float) -> str:
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms"
    return f"{seconds * 1e6:.0f}us"


def _value(value: Any) -> str:
    if isinstance(value, Tensor | np.ndarray):
        value = float(np.mean(value.tolist()))
    if not isinstance(value, float):
        return str(value)
    # Differs from Keras: in the line of `verbose=2` too, where it has -0.5 as -5.0000e-01.
    return f"{value:.4f}" if abs(value) > 1e-3 else f"{value:.4e}"
