"""Regularizers by name and by config."""

from typing import Any

import keras
import pytest
import torch

from labkeras import regularizers
from labkeras.errors import InvalidArgumentError, SerializationError, UnknownComponentError
from labkeras.regularizers import L1L2, L2, OrthogonalRegularizer, Regularizer


class Nothing(Regularizer):
    def get_config(self) -> dict[str, Any]:
        return {}


def largest(x: torch.Tensor) -> torch.Tensor:
    return x.abs().max()


def test_every_name_of_keras_is_there() -> None:
    public = {name for name in dir(keras.regularizers) if not name.startswith("_")}
    assert public == set(regularizers.__all__)
    for name in public - {"deserialize", "get", "serialize"}:
        assert getattr(regularizers, name).__name__ == getattr(keras.regularizers, name).__name__


@pytest.mark.parametrize("name", ["l1", "l2", "l1l2", "L1", "L1L2", "OrthogonalRegularizer", "orthogonal_regularizer"])
def test_a_name_makes_keras_s_class_with_its_defaults(name: str) -> None:
    ours, theirs = regularizers.get(name), keras.regularizers.get(name)
    assert type(ours).__name__ == type(theirs).__name__
    x = torch.randn(3, 4)
    assert ours is not None
    assert ours(x).item() == pytest.approx(float(theirs(x)), rel=1e-5)
    assert regularizers.get(name) is not ours


def test_l1_l2_is_a_name_as_well() -> None:
    assert isinstance(regularizers.get("l1_l2"), L1L2)


def test_none_is_none() -> None:
    assert regularizers.get(None) is None


def test_a_class_is_instantiated_and_anything_callable_returned() -> None:
    assert isinstance(regularizers.get(Nothing), Nothing)
    regularizer = L2()
    assert regularizers.get(regularizer) is regularizer
    assert regularizers.get(largest) is largest


def test_an_unknown_name_is_met_with_the_nearest_ones() -> None:
    with pytest.raises(UnknownComponentError, match=r"no regularizer is named 'orthogonal'\. Did you mean 'orth"):
        regularizers.get("orthogonal")


@pytest.mark.parametrize("identifier", [0.01, ["l2"]], ids=repr)
def test_what_is_no_regularizer_is_named(identifier: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"must be a name, a config, a Regularizer.* Received: "):
        regularizers.get(identifier)


def test_a_config_of_old_that_names_no_module_is_read() -> None:
    regularizer = regularizers.get({"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.5}})
    assert repr(regularizer) == "L1L2(l1=0.0, l2=0.5)"


def test_deserialize_takes_a_name_too() -> None:
    assert isinstance(regularizers.deserialize("orthogonal_regularizer"), OrthogonalRegularizer)


def test_a_class_of_the_user_s_is_found_in_custom_objects() -> None:
    config = regularizers.serialize(Nothing())
    assert isinstance(regularizers.deserialize(config, {"Nothing": Nothing}), Nothing)


def test_a_config_of_another_kind_is_refused() -> None:
    with pytest.raises(SerializationError, match="a constraint, 'NonNeg', where a regularizer belongs"):
        regularizers.get(keras.constraints.serialize(keras.constraints.NonNeg()))
