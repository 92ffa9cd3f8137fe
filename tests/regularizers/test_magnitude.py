"""L1, L2 and L1L2."""

from typing import Any

import keras
import pytest
import torch
from torch.testing import assert_close

from labkeras import regularizers
from labkeras.errors import InvalidArgumentError
from labkeras.graph.symbolic import KerasTensor

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("L1", {}),
    ("L1", {"l1": 0.3}),
    ("L1", {"l1": None}),
    ("L2", {}),
    ("L2", {"l2": 2}),
    ("L2", {"l2": None}),
    ("L1L2", {}),
    ("L1L2", {"l1": 0.3}),
    ("L1L2", {"l2": 0.2}),
    ("L1L2", {"l1": 0.3, "l2": 0.2}),
    ("L1L2", {"l1": None, "l2": None}),
]
each_setting = pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)


def both(name: str, settings: dict[str, Any]) -> tuple[Any, Any]:
    return getattr(regularizers, name)(**settings), getattr(keras.regularizers, name)(**settings)


@each_setting
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_penalties_and_their_gradients_are_keras_s(name: str, settings: dict[str, Any], dtype: torch.dtype) -> None:
    penalties, gradients = [], []
    values = torch.randn(3, 4, 5).to(dtype)
    for regularizer in both(name, settings):
        x = values.clone().requires_grad_()
        penalty = regularizer(x)
        penalties.append(penalty.detach())
        if penalty.requires_grad:
            penalty.backward()
        gradients.append(x.grad if x.grad is not None else torch.zeros_like(x))
    tolerance = 1e-5 if dtype.itemsize > 2 else 2e-2
    assert_close(penalties[0], penalties[1], rtol=tolerance, atol=tolerance)
    assert_close(gradients[0], gradients[1], rtol=tolerance, atol=tolerance)


@each_setting
def test_arrays_and_placeholders_are_taken(name: str, settings: dict[str, Any]) -> None:
    ours, _ = both(name, settings)
    x = torch.randn(3, 4)
    assert_close(ours(x.numpy()), ours(x))
    penalty = ours(KerasTensor((None, 4)))
    assert (penalty.shape, penalty.dtype) == ((), "float32")


@each_setting
def test_configs_are_keras_s(name: str, settings: dict[str, Any]) -> None:
    ours, theirs = both(name, settings)
    config = regularizers.serialize(ours)
    expected = keras.regularizers.serialize(theirs)
    # Keras keeps some factors in 32 bits.
    assert config["config"] == pytest.approx(expected["config"], rel=1e-6)
    assert {**config, "config": None} == {**expected, "config": None}
    x = torch.randn(3, 4)
    assert_close(keras.regularizers.deserialize(config)(x), ours(x))
    assert_close(regularizers.deserialize(expected)(x), ours(x))


@pytest.mark.parametrize("value", [-1, -0.5, float("nan"), float("inf"), "0.1", [0.1]], ids=repr)
@pytest.mark.parametrize(("name", "argument"), [("L1", "l1"), ("L2", "l2"), ("L1L2", "l1"), ("L1L2", "l2")])
def test_a_bad_factor_is_named(name: str, argument: str, value: object) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        getattr(regularizers, name)(**{argument: value})
    message = f"`{argument}` must be a finite number that is not negative. Received: {argument}={value!r}"
    assert str(caught.value) == message


def test_the_repr_can_be_pasted_back() -> None:
    assert repr(regularizers.L1(0.5)) == "L1(l1=0.5)"
    assert repr(regularizers.L2(0.5)) == "L2(l2=0.5)"
    assert repr(regularizers.L1L2(0.5, 1)) == "L1L2(l1=0.5, l2=1.0)"
