"""Pictures of what a model says."""

import numpy as np
import pytest

from labkeras.experiment.boards.drawing import as_image, captioned, confusion_matrix, filter_grid, scatter


def test_a_confusion_matrix_is_dark_where_a_class_is_found_and_white_where_it_never_is() -> None:
    picture = confusion_matrix(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]), 2)
    corners = {
        (row, column): picture[42 + 30 * row, 42 + 30 * column].astype(int).sum() for row in (0, 1) for column in (0, 1)
    }
    assert corners[0, 0] < corners[1, 0] == corners[1, 1] < corners[0, 1] == 3 * 255


def test_many_classes_are_small_and_without_numbers() -> None:
    labels = np.arange(60)
    assert confusion_matrix(labels, labels, 60).shape[0] < confusion_matrix(labels % 25, labels % 25, 25).shape[0]


def test_captioned_images_stand_in_a_grid() -> None:
    images = np.zeros((7, 8, 8, 1), np.uint8)
    picture = captioned(images, [str(number) for number in range(7)])
    assert picture.shape == (2 * 92 + 4, 5 * 76 + 4, 3)
    assert captioned(images[:1, :, :, [0, 0, 0]], ["one"]).shape == (96, 80, 3)


def test_filters_have_one_scale_on_which_zero_is_grey() -> None:
    kernels = np.zeros((1, 1, 1, 3))
    kernels[..., 1], kernels[..., 2] = 2.0, -1.0
    picture = filter_grid(kernels)
    assert [int(picture[20, 20 + 44 * index, 0]) for index in range(3)] == [128, 255, 64]
    assert filter_grid(np.zeros((3, 3, 3, 9))).shape == (92, 356, 3)


def test_a_scatter_has_its_points_where_true_and_predicted_meet() -> None:
    picture = scatter(np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    blue = (31, 88, 166)
    assert tuple(picture[40, 40]) == blue
    assert tuple(picture[340, 340]) == blue
    assert scatter(np.ones(3), np.ones(3)).shape == picture.shape  # no span


@pytest.mark.parametrize(
    ("shape", "channels_first", "expected"),
    [
        ((2, 8, 8), False, (2, 8, 8, 1)),
        ((2, 8, 8, 3), False, (2, 8, 8, 3)),
        ((2, 3, 8, 9), True, (2, 8, 9, 3)),
        ((2, 64), False, None),
        ((2, 50, 2), False, None),
        ((2, 8, 8, 5), False, None),
        ((2, 4, 100), False, None),
    ],
)
def test_what_can_be_an_image_is_one(
    shape: tuple[int, ...], channels_first: bool, expected: tuple[int, ...] | None
) -> None:
    found = as_image(np.random.default_rng(0).normal(size=shape), channels_first)
    assert (None if found is None else found.shape) == expected


def test_values_are_stretched_from_black_to_white() -> None:
    found = as_image(np.linspace(-1, 1, 16).reshape(1, 4, 4))
    assert found is not None
    assert (found.min(), found.max(), found.dtype) == (0, 255, np.uint8)
