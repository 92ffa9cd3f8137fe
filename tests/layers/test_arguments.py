"""Checks of arguments that many layers take."""

import numpy as np
import pytest

from labkeras.errors import InvalidArgumentError, UnsupportedArgumentError
from labkeras.layers.arguments import fraction, positive_integer, refuse


def test_a_good_value_is_returned() -> None:
    assert positive_integer(3, "units") == 3
    assert fraction(0.5, "rate") == 0.5
    assert fraction(1, "rate") == 1


def test_numpys_numbers_become_pythons() -> None:
    assert type(positive_integer(np.int64(3), "units")) is int


@pytest.mark.parametrize("value", [0, -1, 2.0, "3", None, True])
def test_what_is_no_positive_integer_is_named(value: object) -> None:
    with pytest.raises(
        InvalidArgumentError, match=rf"^`units` must be a positive integer\. Received: units={value!r}$"
    ):
        positive_integer(value, "units")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "0.5", None, False])
def test_what_is_no_fraction_is_named(value: object) -> None:
    with pytest.raises(
        InvalidArgumentError, match=rf"^`rate` must be a number in \[0, 1\]\. Received: rate={value!r}$"
    ):
        fraction(value, "rate")  # type: ignore[arg-type]


def test_what_was_given_and_is_not_supported_is_named() -> None:
    refuse("Dense", lora_rank=None, synchronized=False)
    with pytest.raises(UnsupportedArgumentError, match=r"^Dense does not support `rank` yet\. Received: rank=4$"):
        refuse("Dense", alpha=None, rank=4)
