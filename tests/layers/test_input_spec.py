"""InputSpec and check_inputs, against Keras."""

from typing import Any

import keras
import pytest
import torch

from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.graph.symbolic import KerasTensor
from labkeras.layers import Dense, InputSpec, Layer
from labkeras.layers.input_spec import check_inputs
from labkeras.models import Model

SPECS: list[dict[str, Any]] = [
    {},
    {"ndim": 3},
    {"min_ndim": 2},
    {"max_ndim": 2},
    {"min_ndim": 2, "max_ndim": 3},
    {"axes": {-1: 4}},
    {"axes": {1: 3, 2: None}},
    {"ndim": 3, "axes": {-2: 3}},
    {"shape": (None, 4)},
    {"shape": (2, 3, 4)},
    {"dtype": "float32"},
    {"dtype": "int64"},
]
SHAPES = [(2,), (2, 4), (2, 5), (2, 3, 4), (2, 4, 1), (7, 3, 4), (2, 3, 4, 4)]


@pytest.mark.parametrize("spec", SPECS, ids=repr)
@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_an_input_is_taken_where_keras_takes_it(spec: dict[str, Any], shape: tuple[int, ...]) -> None:
    layer = keras.layers.Identity()
    layer.input_spec = keras.layers.InputSpec(**spec)
    found = is_taken(lambda: check_inputs(InputSpec(**spec), torch.ones(shape), "layer"))
    try:
        expected = is_taken(lambda: layer(torch.ones(shape)))
    except IndexError:  # Keras breaks off where an axis is missing; ours checks the sizes of those that are there
        return
    assert found == expected


def is_taken(check: Any) -> bool:
    try:
        check()
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("wanted", "shape", "fits"),
    [
        ((None, 1), (5,), True),
        ((None, 1), (5, 1), True),
        ((None, 4), (5, 4, 1), True),
        ((None, 4), (5, 4), True),
        ((None, 4), (5, 3, 1), False),
        ((None, 4), (5, 4, 2), False),
        ((None, 4), (5,), False),
    ],
)
def test_a_last_axis_of_size_1_may_be_there_or_not(
    wanted: tuple[int | None, ...], shape: tuple[int, ...], fits: bool
) -> None:
    spec = InputSpec(shape=wanted, allow_last_axis_squeeze=True)
    assert is_taken(lambda: check_inputs(spec, torch.ones(shape), "layer")) == fits


@pytest.mark.parametrize(
    ("spec", "shape", "words"),
    [
        ({"ndim": 3}, (2, 4), "expected ndim=3, found ndim=2"),
        ({"min_ndim": 3}, (2, 4), "expected min_ndim=3, found ndim=2"),
        ({"max_ndim": 1}, (2, 4), "expected max_ndim=1, found ndim=2"),
        ({"axes": {-1: 5}}, (2, 4), "expected axis -1 of size 5, found size 4"),
        ({"shape": (2, 5)}, (2, 4), r"expected shape=\(2, 5\)"),
        ({"dtype": "int32"}, (2, 4), "expected dtype=int32, found dtype=float32"),
    ],
)
def test_the_message_says_what_was_expected_what_came_and_where(
    spec: dict[str, Any], shape: tuple[int, ...], words: str
) -> None:
    with pytest.raises(
        InvalidInputError, match=rf"input of layer 'fc1'.*{words}.*Received: a tensor of shape=\(2, 4\)"
    ):
        check_inputs(InputSpec(**spec), torch.ones(shape), "fc1")


def test_an_unknown_size_fits_any() -> None:
    check_inputs(InputSpec(shape=(None, 4), axes={-1: 4}), KerasTensor((None, None)), "layer")


def test_several_inputs_are_counted_and_numbered() -> None:
    specs = [InputSpec(ndim=2), InputSpec(ndim=3)]
    check_inputs(specs, [torch.ones(2, 2), torch.ones(2, 2, 2)], "pair")
    with pytest.raises(InvalidInputError, match=r"'pair' expects 2 input\(s\)\. Received: 1 input"):
        check_inputs(specs, [torch.ones(2, 2)], "pair")
    with pytest.raises(InvalidInputError, match=r"input 1 of layer 'pair'.*expected ndim=3, found ndim=2"):
        check_inputs(specs, [torch.ones(2, 2), torch.ones(2, 2)], "pair")


def test_dicts_of_inputs_are_matched_by_key() -> None:
    specs = {"a": InputSpec(ndim=2), "b": InputSpec(ndim=3)}
    check_inputs(specs, {"b": torch.ones(2, 2, 2), "a": torch.ones(2, 2)}, "named")
    with pytest.raises(InvalidInputError, match=r"lack \['b'\]"):
        check_inputs(specs, {"a": torch.ones(2, 2)}, "named")


def test_an_optional_input_may_be_none() -> None:
    check_inputs([InputSpec(ndim=2), InputSpec(ndim=2, optional=True)], [torch.ones(2, 2), None], "layer")


def test_something_else_than_a_tensor_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"expects a tensor as input 0\. Received: Dense"):
        check_inputs(InputSpec(ndim=2), Dense(3), "layer")


def test_an_axis_beyond_the_rank_is_an_error_at_once() -> None:
    with pytest.raises(InvalidArgumentError, match=r"`axes` names an axis that 2 axes do not have"):
        InputSpec(ndim=2, axes={2: 5})


def test_the_config_is_kerass_and_makes_an_equal_spec() -> None:
    kwargs = {"dtype": "float32", "ndim": 3, "min_ndim": 2, "axes": {-1: 4}}
    spec = InputSpec(**kwargs)
    assert spec.get_config() == keras.layers.InputSpec(**kwargs).get_config()
    assert repr(InputSpec.from_config(spec.get_config())) == repr(spec)


def test_the_repr_can_be_pasted_back() -> None:
    spec = InputSpec(shape=(None, 4), axes={-1: 4}, dtype="float32")
    assert repr(eval(repr(spec))) == repr(spec)


def test_a_layer_refuses_before_it_is_built() -> None:
    layer = Dense(3, name="head")
    with pytest.raises(InvalidInputError, match="'head'"):
        layer(torch.ones(4))
    assert not layer.built
    assert layer(torch.ones(2, 4)).shape == (2, 3)


def test_a_layer_of_ones_own_has_a_spec_by_setting_one() -> None:
    class Pair(Layer):
        def __init__(self) -> None:
            super().__init__(name="pair")
            self.input_spec = InputSpec(ndim=2)

        def call(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs * 2

    x = KerasTensor((None, 4))
    assert Model(x, Pair()(x))(torch.ones(1, 4)).tolist() == [[2.0] * 4]
    with pytest.raises(InvalidInputError, match="'pair'"):
        Pair()(KerasTensor((None, 4, 4)))
