"""Means over seeds: how sure they are, and whether two of them can be told apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit  # type: ignore[import-untyped]  # it ships no types

__all__ = ["CONFIDENCE", "Estimate", "estimate", "p_value"]

CONFIDENCE = 0.95
"""Of the intervals; one minus it is the level of the tests."""


@dataclass(frozen=True)
class Estimate:
    """A mean and what is known about it.

    Args:
        mean: of the values.
        half: half the width of the confidence interval; None for a single value, of which nothing is known.
        deviation: standard deviation of the values, with n - 1; None for a single value.
        count: how many values.
    """

    mean: float
    half: float | None
    deviation: float | None
    count: int


def estimate(values: Sequence[float]) -> Estimate | None:
    """The mean with its 95 % confidence interval by Student's t: mean ± t(0.975, n - 1) · s / √n.

    Args:
        values: finite numbers.

    Returns:
        None if there are no values.

    Reference:
        Student, "The Probable Error of a Mean", Biometrika 6, 1908.

    Example:
        >>> found = estimate([0.97, 0.98, 0.99])
        >>> round(found.mean, 4), round(found.half, 4)
        (0.98, 0.0248)
    """
    count = len(values)
    if not count:
        return None
    mean = math.fsum(values) / count
    if count == 1:
        return Estimate(mean, None, None, 1)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    quantile = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
    return Estimate(mean, quantile * deviation / math.sqrt(count), deviation, count)


def p_value(one: Estimate, other: Estimate) -> float | None:
    """How likely so great a difference of two means is by chance: Welch's test, two-sided.

    Returns:
        None if either has a single value: nothing is known of its chance.

    Reference:
        Welch, "The Generalization of 'Student's' Problem when Several Different Population Variances are Involved",
        Biometrika 34, 1947.
    """
    if one.deviation is None or other.deviation is None:
        return None
    variances = one.deviation**2 / one.count, other.deviation**2 / other.count
    total = sum(variances)
    if total == 0:
        return 1.0 if one.mean == other.mean else 0.0
    freedom = total**2 / (variances[0] ** 2 / (one.count - 1) + variances[1] ** 2 / (other.count - 1))
    return float(2 * stdtr(freedom, -abs(one.mean - other.mean) / math.sqrt(total)))
