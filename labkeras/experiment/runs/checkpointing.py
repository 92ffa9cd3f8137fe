"""What `checkpoint` in a config may hold: when a run writes down where it stands, and how much of that it keeps."""

from dataclasses import dataclass
from typing import Annotated, Literal

from labkeras.ranges import Range

__all__ = ["CheckpointOptions"]


@dataclass(frozen=True)
class CheckpointOptions:
    """When checkpoints are made, beside the one at the end of training and the one when a run has to stop.

    Args:
        every_seconds: after the first batch that ends so long after the last one, or twenty times as long as that one
            took if that is longer; 0 for after each batch; null for not by time.
        every_epochs: after so many epochs; null for not by epochs.
        every_batches: after so many batches; null for not by batches.
        keep: how many of the last are kept; with 2 or more, a run goes on though the last one is damaged.
        on_error: what happens if one cannot be written: "raise" ends the run, "warn" goes on.
    """

    every_seconds: Annotated[float, Range(at_least=0)] | None = 30.0
    every_epochs: Annotated[int, Range(at_least=1)] | None = None
    every_batches: Annotated[int, Range(at_least=1)] | None = None
    keep: Annotated[int, Range(at_least=1)] = 2
    on_error: Literal["raise", "warn"] = "raise"
