"""The bounds of a number, written into a type hint: `rate: Annotated[float, Range(0, 1)]`.

Configs are checked against them before anything is built. The constructor still checks for itself: a hint binds nobody
who calls it from Python.
"""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from labkeras.errors import InvalidArgumentError

__all__ = ["Fraction", "NonNegative", "Positive", "PositiveInt", "Range"]


@dataclass(frozen=True)
class Range:
    """Bounds of a number.

    Args:
        at_least: the smallest number there is.
        at_most: the largest.
        above: a number that all are larger than; in place of `at_least`.
        below: a number that all are smaller than; in place of `at_most`.

    Raises:
        InvalidArgumentError: if there is no bound, or there are two on one side.

    Example:
        >>> 1.0 in Range(0, below=1)
        False
        >>> str(Range(0, below=1))
        'in [0, 1)'
    """

    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        lower, upper = (self.at_least, self.above), (self.at_most, self.below)
        if None not in lower or None not in upper or lower + upper == (None,) * 4:
            raise InvalidArgumentError(f"a range has one bound, or one on each side. Received: {self!r}")

    def __contains__(self, value: float) -> bool:
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        low = (
            f"[{self.at_least:g}" if self.at_least is not None else f"({self.above:g}" if self.above is not None else ""
        )
        high = (
            f"{self.at_most:g}]" if self.at_most is not None else f"{self.below:g})" if self.below is not None else ""
        )
        if low and high:
            return f"in {low}, {high}"
        if low:
            return f"of at least {low[1:]}" if low[0] == "[" else f"above {low[1:]}"
        return f"of at most {high[:-1]}" if high[-1] == "]" else f"below {high[:-1]}"


Fraction: TypeAlias = Annotated[float, Range(0, 1)]
"""A number from 0 to 1."""

NonNegative: TypeAlias = Annotated[float, Range(0)]
"""A number that is not below 0."""

Positive: TypeAlias = Annotated[float, Range(above=0)]
"""A number above 0."""

PositiveInt: TypeAlias = Annotated[int, Range(1)]
"""A number of things, at least one."""
