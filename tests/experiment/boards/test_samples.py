"""Samples of a run's data, whatever its form."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from labkeras.experiment.boards.samples import samples_of
from labkeras.experiment.runs.data import RunData
from labkeras.utils import PyDataset

X, Y = np.arange(20, dtype=np.float32).reshape(10, 2), np.arange(10)
DATASET = TensorDataset(torch.as_tensor(X), torch.as_tensor(Y))


class Batches(PyDataset):
    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        return X[2 * index : 2 * index + 2], Y[2 * index : 2 * index + 2]


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Any:
        raise AssertionError("nobody looks into it")


@pytest.mark.parametrize(
    "test", [(X, Y), (DATASET, None), (DataLoader(DATASET, batch_size=4), None)], ids=["arrays", "dataset", "loader"]
)
def test_samples_are_from_all_over_the_data(test: Any) -> None:
    found = samples_of(RunData(X, Y, test), None, 4)
    assert found is not None
    assert found.part == "test"
    assert found.y.tolist() == [0, 3, 6, 9]
    np.testing.assert_array_equal(found.x, X[[0, 3, 6, 9]])


def test_batches_that_are_made_are_taken_from_the_front() -> None:
    found = samples_of(RunData(X, Y, None, (Batches(), None)), None, 4)
    assert found is not None
    assert found.part == "validation"
    np.testing.assert_array_equal(found.x, X[:4])


def test_of_arrays_alone_it_is_their_end_that_was_left_out() -> None:
    found = samples_of(RunData(X, Y), 0.3, 100)
    assert found is not None
    assert (found.part, found.y.tolist()) == ("validation", [7, 8, 9])
    assert samples_of(RunData(X, Y), None, 100) is None


def test_several_inputs_stay_several() -> None:
    found = samples_of(RunData(X, Y, ({"a": X, "b": X + 1}, Y)), None, 2)
    assert found is not None
    np.testing.assert_array_equal(found.x["b"], X[[0, 9]] + 1)


@pytest.mark.parametrize("test", [(X, None), (Endless(), None), (DataLoader(Endless()), None)])
def test_what_has_no_targets_or_no_samples_gives_none(test: Any) -> None:
    assert samples_of(RunData(X, Y, test), None, 4) is None
