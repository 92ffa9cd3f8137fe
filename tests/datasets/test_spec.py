"""What a data set says of itself must be so, and is said without reading it."""

import numpy as np

from labkeras.datasets import digits
from labkeras.datasets.spec import ArraySpec, DataSpec, gives, spec_of


def test_digits_gives_what_it_says() -> None:
    spec = spec_of(digits.load_data)
    assert spec is not None
    assert isinstance(spec.x, ArraySpec)
    assert isinstance(spec.y, ArraySpec)
    (x, y), (x_test, _) = digits.load_data()
    assert (len(x), len(x_test)) == (spec.rows, spec.test_rows)
    assert (x.shape[1:], y.shape[1:]) == (spec.x.shape, spec.y.shape)
    assert (x.dtype.name, y.dtype.name) == (spec.x.dtype, spec.y.dtype)
    assert np.unique(x).tolist() == list(range(spec.x.classes or 0))
    assert np.unique(y).tolist() == list(range(spec.y.classes or 0))


def test_a_spec_can_depend_on_the_arguments() -> None:
    @gives(lambda length=8: DataSpec(ArraySpec((length,))))
    def load(length: int = 8) -> int:
        return length

    assert spec_of(load, length=3) == DataSpec(ArraySpec((3,)))
    assert load(3) == 3


def test_a_loader_need_not_say_anything() -> None:
    assert spec_of(lambda: None) is None
