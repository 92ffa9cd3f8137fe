"""to_categorical, normalize."""

import keras
import numpy as np
import pytest
import torch

from labkeras.errors import InvalidArgumentError
from labkeras.utils import normalize, to_categorical


@pytest.mark.parametrize("x", [[0, 1, 2], np.array([[0], [2]]), np.array([[0, 1], [2, 1]]), [3]], ids=repr)
@pytest.mark.parametrize("num_classes", [None, 5])
def test_classes_become_keras_rows(x: object, num_classes: int | None) -> None:
    ours, theirs = to_categorical(x, num_classes), keras.utils.to_categorical(x, num_classes)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == theirs.dtype


def test_a_tensor_of_classes_becomes_a_tensor() -> None:
    assert torch.equal(to_categorical(torch.tensor([1, 0]), 2), torch.tensor([[0.0, 1.0], [1.0, 0.0]]))


@pytest.mark.parametrize("x", [[-1, 0], [0, 5]])
def test_a_class_out_of_range_is_named(x: list[int]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"must be in \[0, 5\)\. Received: numbers from"):
        to_categorical(x, num_classes=5)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("axis", [1, -1])  # Keras takes 0 for "none given"
def test_arrays_are_normalized_as_in_keras(order: int, axis: int) -> None:
    x = np.random.default_rng(0).normal(size=(4, 3))
    x[1] = 0.0
    np.testing.assert_allclose(normalize(x, axis, order), keras.utils.normalize(x, axis, order))
