"""What a run that is one of a sweep's trials knows of the sweep."""

from typing import Protocol, runtime_checkable

__all__ = ["Trial"]


@runtime_checkable
class Trial(Protocol):
    """Hears how a run goes, and says whether it is worth going on.

    A run calls both at the end of each epoch, `report` first. A run in a process of its own has no trial: the sweep
    reads its `metrics.jsonl`, and asks it to end by a file.
    """

    def report(self, value: float, step: int) -> None:
        """Takes the monitored value.

        Args:
            value: of this epoch; NaN is taken too.
            step: the number of the epoch, from 0.
        """

    def should_prune(self) -> bool:
        """Whether the run should end here, because others did better at this step."""
