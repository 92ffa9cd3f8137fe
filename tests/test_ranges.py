"""Bounds in type hints."""

import math
from typing import Any

import pytest

from labkeras.errors import InvalidArgumentError
from labkeras.ranges import Range


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "words"),
    [
        (Range(0, 1), [0, 0.5, 1], [-0.1, 1.1, math.nan], "in [0, 1]"),
        (Range(0, below=1), [0, 0.999], [1, -1], "in [0, 1)"),
        (Range(above=0, below=1), [0.5], [0, 1], "in (0, 1)"),
        (Range(1), [1, math.inf], [0, math.nan], "of at least 1"),
        (Range(above=0), [1e-9], [0, -1], "above 0"),
        (Range(at_most=2.5), [2.5, -math.inf], [2.6], "of at most 2.5"),
        (Range(below=0), [-1], [0], "below 0"),
    ],
)
def test_a_range_holds_what_lies_within_its_bounds(
    bounds: Range, inside: list[float], outside: list[float], words: str
) -> None:
    assert [value for value in inside if value not in bounds] == []
    assert [value for value in outside if value in bounds] == []
    assert str(bounds) == words


@pytest.mark.parametrize("arguments", [{}, {"at_least": 0, "above": 0}, {"at_most": 1, "below": 1}])
def test_a_side_has_one_bound(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"one bound, or one on each side\. Received: Range\("):
        Range(**arguments)
