"""Who is told how a sweep goes, kept from ending it: hours of training do not hang on a table that cannot be drawn."""

import warnings
from collections.abc import Callable
from typing import Any, Protocol

from labkeras.experiment.sweeps.ledger import TrialRecord

__all__ = ["Guarded", "Observer", "Reports"]


class Observer(Protocol):
    """Who shows or writes down how a sweep goes."""

    def trial_started(self, record: TrialRecord) -> None:
        """An attempt begins."""

    def trial_progress(self, number: int, row: dict[str, Any]) -> None:
        """A running trial has a new row of metrics."""

    def trial_ended(self, record: TrialRecord) -> None:
        """An attempt ended."""

    def refresh(self) -> None:
        """Called while the sweep waits."""

    def close(self) -> None:
        """The sweep is over, for now."""


class Guarded:
    """Passes on what happens until that fails; then it warns, and says nothing more.

    Args:
        observer: who is told.
        what: what it does, for the warning: "the report".
    """

    def __init__(self, observer: Observer, what: str) -> None:
        self._observer: Observer | None = observer
        self._what = what

    def trial_started(self, record: TrialRecord) -> None:
        """An attempt begins."""
        self._tell(lambda observer: observer.trial_started(record))

    def trial_progress(self, number: int, row: dict[str, Any]) -> None:
        """A running trial has a new row of metrics."""
        self._tell(lambda observer: observer.trial_progress(number, row))

    def trial_ended(self, record: TrialRecord) -> None:
        """An attempt ended."""
        self._tell(lambda observer: observer.trial_ended(record))

    def refresh(self) -> None:
        """Called while the sweep waits."""
        self._tell(lambda observer: observer.refresh())

    def close(self) -> None:
        """The sweep is over, for now."""
        self._tell(lambda observer: observer.close())

    def _tell(self, call: Callable[[Observer], None]) -> None:
        if self._observer is None:
            return
        try:
            call(self._observer)
        except Exception as error:  # whatever it is: the sweep goes on
            self._observer = None
            warnings.warn(
                f"{self._what} failed and is left out from here on; the sweep goes on. "
                f"Received: {type(error).__name__}: {error}",
                stacklevel=2,
            )


class Reports:
    """What writes reports, told of every end of a trial.

    Args:
        trial_ended: called after each.
        close: called at the end.
        refresh: called as time passes.
    """

    def __init__(
        self, trial_ended: Callable[[], None], close: Callable[[], None], refresh: Callable[[], None] | None = None
    ) -> None:
        self._trial_ended, self._close, self._refresh = trial_ended, close, refresh

    def trial_started(self, record: TrialRecord) -> None:
        """Nothing to write yet."""

    def trial_progress(self, number: int, row: dict[str, Any]) -> None:
        """Nothing to write yet."""

    def trial_ended(self, record: TrialRecord) -> None:
        """Writes the reports, if it is time."""
        self._trial_ended()

    def refresh(self) -> None:
        """Writes what was put off, if it is time."""
        if self._refresh is not None:
            self._refresh()

    def close(self) -> None:
        """Writes the last ones."""
        self._close()
