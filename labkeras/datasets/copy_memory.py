"""copy_memory: made sequences of symbols, to be repeated after a long pause; tells how much a model remembers."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from labkeras.datasets.arguments import checked_count, checked_seed
from labkeras.datasets.spec import ArraySpec, DataSpec, gives
from labkeras.ranges import Range

Words = NDArray[np.int64]


def _spec(
    delay: int = 50, rows: int = 10_000, test_rows: int = 1_000, symbols: int = 8, copied: int = 10, seed: int = 0
) -> DataSpec:
    del seed  # it changes the values alone
    steps = delay + 2 * copied
    x, y = (ArraySpec((steps,), "int64", classes=symbols + more) for more in (2, 1))
    return DataSpec(x, y, rows=rows, test_rows=test_rows)


@gives(_spec)
def load_data(
    delay: Annotated[int, Range(at_least=1)] = 50,
    rows: Annotated[int, Range(at_least=1)] = 10_000,
    test_rows: Annotated[int, Range(at_least=1)] = 1_000,
    symbols: Annotated[int, Range(at_least=2)] = 8,
    copied: Annotated[int, Range(at_least=1)] = 10,
    seed: Annotated[int, Range(at_least=0)] = 0,
) -> tuple[tuple[Words, Words], tuple[Words, Words]]:
    """Makes sequences of symbols, a pause and a signal; asked for is silence until the signal, then the symbols.

    The inputs of a row are `copied` symbols from 1 to `symbols`, then zeros, `delay - 1` of them, then the signal
    `symbols + 1`, then `copied` zeros. The targets are `delay + copied` zeros, then the symbols in their order. So each
    symbol must be kept for `delay + copied` steps.

    Who answers zero until the signal and guesses after it has a mean crossentropy of
    copied · ln(symbols) / (delay + 2 · copied): a model remembers something from below that on.

    Args:
        delay: steps between the last symbol and the first that is asked for, the signal among them; at least 1.
        rows: how many sequences to train on, at least 1.
        test_rows: the same to test on.
        symbols: how many different symbols there are, at least 2.
        copied: how many symbols a sequence has, at least 1.
        seed: of the symbols, at least 0. Equal arguments give equal data.

    Shapes:
        x_train: (rows, delay + 2 · copied), `int64` in [0, symbols + 1]
        y_train: the same, `int64` in [0, symbols]
        x_test, y_test: (test_rows, delay + 2 · copied)

    Returns:
        `(x_train, y_train), (x_test, y_test)`.

    Raises:
        InvalidArgumentError: if an argument is out of its range.

    Example:
        >>> (x_train, y_train), _ = load_data(delay=3, rows=1, copied=2)
        >>> x_train.shape
        (1, 7)

    Reference:
        Hochreiter and Schmidhuber (1997), Long Short-Term Memory, in the form of Arjovsky, Shah and Bengio (2016),
        Unitary Evolution Recurrent Neural Networks.
    """
    checked_count(delay, "delay")
    checked_count(rows, "rows")
    checked_count(test_rows, "test_rows")
    checked_count(symbols, "symbols", 2)
    checked_count(copied, "copied")
    train, test = np.random.SeedSequence(checked_seed(seed)).spawn(2)
    return _sequences(rows, delay, symbols, copied, train), _sequences(test_rows, delay, symbols, copied, test)


def _sequences(rows: int, delay: int, symbols: int, copied: int, seed: np.random.SeedSequence) -> tuple[Words, Words]:
    words = np.random.default_rng(seed).integers(1, symbols + 1, (rows, copied))
    x = np.zeros((rows, delay + 2 * copied), dtype=np.int64)
    y = np.zeros_like(x)
    x[:, :copied] = y[:, -copied:] = words
    x[:, copied + delay - 1] = symbols + 1
    return x, y
