"""Type hints as rules for the values of a config."""

import enum
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, TypeVar

import numpy as np
import pytest

from labkeras.experiment.config.hints import choices_of, describe, fits, is_path, to_argument
from labkeras.initializers import Initializer
from labkeras.ranges import Range

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


@pytest.mark.parametrize(
    ("hint", "right", "wrong"),
    [
        (int, [3, -1], [3.0, "3", True, None, [3]]),
        (float, [3, 0.5, float("inf")], ["3", True, None]),
        (bool, [True, False], [0, 1, "true"]),
        (str, ["", "a"], [1, None, ["a"]]),
        (None, [None], [0, ""]),
        (Any, [None, 3, "a", [1], {}], []),
        (T, [None, 3], []),
        (int | None, [3, None], ["3"]),
        (Optional[float], [None, 1], ["1"]),  # noqa: UP045  # the old spelling is another object
        (Literal["same", "valid", 1], ["same", "valid", 1], ["sam", 1.0, True]),
        (Annotated[int, "why"], [1], ["1"]),
        (Annotated[float, Range(0, 1)], [0, 0.5, 1], [1.5, -0.1, float("nan"), "0", True]),
        (Annotated[int | Literal["auto"], Range(1)] | None, [1, "auto", None], [0, 1.0, "1"]),
        (Sequence[Annotated[int, Range(1)]], [[], [1, 2]], [[0], 1]),
        (tuple[int, int], [[1, 2]], [[1], [1, 2, 3], [1, "2"], 1]),
        (tuple[int, ...], [[], [1, 2, 3]], [["1"], 1]),
        (tuple, [[1, "a"]], [1]),
        (list[int], [[], [1]], [["1"], 1, "1"]),
        (Sequence[int | None], [[1, None]], [["1"], "12"]),
        (int | tuple[int, int], [3, [1, 2]], [[1, 2, 3], "3"]),
        (dict[str, float], [{"a": 1}, {}], [{"a": "b"}, [1]]),
        (Mapping, [{}], [[]]),
        (Colour, ["RED", "r"], ["green", 1]),
        (Callable[[int], int], ["relu"], [1, [1]]),
        (Path, ["a/b"], [1]),
        (str | os.PathLike[str], ["a/b"], [1]),
        (Initializer | None, ["zeros", {"initializer": "zeros"}, None], [3, True]),
        (np.ndarray, [1, [1.0, 2.0]], ["a"]),
    ],
)
def test_values_fit_a_hint_or_not(hint: Any, right: list[Any], wrong: list[Any]) -> None:
    assert [value for value in right if not fits(value, hint)] == []
    assert [value for value in wrong if fits(value, hint)] == []


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "an integer"),
        (float | None, "a number or null"),
        (Literal["same", "valid"], "'same' or 'valid'"),
        (int | tuple[int, int], "an integer or a list of 2 items, each an integer"),
        (Sequence[int | None], "a list, each item an integer or null"),
        (tuple[int, ...], "a list, each item an integer"),
        (dict[str, int], "a mapping"),
        (str | os.PathLike[str], "a string or a path"),
        (Colour, "'RED' or 'BLUE'"),
        (Annotated[float | None, "why", Range(0, 1)], "a number in [0, 1] or null"),
        (Annotated[int, Range(1)], "an integer of at least 1"),
        (Initializer, "a registered name"),
        (Any, "any value"),
    ],
)
def test_a_hint_is_said_in_words(hint: Any, words: str) -> None:
    assert describe(hint) == words


def test_the_strings_that_a_hint_lists_are_known() -> None:
    assert choices_of(Literal["same", 1] | Colour | None) == ["same", "RED", "BLUE"]
    assert choices_of(str | int) == []


def test_paths_are_known_by_their_hint() -> None:
    assert is_path(str | os.PathLike[str])
    assert is_path(Path | None)
    assert not is_path(str | None)


def test_a_list_becomes_a_tuple_where_only_a_tuple_is_asked_for() -> None:
    assert to_argument([3, 3], int | tuple[int, int]) == (3, 3)
    assert to_argument([3, 3], list[int] | tuple[int, ...]) == [3, 3]
    assert to_argument([3, 3], Any) == [3, 3]
    assert to_argument(3, tuple[int, int]) == 3
