"""Means over seeds, compared with SciPy's own."""

import random

import pytest
import scipy.stats

from labkeras.experiment.reports.estimates import estimate, p_value


@pytest.mark.parametrize("count", [2, 3, 5, 30])
def test_the_interval_is_that_of_students_t(count: int) -> None:
    generator = random.Random(count)
    values = [generator.gauss(0.9, 0.02) for _ in range(count)]
    found = estimate(values)
    assert found is not None
    low, high = scipy.stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert found.mean - found.half == pytest.approx(low, abs=1e-12)
    assert found.mean + found.half == pytest.approx(high, abs=1e-12)


def test_the_interval_by_hand() -> None:
    # t(0.975, 2) = 4.3027; s = 0.01; 4.3027 · 0.01 / √3 = 0.024841
    found = estimate([0.97, 0.98, 0.99])
    assert found is not None
    assert found.mean == pytest.approx(0.98)
    assert found.half == pytest.approx(0.024841, abs=1e-6)


def test_of_one_value_nothing_is_known() -> None:
    found = estimate([0.5])
    assert found is not None
    assert (found.mean, found.half, found.deviation, found.count) == (0.5, None, None, 1)
    assert estimate([]) is None
    assert p_value(found, estimate([0.1, 0.2])) is None


def test_two_means_are_compared_by_welchs_test() -> None:
    one, other = [0.97, 0.975, 0.98], [0.95, 0.97, 0.96, 0.955]
    expected = scipy.stats.ttest_ind(one, other, equal_var=False).pvalue
    assert p_value(estimate(one), estimate(other)) == pytest.approx(expected, abs=1e-12)


def test_values_without_any_spread_are_equal_or_not() -> None:
    assert p_value(estimate([1.0, 1.0]), estimate([1.0, 1.0])) == 1.0
    assert p_value(estimate([1.0, 1.0]), estimate([2.0, 2.0])) == 0.0
