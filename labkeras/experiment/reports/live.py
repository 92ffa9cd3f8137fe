"""What a sweep shows while it runs."""

from typing import Any

from labkeras.experiment.sweeps.ledger import Ledger, TrialRecord

__all__ = ["Display"]


class Display:
    """A line for each trial that ended.

    Args:
        ledger: of the sweep.
        total: how many trials there will be; None if nobody knows.
        mode: "none" to show nothing.
    """

    def __init__(self, ledger: Ledger, total: int | None = None, mode: str = "auto") -> None:
        self._ledger = ledger
        self._total = total
        self._quiet = mode == "none"

    def trial_started(self, record: TrialRecord) -> None:
        """A trial started."""

    def trial_progress(self, number: int, row: dict[str, Any]) -> None:
        """A trial came to the end of an epoch."""

    def trial_ended(self, record: TrialRecord) -> None:
        """A trial ended."""
        if not self._quiet:
            values = ", ".join(f"{value:.4f}" for value in record.values or [])
            print(f"{record.directory.name} {record.state} {values} [{' '.join(record.overrides)}]", flush=True)

    def refresh(self) -> None:
        """Time has passed."""

    def close(self) -> None:
        """The sweep ended."""
