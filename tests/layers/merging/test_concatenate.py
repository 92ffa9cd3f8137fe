"""Concatenate, against Keras."""

import keras
import pytest
import torch

from labkeras import layers
from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.graph.symbolic import KerasTensor
from labkeras.layers import Concatenate
from tests.helpers.check_layer import check_layer


@pytest.mark.parametrize(
    ("shapes", "axis"),
    [([(2, 3)], -1), ([(2, 3), (2, 4)], -1), ([(2, 3, 4), (2, 5, 4), (2, 1, 4)], 1), ([(2, 3, 4), (2, 3, 1)], 2)],
)
def test_concatenate_keeps_the_layer_contract(shapes: list[tuple[int, ...]], axis: int) -> None:
    check_layer(Concatenate, {"axis": axis}, input_shape=shapes, supports_masking=True)


def test_concatenate_has_a_function() -> None:
    assert layers.concatenate([torch.ones(2, 3), torch.ones(2, 5)]).shape == (2, 8)
    assert layers.concatenate([KerasTensor((None, 3)), KerasTensor((None, 3))], axis=1, name="join").shape == (None, 6)


def test_integers_stay_integers() -> None:
    assert Concatenate()([torch.ones(2, 3, dtype=torch.int64)] * 2).dtype is torch.int64
    assert Concatenate()([KerasTensor((None, 3), "int64")] * 2).dtype == "int64"


@pytest.mark.parametrize("axis", [1, -1, -2])
@pytest.mark.parametrize("given", [(True, True), (True, False), (False, True), (False, False)])
def test_masks_are_joined_as_in_keras(axis: int, given: tuple[bool, bool]) -> None:
    masks = [torch.tensor([[True, False, False]]), torch.tensor([[True, True, False]])]
    outputs = []
    for layer in (Concatenate(axis=axis), keras.layers.Concatenate(axis=axis)):
        inputs = [torch.ones(1, 3, 4), torch.ones(1, 3, 4)]
        for tensor, mask, is_given in zip(inputs, masks, given, strict=True):
            if is_given:
                tensor._keras_mask = mask
        outputs.append(getattr(layer(inputs), "_keras_mask", None))
    found, expected = outputs
    assert (None if found is None else found.tolist()) == (None if expected is None else expected.tolist())


def test_a_mask_of_each_element_counts_by_position() -> None:
    inputs = [torch.ones(1, 2, 3), torch.ones(1, 2, 3)]
    whole = torch.tensor([[[True, False, False], [False, False, False]]])
    mask = Concatenate(axis=1).compute_mask(inputs, [whole, None])
    assert mask.tolist() == [[True, False, True, True]]


def test_placeholders_carry_the_joined_mask() -> None:
    inputs = [KerasTensor((None, 3, 4)), KerasTensor((None, 5, 4))]
    inputs[0]._keras_mask = KerasTensor((None, 3), "bool")
    mask = Concatenate(axis=1)(inputs)._keras_mask
    assert (mask.shape, mask.dtype) == ((None, 8), "bool")


@pytest.mark.parametrize(
    ("shapes", "axis"), [([(2, 3, 4), (2, 5, 4)], -1), ([(2, 3), (2, 3, 4)], -1), ([(2, 3), (2, 3)], 2)]
)
def test_shapes_that_do_not_fit_name_layer_and_axis(shapes: list[tuple[int, ...]], axis: int) -> None:
    for inputs in ([torch.ones(shape) for shape in shapes], [KerasTensor(shape) for shape in shapes]):
        with pytest.raises(InvalidInputError, match=rf"'join' must have one shape.*axis={axis}\. Received: shapes \["):
            Concatenate(axis=axis, name="join")(inputs)


def test_a_built_layer_names_itself_and_the_shapes_too() -> None:
    layer = Concatenate(name="join")
    layer([torch.ones(2, 3), torch.ones(2, 3)])
    with pytest.raises(InvalidInputError, match=r"'join'.*shapes \[\(2, 3\), \(4, 3\)\]"):
        layer([torch.ones(2, 3), torch.ones(4, 3)])


def test_concatenate_takes_lists_only() -> None:
    with pytest.raises(InvalidInputError, match="'join' merges tensors"):
        Concatenate(name="join")(torch.ones(2, 3))


@pytest.mark.parametrize("axis", [1.5, "1", None])
def test_concatenate_names_a_bad_axis(axis: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`axis` must be an integer\. Received: axis="):
        Concatenate(axis=axis)  # type: ignore[arg-type]
