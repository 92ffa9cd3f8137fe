"""noisy_digits: as many wrong labels as were asked for, in the training part alone."""

import numpy as np
import pytest

from labkeras.datasets import digits
from labkeras.errors import InvalidArgumentError
from labkeras.testing import check_dataset
from labkeras_sam.noisy_digits import load_data


def test_it_is_what_every_data_set_is() -> None:
    check_dataset(load_data, {"rows": 100})


def test_labels_are_wrong_as_often_as_asked_for_and_all_other_digits_are_as_likely() -> None:
    (x_train, y_train), test = load_data(noise=0.4, seed=1)
    (x_right, y_right), right_test = digits.load_data(seed=1)
    wrong = y_train != y_right
    assert wrong.mean() == pytest.approx(0.4, abs=0.04)
    steps = np.bincount((y_train - y_right)[wrong] % 10, minlength=10)
    assert steps[0] == 0
    assert steps[1:].min() > 0.5 * steps[1:].mean()
    assert np.array_equal(x_train, x_right)
    for given, right in zip(test, right_test, strict=True):
        assert np.array_equal(given, right)


def test_more_noise_keeps_the_errors_of_less() -> None:
    _, right = digits.load_data(rows=300, seed=3)[0]
    less, more = (load_data(rows=300, noise=noise, seed=3)[0][1] for noise in (0.1, 0.5))
    assert np.array_equal(less[less != right], more[less != right])


@pytest.mark.parametrize("noise", [-0.1, 1.5, "half"])
def test_it_names_the_bad_noise(noise: object) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"in \[0, 1\]\. Received: noise={noise!r}"):
        load_data(noise=noise)  # type: ignore[arg-type]
