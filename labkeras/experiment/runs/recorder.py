"""What a run writes down while it trains: a row an epoch, and which was the best."""

import operator
import os
import time
from collections.abc import Iterable
from typing import Any

from labkeras.callbacks.callback import Logs
from labkeras.callbacks.logs import python_logs
from labkeras.callbacks.monitor import MonitorCallback, MonitorMode
from labkeras.callbacks.processes import is_main_process
from labkeras.errors import FileFormatError, InvalidArgumentError
from labkeras.experiment.runs.directory import RunDirectory

__all__ = ["MetricsRecorder"]


class MetricsRecorder(MonitorCallback):
    """Writes a row an epoch to `metrics.jsonl`: the epoch, counted from 1, the seconds it took, losses and metrics.

    Args:
        directory: the folder of the run.
        monitor: the value that tells which epoch is the best; None if that is not asked.
        mode: "max" or "min"; "auto" to go by the value's name.
    """

    def __init__(self, directory: RunDirectory, monitor: str | None, mode: MonitorMode) -> None:
        super().__init__(monitor or "", mode)
        self._directory = directory
        self._start = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        seconds = round(time.perf_counter() - self._start, 3)
        if is_main_process():
            self._directory.append_metrics({"epoch": epoch + 1, "seconds": seconds, **python_logs(logs)})

    def state_dict(self) -> dict[str, Any]:
        """How much of the file there is; what is written after a checkpoint is taken back with it."""
        path = self._directory.metrics_path
        if not is_main_process() or not path.exists():
            return {"bytes": 0}
        with path.open("rb") as file:
            os.fsync(file.fileno())  # the checkpoint must not know of rows that a power cut takes away
            return {"bytes": file.seek(0, os.SEEK_END)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        path = self._directory.metrics_path
        if not is_main_process() or not (state["bytes"] or path.exists()):
            return
        if not path.exists() or path.stat().st_size < state["bytes"]:
            raise FileFormatError(
                f"rows of {str(path)!r} are gone that were there at the time of the checkpoint: put the file back, or "
                f"start a new run. Received: fewer than {state['bytes']} bytes"
            )
        os.truncate(path, state["bytes"])

    def value_of(self, logs: Logs) -> float | None:
        """The monitored value in an epoch's logs, if it is there."""
        value = logs.get(self.monitor)
        return float(value) if isinstance(value, int | float) else None

    def direction(self) -> MonitorMode | None:
        """Which of "max" and "min" is better of the monitored value; None if nobody knows."""
        try:
            return "min" if self.choose_comparison() is operator.lt else "max"
        except InvalidArgumentError:
            return None

    def best_of(self, rows: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
        """The row of the best epoch, the first of several; None if no row has the value that tells."""
        # A value that is not a number is written as null, and is never the best.
        rows = [row for row in rows if row.get(self.monitor) is not None]
        direction = self.direction()
        if not rows or direction is None:
            return None
        best = max if direction == "max" else min
        return best(rows, key=lambda row: row[self.monitor])
