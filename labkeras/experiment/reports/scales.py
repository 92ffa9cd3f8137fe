"""Scales: from values to places in a picture, with ticks at round numbers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from labkeras.experiment.reports.parameters import Parameter
from labkeras.experiment.reports.texts import number, value_text

__all__ = ["Scale", "Slots", "nice_ticks", "parameter_scale", "value_scale"]

_FAR = 3.0  # times the spread of the better three quarters: what lies beyond is drawn at the border


@dataclass(frozen=True)
class Scale:
    """Numbers along a line; those beyond its ends are put at the ends.

    Args:
        low: value at `start`.
        high: value at `end`; above `low`.
        start: place of `low`.
        end: place of `high`.
        log: whether by the logarithm.
        at: values of the ticks; round ones unless given.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    at: tuple[float, ...] | None = None

    def __call__(self, value: Any) -> float:
        clipped = min(max(float(value), self.low), self.high)
        if self.log:
            part = math.log(clipped / self.low) / math.log(self.high / self.low)
        else:
            part = (clipped - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether a value lies between the ends."""
        return self.low <= value <= self.high

    def ticks(self, count: int = 5) -> list[tuple[float, str]]:
        """(place, label) of each tick."""
        if self.at is not None:
            return [(self(value), value_text(value)) for value in self.at]
        return [(self(value), label) for value, label in nice_ticks(self.low, self.high, count, self.log)]


@dataclass(frozen=True)
class Slots:
    """Values side by side, each in the middle of its slot."""

    values: tuple[Any, ...]
    start: float
    end: float

    def __call__(self, value: Any) -> float:
        index = next((i for i, one in enumerate(self.values) if one == value and type(one) is type(value)), 0)
        return self.start + (index + 0.5) * self.width

    @property
    def width(self) -> float:
        """Of a slot; below zero if places run the other way."""
        return (self.end - self.start) / max(1, len(self.values))

    def ticks(self, count: int = 12) -> list[tuple[float, str]]:
        """(place, label) of each value, of very many only of some."""
        step = math.ceil(len(self.values) / count)
        return [(self(value), value_text(value)) for value in self.values[::step]]


def nice_ticks(low: float, high: float, count: int = 5, log: bool = False) -> list[tuple[float, str]]:
    """Round values between two ends, and their labels.

    Args:
        low: lower end.
        high: upper end.
        count: about how many.
        log: whether equal ratios are to be equally far apart.

    Example:
        >>> nice_ticks(0.0, 1.0)
        [(0.0, '0.0'), (0.2, '0.2'), (0.4, '0.4'), (0.6, '0.6'), (0.8, '0.8'), (1.0, '1.0')]
        >>> [label for _, label in nice_ticks(1e-4, 1.0, log=True)]
        ['0.0001', '0.001', '0.01', '0.1', '1']
    """
    if log and high / low >= 8:
        return _log_ticks(low, high, count)
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    plain = decimals <= 6 and max(abs(low), abs(high)) < 1e6
    values = [round(index * step, decimals) for index in range(first, last + 1)]
    greatest = max(abs(low), abs(high))
    if 1e4 <= greatest < 1e9:
        unit, sign = (1e6, "M") if greatest >= 2e6 else (1e3, "k")
        return [(value, f"{value / unit:g}{sign}" if value else "0") for value in values]
    return [(value, f"{value:.{decimals}f}" if plain else number(value)) for value in values]


def _log_ticks(low: float, high: float, count: int) -> list[tuple[float, str]]:
    first, last = math.floor(math.log10(low) + 1e-9), math.floor(math.log10(high) + 1e-9)
    decades = last - first + 1
    steps: tuple[int, ...] = (1,) if decades > 2 else (1, 2, 5)
    stride = max(1, math.ceil(decades / (count + 2)))
    values = [step * 10.0**power for power in range(first, last + 1, stride) for step in steps]
    return [(value, number(value)) for value in values if low * 0.999 <= value <= high * 1.001]


def parameter_scale(parameter: Parameter, start: float, end: float) -> Scale | Slots:
    """The scale of a parameter: numbers by size, everything else side by side."""
    if not parameter.is_axis:
        return Slots(parameter.values, start, end)
    low, high = parameter.low, parameter.high
    if low == high:
        return Slots(parameter.values, start, end)
    ticks = parameter.ticks
    if parameter.ticks is not None:  # a little room, so that points do not lie on the border
        margin = 0.06
        low, high = _widened(low, high, margin, parameter.log)
    return Scale(low, high, start, end, parameter.log, ticks)


def value_scale(values: Sequence[float], mode: str, start: float, end: float) -> Scale:
    """The scale of an objective; of values that are far worse than most, the place is the border.

    Args:
        values: all of them; finite.
        mode: which of "max" and "min" is better.
        start: place of the least.
        end: place of the greatest.
    """
    if not values:
        return Scale(0.0, 1.0, start, end)
    pick: Callable[[Sequence[float]], float] = max if mode == "max" else min
    best, worst = pick(values), (min if mode == "max" else max)(values)
    if best == worst:
        room = abs(best) * 0.05 or 0.5
        return Scale(best - room, best + room, start, end)
    ordered = sorted(values, key=lambda value: abs(value - best))
    quarter = ordered[math.ceil(0.75 * (len(ordered) - 1))]
    limit = best + _FAR * (quarter - best)
    if quarter != best and abs(worst - best) > abs(limit - best):
        worst = limit
    low, high = _widened(min(best, worst), max(best, worst), 0.04, False)
    return Scale(low, high, start, end)


def _widened(low: float, high: float, part: float, log: bool) -> tuple[float, float]:
    if log:
        factor = (high / low) ** part
        return low / factor, high * factor
    room = (high - low) * part
    return low - room, high + room
