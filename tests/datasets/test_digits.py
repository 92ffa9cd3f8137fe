"""digits: the shipped file is the published data, and its split is fixed, complete and balanced."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from labkeras.datasets import digits
from labkeras.errors import InvalidArgumentError


def as_rows(images: NDArray[np.generic], labels: NDArray[np.generic]) -> NDArray[np.int64]:
    """One row a sample: its 64 pixels and its label."""
    return np.column_stack([images.reshape(len(images), -1), labels]).astype(np.int64)


def sort_rows(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[np.lexsort(rows.T)]


def test_shapes_and_types_are_as_documented() -> None:
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert (x_train.shape, y_train.shape) == ((1437, 8, 8), (1437,))
    assert (x_test.shape, y_test.shape) == ((360, 8, 8), (360,))
    assert x_train.dtype == x_test.dtype == np.uint8
    assert y_train.dtype == y_test.dtype == np.int64


def test_values_fill_the_documented_range() -> None:
    for images, labels in digits.load_data():
        assert (images.min(), images.max()) == (0, 16)
        assert np.array_equal(np.unique(labels), np.arange(10))


def test_every_published_sample_is_there_exactly_once() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn holds the reference copy")
    published = datasets.load_digits()
    train, test = digits.load_data()
    shipped = np.concatenate([as_rows(*train), as_rows(*test)])
    assert np.array_equal(sort_rows(shipped), sort_rows(as_rows(published.images, published.target)))


def test_both_parts_keep_the_order_of_the_source() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn holds the reference copy")
    published = datasets.load_digits()
    position = {tuple(row): i for i, row in enumerate(as_rows(published.images, published.target))}
    for part in digits.load_data():
        positions = [position[tuple(row)] for row in as_rows(*part)]
        assert positions == sorted(positions)


def test_no_image_is_in_both_parts() -> None:
    (x_train, _), (x_test, _) = digits.load_data()
    assert {image.tobytes() for image in x_train}.isdisjoint(image.tobytes() for image in x_test)


def test_the_split_is_balanced_within_one_sample_a_class() -> None:
    (_, y_train), (_, y_test) = digits.load_data()
    in_test = np.bincount(y_test)
    in_all = in_test + np.bincount(y_train)
    assert np.all(np.abs(in_test - in_all / 5) < 1)


def test_the_split_never_moves() -> None:
    # Counted by hand from the rule, so that a change of the rule, which would make old results incomparable, is seen.
    _, (_, y_test) = digits.load_data()
    assert np.bincount(y_test).tolist() == [36, 36, 36, 36, 37, 36, 36, 36, 35, 36]


def test_loading_again_gives_equal_but_independent_arrays() -> None:
    first, second = digits.load_data(), digits.load_data()
    for part, same_part in zip(first, second, strict=True):
        for array, same_array in zip(part, same_part, strict=True):
            assert np.array_equal(array, same_array)
            assert not np.shares_memory(array, same_array)
            array += 1
            assert not np.array_equal(array, same_array)


def test_loading_needs_numpy_alone() -> None:
    program = (
        "import sys\n"
        "from labkeras.datasets import digits\n"
        "digits.load_data()\n"
        "print(*{'torch', 'sklearn', 'pytorch_lightning'} & set(sys.modules))"
    )
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert outcome.stdout.split() == []


def test_fewer_rows_are_a_choice_of_the_training_part_in_its_order() -> None:
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    (x, y), test = digits.load_data(rows=300, seed=1)
    position = {
        (image.tobytes(), label): place for place, (image, label) in enumerate(zip(x_train, y_train, strict=True))
    }
    places = [position[image.tobytes(), label] for image, label in zip(x, y, strict=True)]
    assert len(places) == 300
    assert places == sorted(set(places))
    assert np.array_equal(test[0], x_test)
    assert np.array_equal(test[1], y_test)
    (again, _), _ = digits.load_data(rows=300, seed=1)
    (other, _), _ = digits.load_data(rows=300, seed=2)
    assert np.array_equal(again, x)
    assert not np.array_equal(other, x)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rows": 0}, "must be an integer of at least 1. Received: rows=0"),
        ({"rows": 1438}, "there are 1437 digits to train on. Received: rows=1438"),
        ({"rows": 5, "seed": -1}, "Received: seed=-1"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        digits.load_data(**wrong)
