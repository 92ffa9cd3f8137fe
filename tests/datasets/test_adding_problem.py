"""adding_problem: two marks a row, their sum, the same data each time."""

from typing import Any

import numpy as np
import pytest

from labkeras.datasets import adding_problem
from labkeras.datasets.spec import ArraySpec, spec_of
from labkeras.errors import InvalidArgumentError


@pytest.mark.parametrize("length", [2, 3, 8, 51])
def test_a_row_has_a_mark_in_each_half_and_the_sum_of_what_is_marked(length: int) -> None:
    for x, y in adding_problem.load_data(length, rows=200, test_rows=100):
        numbers, marks = x[..., 0], x[..., 1]
        half = length // 2
        assert np.array_equal(marks[:, :half].sum(1), np.ones(len(x)))
        assert np.array_equal(marks[:, half:].sum(1), np.ones(len(x)))
        assert set(np.unique(marks)) <= {0, 1}
        np.testing.assert_allclose((numbers * marks).sum(1, keepdims=True), y, rtol=1e-6)
        assert numbers.min() >= 0
        assert numbers.max() < 1


def test_every_place_is_marked_about_as_often() -> None:
    (x, _), _ = adding_problem.load_data(10, rows=20_000)
    assert np.all(np.abs(x[..., 1].mean(0) - 0.2) < 0.02)


def test_who_answers_one_has_an_error_of_a_sixth() -> None:
    (_, y), _ = adding_problem.load_data(10, rows=50_000)
    assert np.mean((y - 1) ** 2) == pytest.approx(1 / 6, rel=0.02)


def test_it_gives_what_it_says() -> None:
    spec = spec_of(adding_problem.load_data, length=7, rows=5, test_rows=3)
    assert spec is not None
    (x, y), (x_test, y_test) = adding_problem.load_data(7, 5, 3)
    assert (spec.rows, spec.test_rows) == (len(x), len(x_test)) == (5, 3)
    assert spec.x == ArraySpec(x.shape[1:], x.dtype.name)
    assert spec.y == ArraySpec(y.shape[1:], y.dtype.name)
    assert (x_test.shape, y_test.shape) == ((3, 7, 2), (3, 1))
    default, (x, _) = spec_of(adding_problem.load_data), adding_problem.load_data()[0]
    assert default is not None
    assert (default.rows, default.x) == (len(x), ArraySpec(x.shape[1:], "float32"))


def test_equal_arguments_give_equal_data_and_other_seeds_other_data() -> None:
    def first(**arguments: Any) -> Any:
        return adding_problem.load_data(length=5, **{"rows": 20, "test_rows": 10, **arguments})

    (x, y), (x_test, y_test) = first(seed=3)
    again, other, longer = first(seed=3), first(seed=4), first(seed=3, rows=30)
    assert np.array_equal(again[0][0], x)
    assert np.array_equal(again[0][1], y)
    assert not np.array_equal(other[0][0], x)
    assert np.array_equal(longer[1][0], x_test)
    assert np.array_equal(longer[1][1], y_test)
    assert not np.array_equal(x[:10], x_test)


@pytest.mark.parametrize("wrong", [{"length": 1}, {"rows": 0}, {"test_rows": 2.5}, {"seed": -1}, {"rows": True}])
def test_arguments_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"`{next(iter(wrong))}` must be an integer.* Received: "):
        adding_problem.load_data(**wrong)
