"""The reports of a sweep, kept up to date while it runs."""

from pathlib import Path

from labkeras.experiment.sweeps.ledger import Ledger

__all__ = ["ReportWriter"]


class ReportWriter:
    """Writes the reports of a sweep.

    Args:
        folder: of the sweep.
        ledger: what happened in it.
    """

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self._folder = folder
        self._ledger = ledger

    def trial_ended(self) -> None:
        """A trial ended."""

    def close(self) -> None:
        """The sweep ended."""
