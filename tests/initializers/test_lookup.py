"""Initializers by name and by config."""

from typing import Any

import keras
import pytest
import torch

from labkeras import initializers
from labkeras.errors import InvalidArgumentError, SerializationError, UnknownComponentError
from labkeras.initializers import Initializer
from labkeras.initializers.random_values import RandomInitializer
from labkeras.serialization import custom_object_scope

CLASSES = [name for name in initializers.__all__ if name[0].isupper() and name != "Initializer"]


class Halves(Initializer):
    def __call__(self, shape: Any, dtype: Any = None) -> torch.Tensor:
        return torch.full(shape, 0.5)


def constant_two(shape: Any, dtype: Any = None) -> torch.Tensor:
    return torch.full(shape, 2.0)


def test_every_name_of_keras_is_there() -> None:
    public = {name for name in dir(keras.initializers) if not name.startswith("_")}
    assert public == set(initializers.__all__)


@pytest.mark.parametrize(
    "name", [name for name in initializers.__all__ if name not in ("deserialize", "get", "serialize")]
)
def test_every_name_is_the_class_that_it_is_in_keras(name: str) -> None:
    assert getattr(initializers, name).__name__ == getattr(keras.initializers, name).__name__


@pytest.mark.parametrize("name", [*CLASSES, "normal", "uniform", "one", "zero", "glorot_uniform", "he_normal", "stft"])
def test_a_name_makes_a_new_instance_of_keras_s_class(name: str) -> None:
    initializer = initializers.get(name)
    if name != "Constant":  # Keras's needs its value in this place
        assert type(initializer).__name__ == type(keras.initializers.get(name)).__name__
    assert initializers.get(name) is not initializer


def test_none_is_none() -> None:
    assert initializers.get(None) is None


def test_a_class_is_instantiated_and_an_instance_returned() -> None:
    assert isinstance(initializers.get(Halves), Halves)
    initializer = Halves()
    assert initializers.get(initializer) is initializer


def test_a_function_is_returned_as_it_is() -> None:
    assert initializers.get(constant_two) is constant_two


def test_an_unknown_name_is_met_with_the_nearest_ones() -> None:
    with pytest.raises(
        UnknownComponentError, match=r"no initializer is named 'gorot_uniform'\. Did you mean 'glorot_uni"
    ):
        initializers.get("gorot_uniform")


@pytest.mark.parametrize("identifier", [3, 0.5, ["zeros"]], ids=repr)
def test_what_is_no_initializer_is_named(identifier: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"must be a name, a config, an Initializer.* Received: "):
        initializers.get(identifier)


@pytest.mark.parametrize(
    "config", [{"class_name": "Ones", "config": {}}, {"class_name": "ones", "config": {}}], ids=str
)
def test_a_config_of_old_that_names_no_module_is_read(config: dict[str, Any]) -> None:
    assert isinstance(initializers.get(config), initializers.Ones)


def test_deserialize_takes_a_name_too() -> None:
    assert isinstance(initializers.deserialize("he_normal"), initializers.HeNormal)


def test_a_class_of_the_user_s_is_found_in_custom_objects() -> None:
    config = initializers.serialize(Halves())
    assert isinstance(initializers.deserialize(config, {"Halves": Halves}), Halves)
    assert isinstance(initializers.deserialize("Halves", {"Halves": Halves}), Halves)
    with custom_object_scope({"Halves": Halves}):
        assert isinstance(initializers.get("Halves"), Halves)


def test_a_config_of_another_kind_is_refused() -> None:
    with pytest.raises(SerializationError, match="a regularizer, 'L2', where an initializer belongs"):
        initializers.get(keras.regularizers.serialize(keras.regularizers.L2()))


def test_a_bad_argument_in_a_config_is_named() -> None:
    config = {"module": "keras.initializers", "class_name": "HeNormal", "config": {"sede": 1}, "registered_name": None}
    with pytest.raises(SerializationError, match="sede"):
        initializers.get(config)


def test_only_the_random_ones_have_a_seed() -> None:
    for name in CLASSES:
        initializer = initializers.get(name)
        assert hasattr(initializer, "seed") == isinstance(initializer, RandomInitializer)
