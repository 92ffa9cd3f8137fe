"""digits: 1,797 handwritten digits of 8×8 pixels, shipped with labkeras."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labkeras.datasets.spec import ArraySpec, DataSpec, gives

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]

_ARCHIVE = Path(__file__).parent / "data" / "digits.npz"
_TEST_EVERY = 5  # one sample in five tests: 360 of the 1,797

_SPEC = DataSpec(ArraySpec((8, 8), "uint8", classes=17), ArraySpec((), "int64", classes=10), rows=1437, test_rows=360)


@gives(_SPEC)
def load_data() -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
    """Loads the handwritten digits, split into 1,437 to train on and 360 to test on.

    Each image counts the inked pixels in the 4×4 blocks of a 32×32 bitmap, so its values run from 0 to 16; divide by 16
    for inputs in [0, 1]. The split is the same on every machine: with the samples ordered by label, and within a label
    as in the source, every fifth one from the first on is a test sample. So each label gives a fifth of its samples,
    to within one, to the test part. Both parts keep the order of the source.

    The 13 writers appear in both parts: test accuracy tells how well a model reads writers it knows, not new ones.

    Shapes:
        x_train: (1437, 8, 8), `uint8` in [0, 16]
        y_train: (1437,), `int64` in [0, 9]
        x_test: (360, 8, 8), `uint8` in [0, 16]
        y_test: (360,), `int64` in [0, 9]

    Returns:
        `(x_train, y_train), (x_test, y_test)`, new arrays at each call.

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
    return (images[~is_test], labels[~is_test]), (images[is_test], labels[is_test])


def _choose_test_samples(labels: Labels) -> NDArray[np.bool_]:
    is_test = np.zeros(len(labels), dtype=np.bool_)
    is_test[np.argsort(labels, kind="stable")[::_TEST_EVERY]] = True
    return is_test
