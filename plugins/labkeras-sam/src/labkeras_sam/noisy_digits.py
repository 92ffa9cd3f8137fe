"""noisy_digits: the handwritten digits, with some of the labels to learn from wrong."""

from typing import Annotated, Any

import numpy as np

from labkeras.datasets import digits
from labkeras.datasets.spec import ArraySpec, DataSpec, gives
from labkeras.errors import InvalidArgumentError
from labkeras.ranges import Fraction, Range

__all__ = ["load_data"]

_TRAIN_ROWS, _CLASSES = 1_437, 10


def _spec(rows: int | None = None, noise: float = 0.4, seed: int = 0) -> DataSpec:
    del noise, seed  # they change the values alone
    x, y = ArraySpec((8, 8), "uint8", classes=17), ArraySpec((), "int64", classes=_CLASSES)
    return DataSpec(x, y, rows=_TRAIN_ROWS if rows is None else rows, test_rows=360)


@gives(_spec)
def load_data(
    rows: Annotated[int, Range(at_least=1, at_most=_TRAIN_ROWS)] | None = None,
    noise: Fraction = 0.4,
    seed: Annotated[int, Range(at_least=0)] = 0,
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Loads `labkeras.datasets.digits` with wrong labels: each one to train on is, with a probability, another class's.

    Args:
        rows: how many samples to train on, chosen at random; all 1,437 unless given.
        noise: the probability, in [0, 1], that a label is wrong; those to test on are all right.
        seed: of that choice and the wrong labels, at least 0.

    Shapes:
        x_train: (1437, 8, 8), `uint8` in [0, 16]; with `rows` (rows, 8, 8)
        y_train: (1437,), `int64` in [0, 9]; with `rows` (rows,)
        x_test: (360, 8, 8), `uint8` in [0, 16]
        y_test: (360,), `int64` in [0, 9]

    Returns:
        `(x_train, y_train), (x_test, y_test)`, new arrays at each call.

    Raises:
        InvalidArgumentError: if an argument is out of its range.

    Reference:
        The second of the experiments with which Foret et al. (2021), https://arxiv.org/abs/2010.01412, show what
        sharpness-aware minimisation is good for.

    Example:
        >>> (_, y_train), _ = load_data(noise=0.4)
        >>> (_, right), _ = load_data(noise=0)
        >>> bool(0.3 < (y_train != right).mean() < 0.5)
        True
    """
    if isinstance(noise, bool) or not isinstance(noise, int | float) or not 0 <= noise <= 1:
        raise InvalidArgumentError(f"`noise` must be a number in [0, 1]. Received: noise={noise!r}")
    (x_train, y_train), test = digits.load_data(rows=rows, seed=seed)
    # A stream of its own: more noise adds wrong labels to those that there are with less.
    random = np.random.default_rng([seed, 1])
    is_wrong = random.random(len(y_train)) < noise
    others = (y_train + random.integers(1, _CLASSES, len(y_train))) % _CLASSES
    return (x_train, np.where(is_wrong, others, y_train)), test
