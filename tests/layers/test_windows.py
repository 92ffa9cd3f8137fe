"""Sliding windows: settings, padding, sizes."""

import pytest
import torch

from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.layers.windows import (
    axis_sizes,
    padding_mode,
    same_padding,
    same_padding_fits,
    spatial_output_shape,
    zero_padded,
)


def test_one_size_holds_for_all_axes() -> None:
    assert axis_sizes(3, 2, "kernel_size") == (3, 3)
    assert axis_sizes([1, 2, 3], 3, "strides") == (1, 2, 3)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "22", (1,), (1, 2, 3), (1, 0), (1, 2.0)])
def test_bad_sizes_are_named(value: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`strides` must be .*tuple of 2.*Received: strides="):
        axis_sizes(value, 2, "strides")  # type: ignore[arg-type]


def test_padding_is_read_in_any_case() -> None:
    assert (padding_mode("Same"), padding_mode("VALID")) == ("same", "valid")


@pytest.mark.parametrize("padding", ["full", None, 1, ["same"]])
def test_other_paddings_are_named(padding: object) -> None:
    with pytest.raises(InvalidArgumentError, match="`padding` must be 'valid' or 'same'"):
        padding_mode(padding)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("window", range(1, 6))
@pytest.mark.parametrize("stride", range(1, 5))
def test_same_padding_lets_as_many_windows_fit_as_there_are_steps(size: int, window: int, stride: int) -> None:
    before, after = same_padding(size, window, stride)
    padded = size + before + after
    assert padded >= window
    assert (padded - window) // stride + 1 == -(-size // stride)
    assert after - before in (0, 1)
    # No more than is needed.
    assert before + after == 0 or (padded - 1 - window) // stride + 1 < -(-size // stride)


def test_padding_that_fits_is_half_of_the_window_on_both_sides() -> None:
    assert same_padding_fits((3, 5), (1, 1))
    assert not same_padding_fits((3, 4), (1, 1))
    assert not same_padding_fits((3, 3), (1, 2))
    assert all(same_padding(size, 5, 1) == (2, 2) for size in range(1, 20))


def test_zeros_are_put_around_the_last_axes() -> None:
    padded = zero_padded(torch.ones(1, 2, 3), [(1, 0), (0, 2)])
    assert padded.tolist() == [[[0, 0, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 0, 0]]]


def test_sizes_that_are_not_known_stay_unknown() -> None:
    assert spatial_output_shape((None, 8), (3, 3), (2, 2), "valid", "conv") == (None, 3)
    assert spatial_output_shape((None, 8), (3, 3), (2, 3), "same", "conv") == (None, 3)


def test_an_input_smaller_than_the_window_names_layer_and_sizes() -> None:
    with pytest.raises(InvalidInputError, match=r"'conv' is smaller than its window, which spans \(3, 3\).*\(2, 8\)"):
        spatial_output_shape((2, 8), (3, 3), (1, 1), "valid", "conv")
