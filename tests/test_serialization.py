"""Objects and configs: Keras's form, a closed set of names, one kind for each place."""

import json
from typing import Any

import keras
import numpy as np
import pytest
import torch

import labkeras
from labkeras import Input, activations, initializers, layers, losses, metrics, optimizers, regularizers
from labkeras.errors import InvalidArgumentError, SerializationError, UnknownComponentError
from labkeras.registry import layers as layer_registry
from labkeras.saving import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from labkeras.serialization import custom_objects, resolve, serialize_whole, sharing


@register_keras_serializable("tests_serialization")
class Doubler(layers.Layer):
    def call(self, inputs: Any) -> Any:
        return inputs * 2


@register_keras_serializable("tests_serialization", name="half")
def halve(x: Any) -> Any:
    return x / 2


def as_json(config: Any) -> Any:
    return json.loads(json.dumps(config))


# --- Keras's form -----------------------------------------------------------------------------------------------------

PAIRS = {
    "dense": (lambda k: k.layers.Dense(3, kernel_regularizer="l2", kernel_constraint="non_neg", name="d")),
    "batch_normalization": (lambda k: k.layers.BatchNormalization(momentum=0.9, name="n")),
    "layer_activation": (lambda k: k.layers.Dense(2, activation="softmax", dtype="mixed_bfloat16", name="d")),
    "initializer": (lambda k: k.initializers.HeNormal(seed=3)),
    "regularizer": (lambda k: k.regularizers.L1L2(0.1, 0.2)),
    "loss": (lambda k: k.losses.BinaryCrossentropy(from_logits=True)),
    "metric": (lambda k: k.metrics.AUC(name="auc")),
    "schedule": (lambda k: k.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)),
    "function": (lambda k: k.activations.relu),
    "loss_function": (lambda k: k.losses.mean_squared_error),
    "nested": (lambda k: {"a": [k.initializers.Zeros(), 1.5, None], "b": (1, "x", slice(1, None, 2)), "c": ...}),
    "bytes": (lambda k: b"abc"),
    "array": (lambda k: np.array([[1, 2], [3, 4]], dtype="int16")),
    "numpy_number": (lambda k: np.float32(0.5)),
    "tensor": (lambda k: torch.tensor([1.0, 2.0])),
}


@pytest.mark.parametrize("name", PAIRS)
def test_configs_are_those_of_keras(name: str) -> None:

    build = PAIRS[name]
    assert as_json(serialize_keras_object(build(labkeras))) == as_json(
        keras.saving.serialize_keras_object(build(keras))
    )


@pytest.mark.parametrize("name", PAIRS)
def test_configs_make_equal_objects_again(name: str) -> None:

    config = as_json(serialize_keras_object(PAIRS[name](labkeras)))
    again = as_json(serialize_keras_object(deserialize_keras_object(config)))
    assert again == config


@pytest.mark.parametrize("name", [name for name in PAIRS if name != "tensor"])
def test_keras_reads_them(name: str) -> None:

    config = as_json(serialize_keras_object(PAIRS[name](labkeras)))
    theirs = keras.saving.deserialize_keras_object(config)
    assert as_json(keras.saving.serialize_keras_object(theirs)) == config


def test_values_come_back_as_what_they_were() -> None:
    for value in (b"abc", slice(1, 5, None), ..., None, 3, 2.5, "x", True):
        assert deserialize_keras_object(as_json(serialize_keras_object(value))) == value
    array = deserialize_keras_object(serialize_keras_object(np.arange(3, dtype="uint8")))
    assert (array.tolist(), array.dtype) == ([0, 1, 2], np.uint8)
    for dtype in (torch.bfloat16, torch.int32, torch.bool):
        tensor = deserialize_keras_object(as_json(serialize_keras_object(torch.tensor([1, 0], dtype=dtype))))
        assert (tensor.tolist(), tensor.dtype) == ([1, 0], dtype)
    assert deserialize_keras_object({"class_name": "__tuple__", "items": [1, 2]}) == (1, 2)


def test_custom_classes_and_functions_are_named_as_keras_names_them() -> None:
    config = serialize_keras_object(Doubler(name="d"))
    assert (config["class_name"], config["registered_name"]) == ("Doubler", "tests_serialization>Doubler")
    expected = {"module": "builtins", "class_name": "function", "registered_name": "function"}
    assert serialize_keras_object(halve) == {**expected, "config": "tests_serialization>half"}
    assert deserialize_keras_object(serialize_keras_object(halve)) is halve
    assert isinstance(deserialize_keras_object(config), Doubler)


def test_a_class_of_a_script_has_no_module() -> None:
    script = type("Script", (layers.Layer,), {"__module__": "__main__"})
    assert serialize_keras_object(script(name="s"))["module"] is None
    with custom_object_scope({"Script": script}):
        assert isinstance(deserialize_keras_object(serialize_keras_object(script())), script)


@pytest.mark.parametrize(
    "value", [lambda x: x, object(), {1, 2}, layers.Dense], ids=["lambda", "object", "set", "class"]
)
def test_what_cannot_be_found_again_is_refused(value: Any) -> None:
    with pytest.raises(SerializationError, match="Received: "):
        serialize_keras_object(value)


def test_a_get_config_that_returns_no_dict_is_named() -> None:
    class Wrong:
        def get_config(self) -> Any:
            return 3

    with pytest.raises(SerializationError, match=r"must return a dict\. Received: 3 from Wrong"):
        serialize_keras_object(Wrong())


# --- names ------------------------------------------------------------------------------------------------------------


def test_registered_names() -> None:
    assert get_registered_name(Doubler) == "tests_serialization>Doubler"
    assert get_registered_name(layers.Dense) == "Dense"
    assert get_registered_object("tests_serialization>half") is halve
    assert get_registered_object("tests_serialization>nothing") is None
    assert get_custom_objects()["tests_serialization>Doubler"] is Doubler


def test_a_class_needs_a_config_to_be_registered() -> None:
    with pytest.raises(InvalidArgumentError, match="must have `get_config`"):
        register_keras_serializable()(type("Bare", (), {}))


def test_scopes_are_searched_from_the_inside() -> None:
    with custom_object_scope({"thing": halve}), CustomObjectScope({"thing": Doubler}):
        assert get_registered_object("thing") is Doubler
        assert custom_objects() == {"thing": Doubler}
    assert get_registered_object("thing") is None
    with CustomObjectScope(None):
        assert custom_objects() == {}


def test_plugins_are_found_by_distribution_and_class() -> None:
    entry = layer_registry.add("doubler_of_a_plugin", Doubler, provider="some-plugin")
    try:
        assert get_registered_object("some-plugin>Doubler") is Doubler
        config = {"module": "anything", "class_name": "Doubler", "registered_name": "some-plugin>Doubler", "config": {}}
        assert isinstance(deserialize_keras_object(config, kind="layers"), Doubler)
        with pytest.raises(SerializationError, match="a layer, 'Doubler', where a loss belongs"):
            deserialize_keras_object(config, kind="losses")
    finally:
        layer_registry.discard(entry)


def test_the_nearest_names_are_suggested() -> None:
    with pytest.raises(SerializationError, match="Did you mean 'dense'"):
        deserialize_keras_object({"module": "keras.layers", "class_name": "Dens", "config": {}})
    with (
        custom_object_scope({"Gated": Doubler}),
        pytest.raises(SerializationError, match="Did you mean 'Gated'"),
    ):
        deserialize_keras_object({"module": None, "class_name": "Gatd", "config": {}}, kind="layers")


def test_names_must_agree() -> None:
    for entry in (
        {"module": "keras.layers", "class_name": "Dropout"},
        {"module": None, "class_name": "Dropout"},
        {"module": "other", "class_name": "Quiet"},
    ):
        with pytest.raises(SerializationError, match="agree"):
            deserialize_keras_object({**entry, "registered_name": "tests_serialization>Doubler", "config": {}})


def test_a_class_keeps_being_found_when_it_has_moved() -> None:
    config = {"module": "old.home", "class_name": "Doubler", "registered_name": "tests_serialization>Doubler"}
    assert isinstance(deserialize_keras_object({**config, "config": {}}), Doubler)


def test_what_is_passed_under_a_name_is_taken_for_it() -> None:
    renamed = {"module": "home", "class_name": "Twice", "registered_name": "Twice", "config": {}}
    assert isinstance(deserialize_keras_object(renamed, {"Twice": Doubler}), Doubler)


def test_names_of_the_core_mean_the_core() -> None:
    config = {"module": "keras.layers", "class_name": "Dropout", "config": {"rate": 0.5}, "registered_name": None}
    assert type(deserialize_keras_object(config, {"Dropout": Doubler})) is layers.Dropout


# --- kinds ------------------------------------------------------------------------------------------------------------

LAYER = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}}
OPTIMIZER = {"module": "keras.optimizers", "class_name": "SGD", "config": {}}


@pytest.mark.parametrize(
    ("read", "config"),
    [
        (initializers.get, LAYER),
        (regularizers.get, OPTIMIZER),
        (losses.get, LAYER),
        (metrics.get, OPTIMIZER),
        (optimizers.get, LAYER),
        (activations.get, OPTIMIZER),
    ],
)
def test_each_place_takes_its_own_kind(read: Any, config: Any) -> None:
    with pytest.raises(SerializationError, match="belongs"):
        read(config)


@pytest.mark.parametrize("argument", ["kernel_initializer", "bias_regularizer", "kernel_constraint", "activation"])
def test_each_argument_of_a_layer_takes_its_own_kind(argument: str) -> None:
    with pytest.raises(SerializationError, match="belongs"):
        deserialize_keras_object({**LAYER, "config": {"units": 1, argument: OPTIMIZER}})


def test_a_layer_can_be_an_activation() -> None:
    dense = layers.Dense(2, activation=layers.Activation("relu", name="act"), name="d")
    again = deserialize_keras_object(as_json(serialize_keras_object(dense)))
    assert isinstance(again.activation, layers.Activation)


def test_a_function_is_no_layer() -> None:
    config = serialize_keras_object(halve)
    with pytest.raises(SerializationError, match="makes a function, where a layer belongs"):
        deserialize_keras_object(config, kind="layers")
    assert activations.get(config) is halve


def test_a_class_of_another_kind_is_refused_before_it_is_made() -> None:
    made = []

    class Loud(layers.Layer):
        def __init__(self, **options: Any) -> None:
            made.append(options)
            super().__init__(**options)

    config = {"module": "m", "class_name": "Loud", "registered_name": "Loud", "config": {}}
    with pytest.raises(SerializationError, match="makes a Loud, where a loss belongs"):
        deserialize_keras_object(config, {"Loud": Loud}, kind="losses")
    assert made == []


def test_resolve_takes_names_and_configs_of_one_kind() -> None:
    assert resolve("mse", "losses") is losses.mean_squared_error or resolve("mse", "losses") is losses.MeanSquaredError
    assert resolve("tests_serialization>half", "activations") is halve
    with pytest.raises(SerializationError, match="where a loss belongs"):
        resolve("tests_serialization>Doubler", "losses")
    with pytest.raises(UnknownComponentError):
        resolve("nothing", "losses")
    with pytest.raises(SerializationError, match="cannot be made from this"):
        resolve(3, "losses")


def test_callbacks_are_no_parts_of_models() -> None:
    with pytest.raises(SerializationError, match="a callback, 'EarlyStopping', where a part of a model belongs"):
        deserialize_keras_object({"module": "keras.callbacks", "class_name": "EarlyStopping", "config": {}})


# --- safety -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("safe_mode", [True, None])
def test_bytecode_is_refused_with_the_reason(safe_mode: Any) -> None:
    config = {"class_name": "__lambda__", "config": {"value": ["4wA=", None, None]}}
    with pytest.raises(SerializationError, match="bytecode of a lambda, and labkeras never runs code"):
        deserialize_keras_object(config, safe_mode=safe_mode)
    with pytest.raises(SerializationError, match="never runs code from a file"):
        deserialize_keras_object({"module": "keras.layers", "class_name": "Lambda", "config": {"function": config}})


def test_there_is_no_unsafe_mode() -> None:
    with pytest.raises(SerializationError, match="no unsafe mode"):
        deserialize_keras_object(LAYER, safe_mode=False)


@pytest.mark.parametrize(
    "config",
    [
        {"class_name": 3},
        {"class_name": "Dense", "module": 3},
        {"class_name": "Dense", "module": "keras.layers", "registered_name": 3},
        {**LAYER, "config": 3},
        {**LAYER, "config": {"units": 1, "kernel_initializer": {"class_name": "__numpy__", "config": 3}}},
        {"class_name": "__numpy__", "config": {"value": [1], "dtype": "O"}},
        {"class_name": "__numpy__", "config": {"value": [[1], [2, 3]], "dtype": "int32"}},
        {"class_name": "__slice__", "config": {}},
        {"class_name": "__bytes__", "config": {"value": 3}},
        {"class_name": "__tensor__", "config": {"value": ["a"], "dtype": "float32"}},
        {"class_name": "__unheard_of__", "config": {}},
        {"class_name": "function", "config": 3},
        {"class_name": "function", "config": "deserialize", "module": "keras.layers"},
        {**LAYER, "shared_object_id": "a"},
        {**LAYER, "build_config": {"input_shape": LAYER}},
    ],
    ids=str,
)
def test_malformed_configs_are_one_kind_of_error(config: Any) -> None:
    with pytest.raises(SerializationError):
        deserialize_keras_object(config)


def test_a_config_that_contains_itself_is_refused() -> None:
    config: dict[str, Any] = {"a": []}
    config["a"].append(config)
    with pytest.raises(SerializationError, match="nested too deeply"):
        deserialize_keras_object(config)


def test_long_configs_are_cut_in_messages() -> None:
    with pytest.raises(SerializationError) as caught:
        deserialize_keras_object({**LAYER, "config": {"units": 1, "nonsense": "x" * 10_000}})
    assert len(str(caught.value)) < 11_000


# --- shared objects ---------------------------------------------------------------------------------------------------


def test_only_what_stands_twice_is_numbered() -> None:
    shared, single = layers.Dense(2, name="shared"), layers.Dense(2, name="single")
    config = serialize_whole({"a": [shared, single], "b": shared})
    assert config["a"][0]["shared_object_id"] == config["b"]["shared_object_id"]
    assert "shared_object_id" not in config["a"][1]
    assert "shared_object_id" not in serialize_keras_object([shared, shared])[0]


def test_what_is_numbered_is_one_object_within_a_scope() -> None:
    shared = layers.Dense(2, name="shared")
    config = as_json(serialize_whole([shared, shared]))
    one, other = deserialize_keras_object(config)
    assert one is other
    with sharing():
        first, second = (deserialize_keras_object(entry) for entry in config)
        assert first is second
    assert deserialize_keras_object(config[0]) is not deserialize_keras_object(config[1])


def test_a_shared_object_must_be_of_the_kind_of_its_place() -> None:
    zeros = {"module": "keras.initializers", "class_name": "Zeros", "config": {}, "shared_object_id": 1}
    with pytest.raises(SerializationError, match="share the id 1"):
        deserialize_keras_object([zeros, {**LAYER, "shared_object_id": 1}])
    with sharing():
        deserialize_keras_object(zeros)
        with pytest.raises(SerializationError, match="makes a Zeros, where a layer belongs"):
            deserialize_keras_object(zeros, kind="layers")


def test_inputs_are_read_without_models_having_been_imported() -> None:
    config = serialize_keras_object(Input((3,), name="x").node.operation)
    assert deserialize_keras_object(config).batch_shape == (None, 3)
