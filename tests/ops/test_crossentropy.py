import keras
import pytest
import torch
from torch.testing import assert_close

from labkeras import ops
from labkeras.errors import InvalidArgumentError


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("shape", [(6, 4), (3, 5, 4), (4,)])
def test_an_entry_at_a_time_they_are_those_of_keras(shape: tuple[int, ...], from_logits: bool) -> None:
    output, target = torch.rand(shape), torch.rand(shape)
    labels = torch.randint(0, 4, shape[:-1])
    assert_close(
        ops.binary_crossentropy(target, output, from_logits), keras.ops.binary_crossentropy(target, output, from_logits)
    )
    for axis in {-1, len(shape) - 1}:
        assert_close(
            ops.categorical_crossentropy(target, output, from_logits, axis),
            keras.ops.categorical_crossentropy(target, output, from_logits, axis),
        )
        assert_close(
            ops.sparse_categorical_crossentropy(labels, output, from_logits, axis),
            keras.ops.sparse_categorical_crossentropy(labels, output, from_logits, axis),
        )


@pytest.mark.parametrize("axis", [0, 1, -2, -3])
def test_the_classes_may_be_at_any_axis(axis: int) -> None:
    output = torch.rand(4, 4, 5)
    target, labels = torch.rand(4, 4, 5), torch.randint(0, 4, (4, 5))
    for from_logits in (False, True):
        assert_close(
            ops.categorical_crossentropy(target, output, from_logits, axis),
            keras.ops.categorical_crossentropy(target, output, from_logits, axis),
        )
        assert_close(
            ops.sparse_categorical_crossentropy(labels, output, from_logits, axis),
            keras.ops.sparse_categorical_crossentropy(labels, output, from_logits, axis),
        )


@pytest.mark.parametrize("from_logits", [False, True])
def test_mean_is_the_mean_of_all_entries(from_logits: bool) -> None:
    output, target, labels = torch.rand(3, 5, 4), torch.rand(3, 5, 4), torch.randint(0, 4, (3, 5))
    for function, truth in [
        (ops.binary_crossentropy, target),
        (ops.categorical_crossentropy, target),
        (ops.sparse_categorical_crossentropy, labels),
    ]:
        mean = function(truth, output, from_logits, reduction="mean")
        assert_close(mean, function(truth, output, from_logits).mean())


def test_lists_are_taken() -> None:
    assert_close(ops.sparse_categorical_crossentropy([1], [[0.5, 0.5]]), torch.tensor([0.5]).log().neg())


def test_scalars_have_no_axis_of_classes() -> None:
    for function in (ops.categorical_crossentropy, ops.sparse_categorical_crossentropy):
        with pytest.raises(InvalidArgumentError, match=r"at least one axis.*output.shape=\(\)"):
            function(torch.tensor(0.0), torch.tensor(0.0))
