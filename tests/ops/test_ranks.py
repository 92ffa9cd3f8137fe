from types import SimpleNamespace

import pytest
import torch
from keras.src.losses.loss import squeeze_or_expand_to_same_rank as keras_ranks
from keras.src.trainers.compile_utils import is_binary_or_sparse_categorical as keras_choice

from labkeras.errors import InvalidArgumentError
from labkeras.ops.ranks import align_weights, is_binary_or_sparse_categorical, squeeze_or_expand_to_same_rank

SHAPES = [(), (4,), (4, 1), (1,), (4, 3), (4, 1, 1), (4, 3, 1), (4, 3, 2), (4, 3, 1, 1)]


@pytest.mark.parametrize("expand_rank_1", [True, False])
@pytest.mark.parametrize("a", SHAPES)
@pytest.mark.parametrize("b", SHAPES)
def test_ranks_are_made_equal_as_in_keras(b: tuple[int, ...], a: tuple[int, ...], expand_rank_1: bool) -> None:
    ours = squeeze_or_expand_to_same_rank(torch.zeros(a), torch.zeros(b), expand_rank_1)
    theirs = keras_ranks(torch.zeros(a), torch.zeros(b), expand_rank_1)
    assert [tensor.shape for tensor in ours] == [tensor.shape for tensor in theirs]


@pytest.mark.parametrize("y_true", SHAPES[1:])
@pytest.mark.parametrize("y_pred", SHAPES[1:])
def test_the_kind_of_targets_is_told_as_in_keras(y_pred: tuple[int, ...], y_true: tuple[int, ...]) -> None:
    expected = keras_choice(SimpleNamespace(shape=y_true), SimpleNamespace(shape=y_pred))
    assert is_binary_or_sparse_categorical(y_true, y_pred) == expected


@pytest.mark.parametrize(
    ("values", "weights", "aligned"),
    [
        ((4, 3), (4,), (4, 1)),
        ((3, 3), (3,), (3, 1)),
        ((4, 3), (3,), (3,)),
        ((4, 3, 2), (4, 3), (4, 3, 1)),
        ((4, 3), (4, 1), (4, 1)),
        ((4,), (), ()),
        ((), (4,), (4,)),
    ],
)
def test_weights_weigh_the_first_axes(
    values: tuple[int, ...], weights: tuple[int, ...], aligned: tuple[int, ...]
) -> None:
    assert align_weights(torch.zeros(values), torch.zeros(weights))[1].shape == aligned


def test_weights_that_fit_nowhere_are_named() -> None:
    with pytest.raises(InvalidArgumentError, match=r"values of shape \(4, 3\), weights of shape \(2,\)"):
        align_weights(torch.zeros(4, 3), torch.zeros(2))
