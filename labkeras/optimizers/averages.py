"""The exponential moving average of the parameters."""

from collections.abc import Sequence

import torch

from labkeras.optimizers.batch import Batch

__all__ = ["update_averages"]


def update_averages(batches: Sequence[Batch], momentum: float, overwrite_frequency: int | None, updates: int) -> None:
    """Takes the parameters into their averages, and, when it is time, puts the averages in place of the parameters.

    Args:
        batches: all parameters of an optimizer, with their slot "average".
        momentum: the part of the old average in the new one.
        overwrite_frequency: after how many updates the parameters are replaced; None: never.
        updates: the number of updates before this one.
    """
    # The first average is the parameters themselves.
    weight = 1 - momentum if updates else 1.0
    overwrite = overwrite_frequency and (updates + 1) % overwrite_frequency == 0
    for batch in batches:
        averages = [slots["average"] for slots in batch.slots]
        torch._foreach_lerp_(averages, batch.params, weight)
        if overwrite:
            torch._foreach_copy_(batch.params, averages)
