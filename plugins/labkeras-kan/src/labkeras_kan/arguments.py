"""Checks of arguments that these layers share: each returns the value, or raises with the argument's name."""

import math
from collections.abc import Sequence
from typing import Any

from labkeras import initializers
from labkeras.errors import InvalidArgumentError
from labkeras.initializers import RandomNormal

__all__ = ["initializer_or", "interval", "not_negative"]


def interval(value: Sequence[float], argument: str) -> tuple[float, float]:
    """`value`, if it is a finite number and a larger one."""
    pair = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if len(pair) != 2 or not all(isinstance(end, int | float) and math.isfinite(end) for end in pair):
        raise InvalidArgumentError(f"`{argument}` must be two numbers, low and high. Received: {argument}={value!r}")
    if not pair[0] < pair[1]:
        raise InvalidArgumentError(f"`{argument}` must be low before high. Received: {argument}={value!r}")
    return float(pair[0]), float(pair[1])


def not_negative(value: float, argument: str) -> float:
    """`value`, if it is a finite number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InvalidArgumentError(f"`{argument}` must be a number of at least 0. Received: {argument}={value!r}")
    return float(value)


def initializer_or(value: Any, deviation: float) -> Any:
    """The initializer that was named, or normal numbers of a standard deviation; a new one, with a seed of its own."""
    return RandomNormal(stddev=deviation) if value is None else initializers.get(value)
