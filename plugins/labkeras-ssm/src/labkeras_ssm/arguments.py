"""Checks of arguments that these layers share: each returns the value, or raises with the argument's name."""

import math
from collections.abc import Sequence

from labkeras.errors import InvalidArgumentError, did_you_mean

__all__ = ["one_of", "step_range"]


def one_of(value: str, known: Sequence[str], argument: str) -> str:
    """`value`, if it is one of the known words."""
    if value not in known:
        raise InvalidArgumentError(
            f"`{argument}` must be one of {', '.join(map(repr, known))}.{did_you_mean(str(value), known)} "
            f"Received: {argument}={value!r}"
        )
    return value


def step_range(dt_min: float, dt_max: float) -> tuple[float, float]:
    """Both, if they are positive and in order."""
    fine = all(isinstance(value, int | float) and math.isfinite(value) for value in (dt_min, dt_max))
    if not fine or not 0 < dt_min <= dt_max:
        raise InvalidArgumentError(
            f"`dt_min` must be above 0 and `dt_max` not below it. Received: dt_min={dt_min!r}, dt_max={dt_max!r}"
        )
    return float(dt_min), float(dt_max)
