"""Zeros, Ones, Constant, Identity, and values given as they are."""

import json
from typing import Any

import keras
import numpy as np
import pytest
import torch

from labkeras import initializers
from labkeras.config import set_floatx
from labkeras.errors import InvalidArgumentError
from tests.helpers.initializers import check_config


@pytest.mark.parametrize(("name", "args"), [("Zeros", ()), ("Ones", ()), ("Constant", (1.5,)), ("Constant", (3,))])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), [2, 3, 4]], ids=str)
@pytest.mark.parametrize("dtype", [None, "float16", "bfloat16", "int32", "bool"], ids=str)
def test_one_value_everywhere_is_keras_s(name: str, args: tuple[Any, ...], shape: Any, dtype: str | None) -> None:
    values = getattr(initializers, name)(*args)(shape, dtype=dtype)
    expected = getattr(keras.initializers, name)(*args)(shape, dtype=dtype)
    assert values.dtype == expected.dtype
    assert torch.equal(values, expected)


@pytest.mark.parametrize("name", ["Constant", "Identity", "Ones", "Zeros"])
def test_configs_are_keras_s(name: str) -> None:
    check_config(name)


def test_the_config_of_a_number_is_keras_s() -> None:
    check_config("Constant", 0.25)


def test_floatx_is_the_data_type_unless_given() -> None:
    set_floatx("float16")
    for name in ("Zeros", "Ones", "Constant", "Identity"):
        assert getattr(initializers, name)()((2, 2)).dtype == torch.float16


@pytest.mark.parametrize("value", [[1.0, 2.0], np.array([[1.0], [2.0]]), torch.tensor([1.0, 2.0])], ids=repr)
def test_constant_broadcasts_what_it_is_given(value: Any) -> None:
    assert torch.equal(initializers.Constant(value)((2, 2)), keras.initializers.Constant(value)((2, 2)))


@pytest.mark.parametrize("value", [[1.0, 2.0], np.array([1.0, 2.0])], ids=repr)
def test_a_constant_array_is_saved_as_keras_saves_it(value: Any) -> None:
    config = json.loads(json.dumps(initializers.serialize(initializers.Constant(value))))
    assert config == keras.initializers.serialize(keras.initializers.Constant(value))
    for read in (initializers.deserialize, keras.initializers.deserialize):
        assert read(config)((2,)).tolist() == [1.0, 2.0]


def test_constant_names_a_shape_that_its_value_does_not_fit() -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"must broadcast .* Received: shape=\(2, 2\), value of shape \(3,\)"
    ):
        initializers.Constant([1.0, 2.0, 3.0])((2, 2))


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2)], ids=str)
def test_identity_is_keras_s(shape: tuple[int, int]) -> None:
    assert torch.equal(initializers.Identity(2.0)(shape), keras.initializers.Identity(2.0)(shape))


def test_identity_keeps_its_gain() -> None:
    config = initializers.serialize(initializers.Identity(gain=2.0))
    assert initializers.deserialize(config)((1, 1)).item() == 2.0
    assert keras.initializers.deserialize(config)((1, 1)).item() == 2.0


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2), ()], ids=str)
def test_identity_is_for_matrices(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"two axes\. Received: shape=\("):
        initializers.Identity()(shape)


@pytest.mark.parametrize("values", [np.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(2, 3)], ids=type)
def test_given_values_are_taken_for_a_weight_of_their_shape(values: Any) -> None:
    initializer = initializers.get(values)
    assert initializer is not None
    assert torch.equal(initializer((2, 3), dtype="float32"), torch.arange(6.0).reshape(2, 3))
    with pytest.raises(InvalidArgumentError, match=r"weight of their shape, \(2, 3\)\. Received: shape=\(3,\)"):
        initializer((3,))


def test_given_values_stay_what_they_were() -> None:
    values = torch.ones(2)
    initializer = initializers.get(values)
    assert initializer is not None
    initializer((2,)).add_(1)
    assert values.tolist() == [1.0, 1.0]


def test_given_values_are_saved_as_a_constant_that_keras_reads() -> None:
    config = json.loads(json.dumps(initializers.serialize(initializers.get(np.array([1.0, 2.0])))))
    assert keras.initializers.deserialize(config)((2,)).tolist() == [1.0, 2.0]
    assert initializers.deserialize(config)((2,)).tolist() == [1.0, 2.0]
