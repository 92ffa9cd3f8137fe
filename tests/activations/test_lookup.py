"""Activations by name and by config."""

import json
from collections.abc import Iterator

import keras
import pytest
import torch
import torch.nn.functional as F

from labkeras import activations, registry
from labkeras.activations.lookup import Activation
from labkeras.errors import InvalidArgumentError, SerializationError, UnknownComponentError
from labkeras.serialization import custom_object_scope, get_custom_objects, register_keras_serializable

NAMES = [name for name in activations.__all__ if name not in ("deserialize", "get", "serialize")]


def doubled(x: torch.Tensor) -> torch.Tensor:
    return 2 * x


@pytest.fixture
def registered() -> Iterator[Activation]:
    @register_keras_serializable("mine")
    def tripled(x: torch.Tensor) -> torch.Tensor:
        return 3 * x

    yield tripled
    del get_custom_objects()["mine>tripled"]


def test_every_name_of_keras_is_there() -> None:
    public = {name for name in dir(keras.activations) if not name.startswith("_")}
    assert public == set(activations.__all__)


def test_the_registry_lists_every_activation() -> None:
    assert set(NAMES) <= set(registry.activations.names())


@pytest.mark.parametrize("name", NAMES)
def test_a_name_finds_its_function(name: str) -> None:
    assert activations.get(name) is getattr(activations, name)


@pytest.mark.parametrize("name", NAMES)
def test_a_built_in_function_is_saved_as_keras_saves_it(name: str) -> None:
    config = activations.serialize(getattr(activations, name))
    assert config == keras.activations.serialize(getattr(keras.activations, name))
    assert keras.activations.get(config) is getattr(keras.activations, name)
    assert activations.deserialize(config) is getattr(activations, name)


def test_none_is_linear() -> None:
    assert activations.get(None) is activations.linear


def test_a_callable_is_returned_as_it_is() -> None:
    module = torch.nn.ReLU()
    for activation in (doubled, torch.tanh, module):
        assert activations.get(activation) is activation


def test_a_class_is_instantiated() -> None:
    assert isinstance(activations.get(torch.nn.ReLU), torch.nn.ReLU)


def test_an_unknown_name_is_met_with_the_nearest_ones() -> None:
    with pytest.raises(UnknownComponentError, match=r"no activation is named 'rleu'\. Did you mean 'relu'"):
        activations.get("rleu")


@pytest.mark.parametrize("identifier", [3, 2.5, ["relu"]], ids=repr)
def test_what_is_no_activation_is_named(identifier: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"must be a name, a config or a function .* Received: "):
        activations.get(identifier)


@pytest.mark.parametrize(
    ("function", "name"),
    [(torch.relu, "relu"), (F.relu, "relu"), (torch.tanh, "tanh"), (F.gelu, "gelu"), (F.hardswish, "hard_silu")],
    ids=["torch.relu", "F.relu", "torch.tanh", "F.gelu", "F.hardswish"],
)
def test_a_function_of_torch_is_saved_under_keras_s_name(function: object, name: str) -> None:
    assert activations.serialize(function) == name  # type: ignore[arg-type]


def test_a_registered_function_is_saved_as_keras_saves_it(registered: Activation) -> None:
    ours = activations.serialize(registered)

    @keras.saving.register_keras_serializable("mine", "tripled")
    def theirs(x: torch.Tensor) -> torch.Tensor:
        return 3 * x

    assert ours == keras.activations.serialize(theirs)
    assert activations.get(json.loads(json.dumps(ours))) is registered
    assert keras.activations.get(ours) is theirs


def test_a_function_of_a_scope_is_found() -> None:
    config = activations.serialize(doubled)
    assert activations.deserialize(config, {"doubled": doubled}) is doubled
    with custom_object_scope({"doubled": doubled}):
        assert activations.get(config) is doubled
        assert activations.get("doubled") is doubled


def test_keras_s_own_form_of_a_function_is_read() -> None:
    config = keras.saving.serialize_keras_object(keras.activations.relu)
    assert activations.get(config) is activations.relu


def test_a_lambda_cannot_be_saved() -> None:
    with pytest.raises(SerializationError, match="a lambda cannot be saved"):
        activations.serialize(lambda x: x)


def test_a_config_that_makes_no_activation_is_refused() -> None:
    with pytest.raises(SerializationError, match="initializer"):
        activations.get(keras.initializers.serialize(keras.initializers.Ones()))
    with pytest.raises(SerializationError, match="makes something else"):
        activations.get({"class_name": "__tuple__", "items": [1, 2]})
    with pytest.raises(SerializationError, match="nothing is registered under the name 'system'"):
        activations.get({"module": "os", "class_name": "function", "config": "system", "registered_name": "system"})
