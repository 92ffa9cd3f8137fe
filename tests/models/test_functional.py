"""How a model reads its inputs: order, names, ranks, types; compared with Keras's."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras import Input, Model, Sequential, layers
from labkeras.errors import InvalidInputError
from tests.helpers.keras_pairs import OURS

A, B = np.ones((2, 4), "float32"), np.full((2, 3), 2.0, "float32")


def _two() -> Model:
    a, b = Input((4,), name="a"), Input((3,), name="b")
    return Model([a, b], [a * 1, b * 10])


@pytest.mark.parametrize("data", [[A, B], (A, B), {"b": B, "a": A}, {"a": A, "b": B, "extra": A}], ids=type)
def test_inputs_by_position_and_by_name(data: Any) -> None:
    first, second = _two()(data)
    assert_close(first, torch.ones(2, 4))
    assert_close(second, torch.full((2, 3), 20.0))


def test_a_model_of_a_dict_takes_dicts_by_their_keys() -> None:
    a, b = Input((4,), name="left"), Input((3,), name="right")
    model = Model({"second": b, "first": a}, {"y": a + 1, "x": b})
    result = model({"first": A, "second": B})
    assert set(result) == {"x", "y"}
    assert_close(result["y"], torch.full((2, 4), 2.0))
    assert_close(model([A, B])["x"], torch.as_tensor(B))


SHAPES = {
    (4,): [(4,), (2, 4), (2, 4, 1), (2, 5), (2, 4, 4)],
    (1,): [(3,), (3, 1), (3, 1, 1)],
    (4, 1): [(2, 4), (2, 4, 1)],
    (None, 3): [(2, 5, 3), (2, 3), (2, 5, 4)],
    (): [(3,), (3, 1)],
}


@pytest.mark.parametrize(("wanted", "given"), [(wanted, given) for wanted in SHAPES for given in SHAPES[wanted]])
def test_ranks_are_adjusted_where_keras_adjusts_them(wanted: Any, given: tuple[int, ...]) -> None:
    results: list[Any] = []
    for package in (OURS, keras):
        x = package.Input(wanted)
        model = package.Model(x, x * 2)
        try:
            results.append(tuple(model(np.ones(given, "float32")).shape))
        except ValueError:
            results.append("refused")
    assert results[0] == results[1]


@pytest.mark.parametrize(("wanted", "given"), [("int32", "float32"), ("float32", "int64"), ("float64", "float32")])
def test_inputs_are_cast_to_what_the_model_takes(wanted: str, given: str) -> None:
    x = Input((2,), dtype=wanted)
    assert Model(x, x + 1)(np.ones((1, 2), given)).dtype == getattr(torch, wanted)


def test_lists_of_numbers_are_data() -> None:
    x = Input((2,))
    assert_close(Model(x, x * 2)([[1, 2], [3, 4]]), torch.tensor([[2.0, 4.0], [6.0, 8.0]]))


def test_under_autocast_the_types_are_torchs_business() -> None:
    model = Sequential([Input((4,)), layers.Dense(2)])
    with torch.autocast("cpu", torch.bfloat16):
        assert model(torch.ones(1, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16


FAULTS: list[tuple[Any, str]] = [
    ([A], r"has 2 input\(s\): \['a', 'b'\]\. Received: 1 tensor"),
    ({"a": A}, r"a dict with the keys \['a'\], without \['b'\]"),
    ([A, A], r"the input 'b' of model 'functional' takes the shape \(None, 3\).*Received: a tensor of shape=\(2, 4\)"),
    ([A, np.ones((2, 3, 3))], r"shape=\(2, 3, 3\)"),
]


@pytest.mark.parametrize(("data", "words"), FAULTS)
def test_inputs_that_do_not_fit_are_named(data: Any, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        _two()(data)
