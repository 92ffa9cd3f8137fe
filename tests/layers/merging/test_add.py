"""Add, against Keras."""

import pytest
import torch
from torch.testing import assert_close

from labkeras import layers
from labkeras.errors import InvalidInputError
from labkeras.graph.symbolic import KerasTensor
from labkeras.layers import Add
from tests.helpers.check_layer import check_layer


@pytest.mark.parametrize(
    "shapes", [[(2, 3)], [(2, 3, 4)] * 3, [(2, 3, 4), (2, 1, 4)], [(2, 3, 4), (2, 4)], [(2, 4), (2, 5, 3, 4)]]
)
def test_add_keeps_the_layer_contract(shapes: list[tuple[int, ...]]) -> None:
    check_layer(Add, input_shape=shapes, supports_masking=True)


def test_add_has_a_function() -> None:
    assert layers.add([torch.ones(2), torch.ones(2)], name="sum").tolist() == [2.0, 2.0]
    assert layers.add([KerasTensor((None, 3)), KerasTensor((None, 3))]).shape == (None, 3)


def test_fewer_axes_are_added_behind_the_batch_even_if_others_would_fit() -> None:
    one, other = torch.randn(3, 4), torch.randn(3, 3, 4)
    assert_close(Add()([one, other]), one[:, None] + other)


def test_integers_stay_integers() -> None:
    whole = torch.ones(2, 3, dtype=torch.int64)
    assert Add()([whole, whole]).dtype is torch.int64
    assert Add()([KerasTensor((None, 3), "int64")] * 2).dtype == "int64"
    assert Add()([KerasTensor((None, 3), "int64"), KerasTensor((None, 3))]).dtype == "float32"


def test_the_sum_is_masked_where_all_inputs_are() -> None:
    masks = [torch.tensor([[True, False, False]]), torch.tensor([[True, True, False]])]
    layer = Add()
    assert layer.compute_mask([None, None], masks).tolist() == [[True, True, False]]
    assert layer.compute_mask([None, None], [masks[0], None]) is None
    assert layer.compute_mask([None, None], None) is None


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(2, 3), (2, 4)], r"must have the same shape.*Received: shapes \[\(2, 3\), \(2, 4\)\]"),
        ([(2, 3), (4, 3)], r"must have one batch size.*Received: shapes \[\(2, 3\), \(4, 3\)\]"),
    ],
)
def test_shapes_that_do_not_fit_name_the_layer(shapes: list[tuple[int, ...]], message: str) -> None:
    for inputs in ([torch.ones(shape) for shape in shapes], [KerasTensor(shape) for shape in shapes]):
        with pytest.raises(InvalidInputError, match=rf"layer 'sum' {message}"):
            Add(name="sum")(inputs)


def test_a_built_layer_names_itself_and_the_shapes_too() -> None:
    layer = Add(name="sum")
    layer([torch.ones(2, 3), torch.ones(2, 3)])
    with pytest.raises(InvalidInputError, match=r"'sum'.*shapes \[\(2, 3\), \(2, 4\)\]"):
        layer([torch.ones(2, 3), torch.ones(2, 4)])


def test_add_takes_lists_only() -> None:
    for inputs in (torch.ones(2, 3), KerasTensor((2, 3))):
        with pytest.raises(InvalidInputError, match=r"'sum' merges tensors.*one tensor of shape"):
            Add(name="sum")(inputs)
    layer = Add(name="sum")
    layer([torch.ones(2)])
    with pytest.raises(InvalidInputError, match=r"'sum' merges tensors.*one tensor of shape \(2, 3\)"):
        layer(torch.ones(2, 3))
