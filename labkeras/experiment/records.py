"""What a run writes down while it trains: a row an epoch, and which was the best."""

import time
from typing import Any

from labkeras.callbacks.callback import Logs
from labkeras.callbacks.logs import python_logs
from labkeras.callbacks.monitor import MonitorCallback, MonitorMode
from labkeras.callbacks.processes import is_main_process
from labkeras.experiment.run_directory import RunDirectory

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
        self.rows: list[dict[str, Any]] = []
        self.best_row: dict[str, Any] | None = None
        self._directory = directory
        self._start = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        seconds = round(time.perf_counter() - self._start, 3)
        row = {"epoch": epoch + 1, "seconds": seconds, **python_logs(logs)}
        self.rows.append(row)
        if self.monitor in row and self._is_best(row):
            self.best_row = row
        if is_main_process():
            self._directory.append_metrics(row)

    def _is_best(self, row: dict[str, Any]) -> bool:
        return self.best_row is None or self.choose_comparison()(row[self.monitor], self.best_row[self.monitor])
