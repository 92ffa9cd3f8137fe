"""copy_memory: symbols, a pause, a signal; and the symbols again."""

from typing import Any

import numpy as np
import pytest

from labkeras.datasets import copy_memory
from labkeras.datasets.spec import ArraySpec, spec_of
from labkeras.errors import InvalidArgumentError


def test_a_row_is_symbols_a_pause_a_signal_and_room_for_the_answer() -> None:
    for x, y in copy_memory.load_data(delay=4, rows=30, test_rows=20, symbols=5, copied=3):
        words = x[:, :3]
        assert set(np.unique(words)) <= set(range(1, 6))
        assert np.array_equal(x[:, 3:6], np.zeros((len(x), 3)))
        assert np.array_equal(x[:, 6], np.full(len(x), 6))
        assert np.array_equal(x[:, 7:], np.zeros((len(x), 3)))
        assert np.array_equal(y[:, :7], np.zeros((len(x), 7)))
        assert np.array_equal(y[:, 7:], words)


def test_the_shortest_delay_is_the_signal_alone() -> None:
    (x, y), _ = copy_memory.load_data(delay=1, rows=2, copied=1, symbols=2)
    assert x[:, 1].tolist() == [3, 3]
    assert np.array_equal(y[:, 2], x[:, 0])


@pytest.mark.parametrize("arguments", [{}, {"delay": 7, "rows": 500, "test_rows": 300, "symbols": 3, "copied": 2}])
def test_it_gives_what_it_says(arguments: dict[str, int]) -> None:
    spec = spec_of(copy_memory.load_data, **arguments)
    assert spec is not None
    (x, y), (x_test, _) = copy_memory.load_data(**arguments)
    assert (spec.rows, spec.test_rows) == (len(x), len(x_test))
    assert spec.x == ArraySpec(x.shape[1:], x.dtype.name, classes=x.max() + 1)
    assert spec.y == ArraySpec(y.shape[1:], y.dtype.name, classes=y.max() + 1)


def test_equal_arguments_give_equal_data_and_other_seeds_other_data() -> None:
    first, again, other = (copy_memory.load_data(rows=20, test_rows=5, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first[0][0], again[0][0])
    assert np.array_equal(first[1][0], again[1][0])
    assert not np.array_equal(first[0][0], other[0][0])
    assert not np.array_equal(first[0][0][:5], first[1][0])


@pytest.mark.parametrize("wrong", [{"delay": 0}, {"rows": 0}, {"symbols": 1}, {"copied": "2"}, {"seed": -1}])
def test_arguments_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"`{next(iter(wrong))}` must be an integer.* Received: "):
        copy_memory.load_data(**wrong)
