"""Constraints by name and by config."""

import keras
import pytest
import torch

from labkeras import constraints
from labkeras.constraints import Constraint, MaxNorm, NonNeg
from labkeras.errors import InvalidArgumentError, SerializationError, UnknownComponentError

NAMES = ["MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "max_norm", "min_max_norm", "non_neg", "unit_norm"]


class Anything(Constraint):
    pass


def clipped(w: torch.Tensor) -> torch.Tensor:
    return torch.clamp(w, -1, 1)


def test_every_name_of_keras_is_there() -> None:
    public = {name for name in dir(keras.constraints) if not name.startswith("_")}
    assert public == set(constraints.__all__)
    for name in public - {"deserialize", "get", "serialize"}:
        assert getattr(constraints, name).__name__ == getattr(keras.constraints, name).__name__


@pytest.mark.parametrize("name", NAMES)
def test_a_name_makes_keras_s_class_with_its_defaults(name: str) -> None:
    ours, theirs = constraints.get(name), keras.constraints.get(name)
    assert constraints.serialize(ours) == keras.constraints.serialize(theirs)
    assert constraints.get(name) is not ours


@pytest.mark.parametrize("name", ["maxnorm", "nonneg", "unitnorm"])
def test_names_of_old_are_read(name: str) -> None:
    assert type(constraints.get(name)).__name__.lower() == name


def test_none_is_none() -> None:
    assert constraints.get(None) is None


def test_a_class_is_instantiated_and_anything_callable_returned() -> None:
    assert isinstance(constraints.get(Anything), Anything)
    constraint = MaxNorm()
    assert constraints.get(constraint) is constraint
    assert constraints.get(clipped) is clipped


def test_an_unknown_name_is_met_with_the_nearest_ones() -> None:
    with pytest.raises(UnknownComponentError, match=r"no constraint is named 'max_nrm'\. Did you mean 'max_norm'"):
        constraints.get("max_nrm")


@pytest.mark.parametrize("identifier", [2, ["non_neg"]], ids=repr)
def test_what_is_no_constraint_is_named(identifier: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"must be a name, a config, a Constraint.* Received: "):
        constraints.get(identifier)


def test_a_config_of_old_that_names_no_module_is_read() -> None:
    constraint = constraints.get({"class_name": "MaxNorm", "config": {"max_value": 3, "axis": 1}})
    assert repr(constraint) == "MaxNorm(max_value=3, axis=1)"


def test_deserialize_takes_a_name_too() -> None:
    assert isinstance(constraints.deserialize("non_neg"), NonNeg)


def test_a_class_of_the_user_s_is_found_in_custom_objects() -> None:
    config = constraints.serialize(Anything())
    assert isinstance(constraints.deserialize(config, {"Anything": Anything}), Anything)


def test_a_config_of_another_kind_is_refused() -> None:
    with pytest.raises(SerializationError, match="a regularizer, 'L1', where a constraint belongs"):
        constraints.get(keras.regularizers.serialize(keras.regularizers.L1()))
