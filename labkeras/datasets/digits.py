"""digits: 1,797 handwritten digits of 8×8 pixels, shipped with labkeras."""

from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from labkeras.datasets.arguments import checked_count, checked_seed
from labkeras.datasets.spec import ArraySpec, DataSpec, gives
from labkeras.errors import InvalidArgumentError
from labkeras.ranges import Range

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]

_ARCHIVE = Path(__file__).parent / "data" / "digits.npz"
_TEST_EVERY = 5  # one sample in five tests: 360 of the 1,797

_TRAIN_ROWS = 1_437


def _spec(rows: int | None = None, seed: int = 0) -> DataSpec:
    del seed  # it changes the choice alone
    x, y = ArraySpec((8, 8), "uint8", classes=17), ArraySpec((), "int64", classes=10)
    return DataSpec(x, y, rows=_TRAIN_ROWS if rows is None else rows, test_rows=360)


@gives(_spec)
def load_data(
    rows: Annotated[int, Range(at_least=1, at_most=_TRAIN_ROWS)] | None = None,
    seed: Annotated[int, Range(at_least=0)] = 0,
) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
    """Loads the handwritten digits, split into 1,437 to train on and 360 to test on.

    Each image counts the inked pixels in the 4×4 blocks of a 32×32 bitmap, so its values run from 0 to 16; divide by 16
    for inputs in [0, 1]. The split is the same on every machine: with the samples ordered by label, and within a label
    as in the source, every fifth one from the first on is a test sample. So each label gives a fifth of its samples,
    to within one, to the test part. Both parts keep the order of the source.

    The 13 writers appear in both parts: test accuracy tells how well a model reads writers it knows, not new ones.

    Args:
        rows: how many samples to train on, chosen at random, for learning from few; all 1,437 unless given. The test
            part is always the same.
        seed: of that choice, at least 0.

    Shapes:
        x_train: (1437, 8, 8), `uint8` in [0, 16]; with `rows` (rows, 8, 8)
        y_train: (1437,), `int64` in [0, 9]; with `rows` (rows,)
        x_test: (360, 8, 8), `uint8` in [0, 16]
        y_test: (360,), `int64` in [0, 9]

    Returns:
        `(x_train, y_train), (x_test, y_test)`, new arrays at each call.

    Raises:
        InvalidArgumentError: if an argument is out of its range.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data()
        >>> x_train.shape, x_test.shape
        ((1437, 8, 8), (360, 8, 8))

    Reference:
        E. Alpaydin and C. Kaynak (1998), "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
        https://doi.org/10.24432/C50P49, licence CC BY 4.0. This is its test file, `optdigits.tes`.
    """
    # Differs from Keras: labels are int64, not uint8, because torch's losses take class indices in no smaller type.
    with np.load(_ARCHIVE, allow_pickle=False) as archive:
        images, labels = archive["images"], archive["labels"].astype(np.int64)
    is_test = _choose_test_samples(labels)
    chosen = _choose_train_samples(~is_test, rows, seed)
    return (images[chosen], labels[chosen]), (images[is_test], labels[is_test])


def _choose_test_samples(labels: Labels) -> NDArray[np.bool_]:
    is_test = np.zeros(len(labels), dtype=np.bool_)
    is_test[np.argsort(labels, kind="stable")[::_TEST_EVERY]] = True
    return is_test


def _choose_train_samples(is_train: NDArray[np.bool_], rows: int | None, seed: int) -> NDArray[np.int64]:
    places = np.flatnonzero(is_train)
    if rows is None:
        return places
    if checked_count(rows, "rows") > len(places):
        raise InvalidArgumentError(f"there are {len(places)} digits to train on. Received: rows={rows!r}")
    generator = np.random.default_rng(checked_seed(seed))
    return np.sort(generator.choice(places, rows, replace=False))
