"""The rows that a run writes while it goes on in another process."""

import json
from pathlib import Path
from typing import Any

__all__ = ["MetricsTail"]

_FILE = "metrics.jsonl"


class MetricsTail:
    """Reads the new rows of a run's `metrics.jsonl`.

    Args:
        directory: the run's folder.
    """

    def __init__(self, directory: Path) -> None:
        self.asked = False
        """Whether the run was asked to end because of what was read."""
        self._path = directory / _FILE
        self._at = 0

    def rows(self) -> list[dict[str, Any]]:
        """Those that were added since the last call, as far as they are whole."""
        try:
            size = self._path.stat().st_size
            if size == self._at:
                return []
            if size < self._at:  # a run that goes on cuts off what came after its checkpoint
                self._at = 0
            with self._path.open("rb") as file:
                file.seek(self._at)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        rows = []
        for line in whole.splitlines():
            try:
                row = json.loads(line)
            except ValueError:  # written over while it was read
                continue
            if isinstance(row, dict):
                rows.append(row)
        return rows
