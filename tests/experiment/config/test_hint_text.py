"""Type hints as text, and read back."""

import enum
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, TypedDict, TypeVar, Union

import numpy as np
import pytest
import torch

from labkeras.experiment.config.hint_text import hint_of, text_of
from labkeras.experiment.config.hints import choices_of, describe, fits, is_path, to_argument
from labkeras.initializers import Initializer
from labkeras.ranges import Range

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Options(TypedDict):
    units: int


UNION = "float | int | labkeras.initializers.initializer.Initializer | None"
HINTS = [
    (Any, "Any"),
    (object, "Any"),
    (T, "Any"),
    (None, "None"),
    (int, "int"),
    (int | None, "int | None"),
    (Optional[float], "float | None"),  # noqa: UP045  # the old spelling is another object
    (Literal["same", "valid", 1, None], "Literal['same', 'valid', 1, None]"),
    (Union[float, int, None, Initializer], UNION),  # noqa: UP007  # as other packages write it
    (Union[int, None, Initializer, float], UNION),  # noqa: UP007
    (Literal["it's"], 'Literal["it\'s"]'),
    (Annotated[int, "why"], "int"),
    (Annotated[float, Range(0, below=1)] | None, "Annotated[float, Range(at_least=0, below=1)] | None"),
    (tuple[int, int], "tuple[int, int]"),
    (tuple[int, ...], "tuple[int, ...]"),
    (tuple, "tuple"),
    (int | tuple[int, int], "int | tuple[int, int]"),
    (list[int | None], "list[int | None]"),
    (Sequence[Annotated[int, Range(1)]], "Sequence[Annotated[int, Range(at_least=1)]]"),
    (Iterable[str], "Iterable[str]"),
    (bytes, "Iterable"),
    (dict[str, float], "dict[str, float]"),
    (Mapping, "Mapping"),
    (Options, "Mapping"),
    (Colour, "Enum(RED='r', BLUE='b')"),
    (Callable[[int], int], "Callable"),
    (Path, "Path"),
    (str | os.PathLike[str], "str | Path"),
    (Initializer | None, "labkeras.initializers.initializer.Initializer | None"),
    (np.ndarray, "numpy.ndarray"),
    (torch.Tensor | list[float], "list[float] | torch.Tensor"),
]
VALUES = [None, True, 0, 1, 3, -1, 0.5, 1.0, "", "same", "RED", "r", "it's", [], [1], [1, 2], [1, 2, 3], [1.5], ["a"]]
VALUES += [[None], {}, {"a": 1.0}, {"a": "b"}, float("nan"), float("inf")]


@pytest.mark.parametrize(("hint", "text"), HINTS)
def test_a_hint_is_written_as_text(hint: Any, text: str) -> None:
    assert text_of(hint) == text


@pytest.mark.parametrize(("hint", "text"), HINTS)
def test_a_hint_that_was_read_answers_as_the_one_that_was_written(hint: Any, text: str) -> None:
    read = hint_of(text)
    assert [value for value in VALUES if fits(value, read) != fits(value, hint)] == []
    assert sorted(describe(read).split(" or ")) == sorted(describe(hint).split(" or "))
    assert choices_of(read) == choices_of(hint)
    assert is_path(read) == is_path(hint)
    assert [type(to_argument([3, 3], one)) for one in (read, hint)] == [type(to_argument([3, 3], hint))] * 2
    assert text_of(read) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "int |",
        "integer",
        "print('x')",
        "__import__('os').system('true')",
        "Literal[print]",
        "Annotated[int, 3]",
        "Annotated[int, Range(print(1))]",
        "Annotated[int, Range(middle=3)]",
        "list[",
        "3",
        "Range(1)",
        "bool[int]",
        "Annotated[float, Range()]",
        "Enum(print)",
        "Union[int, str]",
        "(lambda: int).a",
        "int.__subclasses__().b",
    ],
)
def test_what_is_not_in_the_language_is_refused_and_never_run(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        hint_of(text)
    assert capsys.readouterr().out == ""


def test_a_class_comes_back_by_name_without_being_imported() -> None:
    hint = hint_of("no_such_module.inner.Thing")
    assert (hint.__module__, hint.__name__) == ("no_such_module.inner", "Thing")
    assert hint_of("no_such_module.inner.Thing | None") == hint | None
