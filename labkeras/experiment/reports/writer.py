"""The files that tell of a sweep: leaderboard.csv, leaderboard.json, report.md, report.html, TensorBoard's columns.

All are made from the ledger and the trials' folders alone; made again, they hold the same bytes.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from labkeras.experiment.reports.columns import columns_file
from labkeras.experiment.reports.facts import FactReader
from labkeras.experiment.reports.importance import importances
from labkeras.experiment.reports.leaderboard import leaderboard_csv, leaderboard_json
from labkeras.experiment.reports.markdown import markdown
from labkeras.experiment.reports.page import page
from labkeras.experiment.reports.sections import plugin_sections
from labkeras.experiment.reports.session_ends import end_sessions
from labkeras.experiment.reports.study import Study, study_of
from labkeras.experiment.sweeps.ledger import Ledger, read_ledger
from labkeras.files import atomic_write

__all__ = ["ReportWriter", "write_reports", "write_study"]

_MOST_OF_THE_TIME = 0.05  # that reports may take of a sweep


def write_reports(sweep_dir: str | os.PathLike[str]) -> Path:
    """Writes the reports of a sweep, each whole or not at all.

    Args:
        sweep_dir: the sweep's folder; the sweep may go on meanwhile.

    Returns:
        The path of `report.html`.

    Raises:
        RunDirectoryError: if there is no sweep in the folder.
        FileFormatError: if the ledger is damaged.

    Example:
        >>> write_reports("runs/sweeps/digits_mlp/20260131-235959-abcd").name
        'report.html'
    """
    folder = Path(sweep_dir)
    return write_study(study_of(read_ledger(folder)), folder)


def write_study(study: Study, folder: Path, with_importance: bool = True, durable: bool = True) -> Path:
    """Writes the files of a study into a folder.

    Args:
        study: what they tell of.
        folder: it exists.
        with_importance: whether to find out which parameters matter, which takes a moment.
        durable: whether to wait for the disk.
    """
    importance = importances(study) if with_importance else None
    files: Mapping[str, str] = {
        "leaderboard.csv": leaderboard_csv(study),
        "leaderboard.json": leaderboard_json(study),
        "report.md": markdown(study, importance, plugin_sections(study, folder, "markdown")),
        "report.html": page(study, importance, plugin_sections(study, folder, "html")),
    }
    for name, text in files.items():
        # A lone surrogate, as in a file's name that is not of UTF-8, cannot be written.
        with atomic_write(folder / name, durable=durable) as file:
            file.write(text.encode("utf-8", "replace").decode("utf-8"))
    columns_file(study, folder)
    end_sessions(study)
    return folder / "report.html"


class ReportWriter:
    """Keeps the reports of a sweep up to date while it runs, at little cost.

    After a trial they are written if the last time is long enough ago that all in all a twentieth of the time goes
    there; folders of trials that ended are read once.

    Args:
        sweep_dir: the sweep's folder.
        ledger: of the sweep, kept up to date by whoever writes it; read from the folder each time unless given.
    """

    def __init__(self, sweep_dir: str | os.PathLike[str], ledger: Ledger | None = None) -> None:
        self._folder = Path(sweep_dir)
        self._ledger = ledger
        self._reader = FactReader()
        self._not_before = 0.0
        self._is_behind = False

    def trial_ended(self) -> None:
        """A trial ended: writes the reports, unless that was done a moment ago."""
        self._is_behind = True
        self.refresh()

    def refresh(self) -> None:
        """Time has passed: writes what was put off, if it is time."""
        start = time.perf_counter()
        if not self._is_behind or start < self._not_before:
            return
        self._is_behind = False
        self._write(with_importance=False, durable=False)
        end = time.perf_counter()
        self._not_before = end + (end - start) * (1 / _MOST_OF_THE_TIME - 1)

    def close(self) -> None:
        """The sweep ended: writes the reports, with the importance of the parameters."""
        self._write(with_importance=True, durable=True)

    def _write(self, with_importance: bool, durable: bool) -> None:
        ledger = self._ledger if self._ledger is not None else read_ledger(self._folder)
        write_study(study_of(ledger, self._reader), self._folder, with_importance, durable)
