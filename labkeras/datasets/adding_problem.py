"""adding_problem: made sequences with two marked numbers, whose sum is asked for; tells how far a model remembers."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from labkeras.datasets.arguments import checked_count, checked_seed
from labkeras.datasets.spec import ArraySpec, DataSpec, gives
from labkeras.ranges import Range

Values = NDArray[np.float32]


def _spec(length: int = 50, rows: int = 10_000, test_rows: int = 1_000, seed: int = 0) -> DataSpec:
    del seed  # it changes the values alone
    return DataSpec(ArraySpec((length, 2)), ArraySpec((1,)), rows=rows, test_rows=test_rows)


@gives(_spec)
def load_data(
    length: Annotated[int, Range(at_least=2)] = 50,
    rows: Annotated[int, Range(at_least=1)] = 10_000,
    test_rows: Annotated[int, Range(at_least=1)] = 1_000,
    seed: Annotated[int, Range(at_least=0)] = 0,
) -> tuple[tuple[Values, Values], tuple[Values, Values]]:
    """Makes sequences of numbers in [0, 1), two of them marked, and the sum of those two.

    A step has two features: a number, and a mark that is 1 in two steps and 0 in the others. One of the two is in the
    first half of the sequence, the other in the second, each place as likely as another. A model must keep the first
    number over up to `length - 1` steps, and let the ones between pass.

    Who answers 1 whatever the sequence is has a mean squared error of 1/6 = 0.167, the variance of the sum of two such
    numbers: a model is of use from well below that on.

    Args:
        length: steps of a sequence, at least 2.
        rows: how many sequences to train on, at least 1.
        test_rows: the same to test on.
        seed: of the numbers and marks, at least 0. Equal arguments give equal data, and the test part changes with
            `length`, `test_rows` and `seed` alone.

    Shapes:
        x_train: (rows, length, 2), `float32`
        y_train: (rows, 1), `float32` in [0, 2)
        x_test: (test_rows, length, 2)
        y_test: (test_rows, 1)

    Returns:
        `(x_train, y_train), (x_test, y_test)`.

    Raises:
        InvalidArgumentError: if an argument is out of its range.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data(length=20, rows=100)
        >>> x_train.shape, y_train.shape
        ((100, 20, 2), (100, 1))

    Reference:
        Hochreiter and Schmidhuber (1997), Long Short-Term Memory, in the form of Arjovsky, Shah and Bengio (2016),
        Unitary Evolution Recurrent Neural Networks.
    """
    checked_count(length, "length", 2)
    checked_count(rows, "rows")
    checked_count(test_rows, "test_rows")
    train, test = np.random.SeedSequence(checked_seed(seed)).spawn(2)
    return _sequences(rows, length, train), _sequences(test_rows, length, test)


def _sequences(rows: int, length: int, seed: np.random.SeedSequence) -> tuple[Values, Values]:
    generator = np.random.default_rng(seed)
    numbers = generator.random((rows, length), dtype=np.float32)
    half = length // 2
    places = np.stack([generator.integers(0, half, rows), generator.integers(half, length, rows)], axis=1)
    marks = np.zeros_like(numbers)
    np.put_along_axis(marks, places, 1, axis=1)
    sums = np.take_along_axis(numbers, places, axis=1).sum(axis=1, keepdims=True)
    return np.stack([numbers, marks], axis=2), sums
