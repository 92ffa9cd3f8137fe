"""Configs of models: Keras's own, key by key, both ways."""

import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import labkeras
from labkeras import Input, Model, Sequential, layers
from labkeras.errors import SerializationError
from labkeras.models import clone_model, model_from_json
from labkeras.saving import (
    custom_object_scope,
    deserialize_keras_object,
    register_keras_serializable,
    serialize_keras_object,
)
from tests.helpers.saved_models import BUILDERS, KERAS, OURS, arrays, data_for, difference, faults

each_model = pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)


@pytest.fixture(autouse=True)
def _names_of_keras_from_the_start() -> None:
    keras.utils.clear_session()


def as_json(config: Any) -> Any:
    return json.loads(json.dumps(config))


def reloaded(model: Any) -> Any:
    """The model made again from its config, through JSON, with the same weights."""
    other = type(model).from_config(as_json(model.get_config()))
    other.set_weights(model.get_weights())
    return other


def functional(function: Callable[..., Any], *shapes: tuple[int, ...], dtype: str = "float32") -> Model:
    inputs = [Input(shape, dtype=dtype, name=f"in_{index}") for index, shape in enumerate(shapes)]
    return Model(inputs, function(*inputs), name="m")


# --- the whole config -------------------------------------------------------------------------------------------------


@each_model
def test_the_config_is_that_of_keras_key_by_key(build: Callable[[Any], Any]) -> None:
    theirs = as_json(keras.saving.serialize_keras_object(build(KERAS)))
    ours = as_json(serialize_keras_object(build(OURS)))
    assert faults(theirs, ours) == []


@each_model
def test_a_model_made_from_its_config_computes_the_same(build: Callable[[Any], Any]) -> None:
    model = build(OURS)
    data = data_for(model)
    assert difference(reloaded(model)(data), model(data)) == 0


@each_model
def test_keras_makes_the_same_model_from_our_config(build: Callable[[Any], Any]) -> None:
    model = build(OURS)
    twin = getattr(keras, type(model).__name__).from_config(as_json(model.get_config()))
    twin.set_weights(model.get_weights())
    data = data_for(model)
    assert difference(twin(data), model(data)) < 1e-5


@each_model
def test_we_make_the_same_model_from_the_config_of_keras(build: Callable[[Any], Any]) -> None:
    theirs, ours = build(KERAS), build(OURS)
    twin = type(ours).from_config(theirs.get_config())
    twin.set_weights(theirs.get_weights())
    data = data_for(ours)
    assert difference(theirs(data), twin(data)) < 1e-5
    assert faults(as_json(theirs.get_config()), as_json(twin.get_config())) == []


@each_model
def test_layers_and_weights_are_in_the_order_of_keras(build: Callable[[Any], Any]) -> None:
    theirs, ours = build(KERAS), build(OURS)
    assert [layer.name for layer in theirs.layers] == [layer.name for layer in ours.layers]
    assert [weight.shape for weight in theirs.get_weights()] == [weight.shape for weight in ours.get_weights()]


def test_masks_are_calls_of_their_own_as_in_keras() -> None:
    def build(k: Any) -> Any:
        x = k.Input((5,), name="x")
        y = k.layers.BatchNormalization(name="norm")(k.layers.Embedding(10, 4, mask_zero=True, name="embed")(x))
        return k.Model(x, k.layers.Dense(2, name="out")(y), name="masked")

    theirs, ours = build(KERAS), build(OURS)
    assert faults(as_json(theirs.get_config()), as_json(ours.get_config())) == []
    tokens = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 0]], dtype="float32")
    for model in (Model.from_config(theirs.get_config()), reloaded(ours)):
        model.set_weights(theirs.get_weights())
        before = model(tokens, training=True)
        assert difference(theirs(tokens, training=True), before) < 1e-5
    assert keras.Model.from_config(ours.get_config()).layers[2].name == "norm"


def test_a_layer_called_with_training_keeps_the_flag() -> None:
    x = Input((4,), name="x")
    model = Model(x, layers.Dropout(0.5, name="drop")(x, training=True))
    (call,) = model.get_config()["layers"][1]["inbound_nodes"]
    assert call["kwargs"]["training"] is True
    assert (reloaded(model)(np.ones((8, 4), "float32")) == 0).any()


def test_a_model_between_inner_placeholders_begins_with_an_input_of_its_own() -> None:
    x = Input((4,), name="x")
    hidden = layers.Dense(3, name="hidden")(x)
    model = Model(hidden, layers.Dense(2, name="out")(hidden), name="tail")
    names = [entry["class_name"] for entry in model.get_config()["layers"]]
    assert names == ["InputLayer", "Dense"]
    data = np.ones((2, 3), "float32")
    assert difference(reloaded(model)(data), model(data)) == 0


def test_calls_that_belong_to_other_models_are_not_in_the_config() -> None:
    dense = layers.Dense(4, name="dense")
    x = Input((4,), name="x")
    dense(dense(x))  # calls 0 and 1, of no model
    y = Input((4,), name="y")
    model = Model(y, dense(dense(y)), name="m")
    entry = model.get_config()["layers"][1]
    histories = [call["args"][0]["config"]["keras_history"] for call in entry["inbound_nodes"]]
    assert histories == [["y", 0, 0], ["dense", 0, 0]]
    assert model.get_config()["output_layers"] == ["dense", 1, 0]
    data = np.ones((2, 4), "float32")
    assert difference(reloaded(model)(data), model(data)) == 0


def test_a_layer_shared_with_a_nested_model_stays_one_layer() -> None:
    # Keras 3.15 loses the link, and cannot load its own file.
    p, x = Input((3,), name="p"), Input((3,), name="x")
    dense = layers.Dense(3, name="dense")
    model = Model(x, dense(Model(p, dense(p), name="inner")(x)), name="outer")
    twin = model_from_json(model.to_json())
    assert twin.get_layer("dense") is twin.get_layer("inner").get_layer("dense")
    assert len(twin.weights) == 2


def test_a_frozen_layer_and_a_policy_of_its_own_are_kept() -> None:
    x = Input((4,), name="x")
    frozen = layers.Dense(3, dtype="mixed_bfloat16", name="frozen")
    frozen.trainable = False
    twin = reloaded(Model(x, layers.Dense(2, name="free")(frozen(x))))
    assert [layer.trainable for layer in twin.layers[1:]] == [False, True]
    assert twin.get_layer("frozen").dtype_policy.name == "mixed_bfloat16"
    assert len(twin.trainable_weights) == 2


def test_a_frozen_model_is_frozen_again() -> None:
    x = Input((4,), name="x")
    model = Model(x, layers.Dense(2)(x))
    model.trainable = False
    assert reloaded(model).trainable_weights == []
    sequential = Sequential([Input((4,)), layers.Dense(2)])
    sequential.trainable = False
    assert reloaded(sequential).trainable_weights == []


def test_a_sequential_model_without_a_shape_is_made_again_unbuilt() -> None:
    model = Sequential([layers.Dense(2, name="d")], name="s")
    config = as_json(serialize_keras_object(model))
    assert (
        faults(
            as_json(keras.saving.serialize_keras_object(KERAS.Sequential([KERAS.layers.Dense(2, name="d")], name="s"))),
            config,
        )
        == []
    )
    twin = deserialize_keras_object(config)
    assert not twin.built
    assert twin(np.ones((3, 4), "float32")).shape == (3, 2)


def test_to_json_and_back() -> None:
    model = OURS.Model(*[Input((2,), name="x")] * 2, name="same")
    assert model_from_json(model.to_json(indent=1)).name == "same"
    with pytest.raises(SerializationError, match="JSON"):
        model_from_json("{")


# --- subclassed models and custom layers ------------------------------------------------------------------------------


@register_keras_serializable("tests_config")
class Scale(layers.Layer):
    def __init__(self, start: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.start = start

    def build(self, input_shape: Any) -> None:
        self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="factor")

    def call(self, inputs: Any) -> Any:
        return inputs * self.factor * self.start


@register_keras_serializable("tests_config")
class Tower(Model):
    def __init__(self, units: int = 3, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.first, self.scale = layers.Dense(units), Scale(2.0)

    def call(self, inputs: Any) -> Any:
        return self.scale(self.first(inputs))


def test_a_registered_layer_is_found_again_in_a_graph() -> None:
    x = Input((4,), name="x")
    model = Model(x, Scale(3.0, name="scale")(x))
    entry = model.get_config()["layers"][1]
    assert (entry["class_name"], entry["registered_name"]) == ("Scale", "tests_config>Scale")
    assert entry["config"]["start"] == 3.0
    data = np.ones((2, 4), "float32")
    assert difference(reloaded(model)(data), model(data)) == 0


def test_a_subclassed_model_is_made_from_its_arguments() -> None:
    model = Tower(4, name="tower")
    model(np.ones((2, 3), "float32"))
    config = as_json(serialize_keras_object(model))
    assert config["registered_name"] == "tests_config>Tower"
    assert config["config"]["units"] == 4
    assert config["build_config"] == {"input_shape": [2, 3]}
    twin = deserialize_keras_object(config)
    assert twin.name == "tower"
    assert [weight.shape for weight in twin.get_weights()] == [weight.shape for weight in model.get_weights()]


def test_a_subclass_of_model_that_keeps_its_arguments_is_a_graph() -> None:
    class Named(Model):
        pass

    x = Input((2,), name="x")
    model = Named(x, layers.Dense(1)(x), name="named")
    config = as_json(serialize_keras_object(model))
    assert (config["class_name"], config["registered_name"]) == ("Named", "Named")
    with custom_object_scope({"Named": Named}):
        assert type(deserialize_keras_object(config)) is Named


def test_an_unregistered_layer_is_named_in_the_error() -> None:
    class Mine(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs

    x = Input((2,), name="x")
    config = Model(x, Mine()(x)).get_config()
    with pytest.raises(SerializationError, match="nothing is registered under the name 'Mine'"):
        Model.from_config(config)
    assert type(Model.from_config(config, {"Mine": Mine}).layers[1]) is Mine


# --- torch's functions, as Keras's operations -------------------------------------------------------------------------

OPERATIONS: dict[str, tuple[Callable[..., Any], list[str]]] = {
    "add_alpha": (lambda x, y: torch.add(x, y), ["Add"]),
    "subtract": (lambda x, y: x.sub(y), ["Subtract"]),
    "multiply": (lambda x, y: torch.mul(x, y), ["Multiply"]),
    "divide": (lambda x, y: torch.div(x, y), ["TrueDivide"]),
    "floor_divide": (lambda x, y: x // 0.3, ["FloorDivide"]),
    "mod": (lambda x, y: torch.remainder(x, 0.3), ["Mod"]),
    "power": (lambda x, y: x**2, ["Power"]),
    "negative": (lambda x, y: -x, ["Negative"]),
    "absolute": (lambda x, y: (x - y).abs(), ["Absolute", "Subtract"]),
    "matmul": (lambda x, y: x @ y.permute(0, 2, 1), ["Matmul", "Transpose"]),
    "bmm": (lambda x, y: torch.bmm(x, y.transpose(1, 2)), ["Matmul", "Swapaxes"]),
    "get_item": (lambda x, y: x[:, 0, ::2], ["GetItem"]),
    "get_item_none": (lambda x, y: x[:, None, ..., -1], ["GetItem"]),
    "get_item_list": (lambda x, y: x[[1, 0]], ["GetItem"]),
    "compare": (lambda x, y: [x > y, x >= y, x < 0.5, x <= y, x == y, x != y], None),
    "logic": (lambda x, y: [(x > 0.5) & (y > 0.5), (x > 0.5) | (y > 0.5), (x > 0.5) ^ (y > 0.5), ~(x > 0.5)], None),
    "relu": (lambda x, y: F.relu(x - y), ["Relu", "Subtract"]),
    "sigmoid": (lambda x, y: torch.sigmoid(x), ["Sigmoid"]),
    "tanh": (lambda x, y: x.tanh(), ["Tanh"]),
    "softmax": (lambda x, y: torch.softmax(x, -1), ["Softmax"]),
    "softmax_f": (lambda x, y: F.softmax(x, dim=1), ["Softmax"]),
    "log_softmax": (lambda x, y: x.log_softmax(dim=-1), ["LogSoftmax"]),
    "gelu": (lambda x, y: F.gelu(x), ["Gelu"]),
    "gelu_tanh": (lambda x, y: F.gelu(x, approximate="tanh"), ["Gelu"]),
    "silu": (lambda x, y: F.silu(x), ["Silu"]),
    "elu": (lambda x, y: F.elu(-x, alpha=0.5), ["Elu", "Negative"]),
    "selu": (lambda x, y: F.selu(x), ["Selu"]),
    "leaky_relu": (lambda x, y: F.leaky_relu(x - y), ["LeakyRelu", "Subtract"]),
    "softplus": (lambda x, y: F.softplus(x), ["Softplus"]),
    "hard": (lambda x, y: [F.hardsigmoid(x), F.hardswish(x), F.hardtanh(x), F.relu6(x)], None),
    "exp": (lambda x, y: torch.exp(x), ["Exp"]),
    "log": (lambda x, y: (x + 1).log(), ["Add", "Log"]),
    "sqrt": (lambda x, y: torch.sqrt(x), ["Sqrt"]),
    "rsqrt": (lambda x, y: torch.rsqrt(x + 1), ["Add", "Rsqrt"]),
    "square": (lambda x, y: x.square(), ["Square"]),
    "trigonometry": (lambda x, y: [torch.sin(x), x.cos(), torch.atan2(x, y), torch.asin(x), x.sinh()], None),
    "round": (lambda x, y: [torch.round(x * 10), torch.floor(x * 3), x.ceil(), torch.sign(x - y)], None),
    "mean": (lambda x, y: x.mean(1), ["Mean"]),
    "mean_keepdim": (lambda x, y: torch.mean(x, dim=(1, 2), keepdim=True), ["Mean"]),
    "mean_keras_words": (lambda x, y: torch.mean(x, axis=-1, keepdims=True), ["Mean"]),
    "sum": (lambda x, y: torch.sum(x, 1), ["Sum"]),
    "max": (lambda x, y: torch.amax(x, dim=-1), ["Max"]),
    "min": (lambda x, y: x.amin((1, 2)), ["Min"]),
    "prod": (lambda x, y: torch.prod(x, 1), ["Prod"]),
    "var": (lambda x, y: torch.var(x, dim=1, correction=0), ["Var"]),
    "std": (lambda x, y: x.std(-1, unbiased=False), ["Std"]),
    "logsumexp": (lambda x, y: torch.logsumexp(x, dim=-1), ["Logsumexp"]),
    "any_all": (lambda x, y: [(x > 0.5).any(-1), torch.all(x > 0.5, dim=1)], None),
    "argmax": (lambda x, y: x.argmax(-1), ["Argmax", "Cast"]),
    "sum_of_truth": (lambda x, y: (x > 0.5).sum(-1), ["Cast", "Greater", "Sum"]),
    "concatenate": (lambda x, y: torch.cat([x, y], dim=-1), ["Concatenate"]),
    "stack": (lambda x, y: torch.stack([x, y], 1), ["Stack"]),
    "reshape": (lambda x, y: x.reshape(-1, 12), ["Reshape"]),
    "view": (lambda x, y: x.view(-1, 2, 6), ["Reshape"]),
    "flatten": (lambda x, y: torch.flatten(x, 1), ["Reshape"]),
    "transpose": (lambda x, y: torch.permute(x, (0, 2, 1)), ["Transpose"]),
    "swapaxes": (lambda x, y: x.swapaxes(1, 2), ["Swapaxes"]),
    "moveaxis": (lambda x, y: torch.movedim(x, 1, 2), ["Moveaxis"]),
    "squeeze": (lambda x, y: x[:, :1].squeeze(1), ["GetItem", "Squeeze"]),
    "expand_dims": (lambda x, y: x.unsqueeze(-1), ["ExpandDims"]),
    "clip": (lambda x, y: torch.clamp(x, 0.2, 0.8), ["Clip"]),
    "clip_below": (lambda x, y: x.clamp(min=0.3), ["Maximum"]),
    "where": (lambda x, y: torch.where(x > y, x, y), ["Greater", "Where"]),
    "where_number": (lambda x, y: torch.where(x > 0.5, 1.0, x), ["Greater", "Where"]),
    "masked_fill": (lambda x, y: x.masked_fill(x > 0.5, float("-inf")).exp(), ["Exp", "Greater", "Where"]),
    "maximum": (lambda x, y: torch.maximum(x, y), ["Maximum"]),
    "minimum": (lambda x, y: torch.minimum(x, y), ["Minimum"]),
    "cast": (lambda x, y: (x * 10).to(torch.int32), ["Cast", "Multiply"]),
    "cast_long": (lambda x, y: (x * 10).long(), ["Cast", "Multiply"]),
    "einsum": (lambda x, y: torch.einsum("bij,bkj->bik", x, y), ["Einsum"]),
    "zeros_like": (lambda x, y: x + torch.zeros_like(y) + torch.ones_like(y), ["Add", "Add", "OnesLike", "ZerosLike"]),
    "full_like": (lambda x, y: x + torch.full_like(y, 2.5), ["Add", "FullLike"]),
    "cumsum": (lambda x, y: torch.cumsum(x, 1), ["Cumsum"]),
    "split": (lambda x, y: torch.split(x, 2, dim=-1), ["Split"]),
    "split_uneven": (lambda x, y: x.split([1, 3], dim=-1)[1], ["Split"]),
    "chunk": (lambda x, y: torch.chunk(x, 2, dim=2)[0], ["Split"]),
    "pad": (lambda x, y: F.pad(x, (1, 0, 0, 2)), ["Pad"]),
    "pad_value": (lambda x, y: F.pad(x, (1, 1), value=7.0), ["Pad"]),
    "pad_reflect": (lambda x, y: F.pad(x, (1, 1), mode="reflect"), ["Pad"]),
    "flip_roll_tile": (lambda x, y: [x.flip(1), torch.roll(x, 1, 1), torch.tile(x, (1, 2, 1))], None),
    "tril": (lambda x, y: [torch.tril(x), x.triu(1)], None),
    "detach": (lambda x, y: x.detach() + y, ["Add", "StopGradient"]),
    "constant": (lambda x, y: x * torch.tensor([1.0, 2.0, 3.0, 4.0]), ["Multiply"]),
}  # fmt: skip
each_operation = pytest.mark.parametrize("name", OPERATIONS)


@each_operation
def test_a_function_of_torch_is_saved_as_the_operation_of_keras(name: str) -> None:
    function, expected = OPERATIONS[name]
    model = functional(function, (3, 4), (3, 4))
    config = as_json(model.get_config())
    called = [entry for entry in config["layers"] if entry["class_name"] != "InputLayer"]
    assert all(entry["module"].startswith("keras.src.ops.") for entry in called), [
        entry["class_name"] for entry in called
    ]
    if expected is not None:
        assert sorted(entry["class_name"] for entry in called) == expected
    data = data_for(model)
    assert difference(Model.from_config(config)(data), model(data)) == 0
    if name == "get_item_list":  # Keras cannot index placeholders by lists or tensors
        return
    theirs = keras.Model.from_config(config)
    assert difference(theirs(data), model(data)) < 1e-5
    again = keras.Model.from_config(as_json(Model.from_config(as_json(theirs.get_config())).get_config()))
    assert difference(again(data), theirs(data)) == 0


@each_operation
def test_types_survive_a_config(name: str) -> None:
    model = functional(OPERATIONS[name][0], (3, 4), (3, 4))
    twin = reloaded(model)
    assert [tensor.dtype for tensor in twin.outputs] == [tensor.dtype for tensor in model.outputs]
    assert [tensor.shape for tensor in twin.outputs] == [tensor.shape for tensor in model.outputs]


KERAS_ONLY: dict[str, Callable[[Any, Any], Any]] = {
    "maximum_number": lambda x, y: keras.ops.maximum(x, 0.5),
    "argsort": lambda x, y: keras.ops.argsort(x, axis=-1),
    "argmin": lambda x, y: keras.ops.argmin(x, axis=1, keepdims=True),
    "sort": lambda x, y: keras.ops.sort(x, axis=1),
    "take": lambda x, y: keras.ops.take(x, np.array([0, -1]), axis=2),
    "take_along_axis": lambda x, y: keras.ops.take_along_axis(x, keras.ops.argsort(y, axis=-1), axis=-1),
    "repeat": lambda x, y: keras.ops.repeat(x, 2, axis=1),
    "one_hot": lambda x, y: keras.ops.one_hot(keras.ops.argmax(x, axis=-1), 4),
    "top_k": lambda x, y: keras.ops.top_k(x, 2)[0],
    "expand_dims": lambda x, y: keras.ops.expand_dims(x, (1, 3)),
    "split_indices": lambda x, y: keras.ops.split(x, [1, 2], axis=-1)[1],
    "pad_int": lambda x, y: keras.ops.pad(x, ((0, 0), (1, 1), (2, 0)), constant_values=3.0),
    "broadcast": lambda x, y: keras.ops.max(x, axis=1, keepdims=True) + keras.ops.min(y),
    "cumprod": lambda x, y: keras.ops.cumprod(x, axis=1),
    "where": lambda x, y: keras.ops.where(x > y, x, 0.0),
    "logical": lambda x, y: keras.ops.logical_and(x > 0.5, keras.ops.logical_not(y > 0.5)),
    "swish_gelu": lambda x, y: keras.ops.gelu(keras.ops.silu(x)),
    "var": lambda x, y: keras.ops.var(x, axis=(1, 2), keepdims=True),
    "transpose_all": lambda x, y: keras.ops.transpose(x[:, 0]),
}  # fmt: skip


@pytest.mark.parametrize("name", KERAS_ONLY)
def test_an_operation_of_keras_is_read_and_written_again(name: str) -> None:
    inputs = [keras.Input((3, 4), name="x"), keras.Input((3, 4), name="y")]
    theirs = keras.Model(inputs, KERAS_ONLY[name](*inputs), name="m")
    ours = Model.from_config(theirs.get_config())
    data = data_for(ours)
    assert difference(theirs(data), ours(data)) < 1e-6
    # Indices are a constant, which Keras writes as an array and we as a tensor; no axes are all of them in reverse.
    if name not in ("take", "transpose_all"):
        assert faults(as_json(theirs.get_config()), as_json(ours.get_config())) == []


def test_an_unknown_operation_of_keras_says_what_to_do() -> None:
    x = keras.Input((4,), name="x")
    config = keras.Model(x, keras.ops.i0(x)).get_config()
    with pytest.raises(SerializationError, match=r"'numpy\.I0'.*layer of your own"):
        Model.from_config(config)


# --- torch's functions and modules that Keras has not -----------------------------------------------------------------

TORCH_ONLY: dict[str, Callable[[Any, Any], Any]] = {
    "cummax": lambda x, y: torch.cummax(x, dim=1).values,
    "max_with_indices": lambda x, y: torch.max(x, dim=-1)[0],
    "sort_descending": lambda x, y: torch.sort(x, dim=-1, descending=True)[0],
    "unbiased_var": lambda x, y: x.var(1),
    "lerp": lambda x, y: torch.lerp(x, y, 0.25),
    "layer_norm": lambda x, y: F.layer_norm(x, (4,)),
    "gather": lambda x, y: torch.gather(x, 2, x.argmax(-1, keepdim=True)),
    "matrix_transpose": lambda x, y: x.mT,
    "add_alpha": lambda x, y: torch.add(x, y, alpha=3),
    "softmax_in_double": lambda x, y: torch.softmax(x, -1, dtype=torch.float64),
    "size": lambda x, y: x.reshape(x.size(0), -1) / x.size(0),
    "attention": lambda x, y: F.scaled_dot_product_attention(x, y, y),
    "positive": lambda x, y: +x,
}  # fmt: skip


@pytest.mark.parametrize("name", TORCH_ONLY)
def test_a_function_without_a_twin_is_saved_by_its_path(name: str) -> None:
    model = functional(TORCH_ONLY[name], (3, 4), (3, 4))
    config = as_json(model.get_config())
    paths = [e["config"]["function"] for e in config["layers"] if e["class_name"] == "TorchFunction"]
    assert paths
    assert all(path.startswith(("torch.", "operator.")) for path in paths)
    data = data_for(model)
    twin = Model.from_config(config)
    assert difference(twin(data), model(data)) == 0
    if name != "size":  # `reshape` is written with the sizes of its result, and its argument is left over
        assert as_json(twin.get_config()) == config


@pytest.mark.parametrize(
    "path",
    [
        *("os.system", "torch.load", "torch.save", "torch.hub.load", "builtins.eval", "operator.attrgetter"),
        *("torch.Tensor.backward", "torch.Tensor.add_", "torch.Tensor.__reduce_ex__", "torch.Tensor.register_hook"),
        *("torch.Tensor.numpy", "torch.Tensor.data", "torch.ops.aten.add", "torch.classes.load_library"),
        *("torch.Tensor.apply_", None, 3, ["torch.add"]),
    ],
)
def test_no_other_function_is_called(path: Any) -> None:
    model = functional(lambda x: torch.cummax(x, dim=1).values, (4,))
    config = as_json(model.get_config())
    next(e for e in config["layers"] if e["class_name"] == "TorchFunction")["config"]["function"] = path
    with pytest.raises(SerializationError, match="none of them"):
        Model.from_config(config)


def test_torch_modules_are_saved_with_their_arguments_and_weights() -> None:
    x = Input((3, 8, 8), name="x")
    y = torch.nn.Conv2d(3, 4, 3, stride=2, bias=False)(x)
    y = torch.nn.BatchNorm2d(4)(y)
    y = torch.nn.Flatten()(torch.nn.MaxPool2d(2)(torch.nn.ReLU()(y)))
    y = torch.nn.LayerNorm(4)(y)
    frozen = torch.nn.Linear(4, 2)
    frozen.weight.requires_grad_(False)
    model = Model(x, frozen(y), name="torch_model")
    model.set_weights([weight + 0.5 for weight in model.get_weights()])
    twin = reloaded(model)
    data = data_for(model)
    assert difference(twin(data), model(data)) == 0
    assert [layer.__class__ for layer in twin.layers[1:]] == [layer.__class__ for layer in model.layers[1:]]
    assert [p.requires_grad for p in twin.parameters()] == [p.requires_grad for p in model.parameters()]
    assert as_json(twin.get_config()) == as_json(model.get_config())


def test_recurrent_modules_and_embeddings_of_torch_are_saved_too() -> None:
    x = Input((5,), dtype="int64", name="x")
    y, _ = torch.nn.LSTM(4, 3, batch_first=True)(torch.nn.Embedding(10, 4)(x))
    model = Model(x, y)
    data = data_for(model)
    assert difference(reloaded(model)(data), model(data)) == 0


def test_a_sequential_model_of_torch_modules_is_made_again() -> None:
    model = Sequential([Input((4,)), torch.nn.Linear(4, 3), torch.nn.Tanh(), layers.Dense(2)])
    data = np.ones((2, 4), "float32")
    assert difference(reloaded(model)(data), model(data)) == 0


def test_any_other_module_is_refused_and_says_what_to_do() -> None:
    x = Input((4,), name="x")
    for module in (torch.nn.Bilinear(4, 4, 2), torch.nn.Sequential(torch.nn.Linear(4, 2))):
        args = (x, x) if isinstance(module, torch.nn.Bilinear) else (x,)
        with pytest.raises(SerializationError, match=r"Make it a layer.*save_weights"):
            Model(x, module(*args)).get_config()


def test_hooks_and_weights_in_the_graph_are_refused() -> None:
    x = Input((4,), name="x")
    hooked = torch.nn.Linear(4, 2)
    hooked.register_forward_hook(lambda *args: None)
    with pytest.raises(SerializationError, match="hooks"):
        Model(x, hooked(x)).get_config()
    with pytest.raises(SerializationError, match="make a layer that owns it"):
        Model(x, x * torch.nn.Parameter(torch.ones(4))).get_config()


def test_a_python_function_of_ones_own_is_refused() -> None:
    from labkeras.graph.symbolic import record

    x = Input((4,), name="x")
    with pytest.raises(SerializationError, match=r"layer of your own"):
        Model(x, record(np.add, (x, 1.0), {}, outputs=labkeras.KerasTensor((None, 4)))).get_config()


# --- compile ----------------------------------------------------------------------------------------------------------


def compiled_pair() -> tuple[Any, Any]:
    pair = []
    for k, library in ((KERAS, keras), (OURS, labkeras)):
        x = k.Input((3,), name="x")
        model = k.Model(x, [k.layers.Dense(2, name="a")(x), k.layers.Dense(1, name="b")(x)], name="m")
        model.compile(
            optimizer=library.optimizers.SGD(0.1, momentum=0.9, name="sgd"),
            loss=["mse", library.losses.MeanAbsoluteError()],
            loss_weights=[1.0, 0.5],
            metrics=[["mae"], [library.metrics.MeanSquaredError(name="square")]],
        )
        pair.append(model)
    return pair[0], pair[1]


def test_the_compile_config_is_that_of_keras() -> None:
    theirs, ours = (as_json(model.get_compile_config()) for model in compiled_pair())
    # Keras names the optimizers of its backend by where they happen to be.
    assert theirs["optimizer"].pop("module") == "keras.src.backend.torch.optimizers.torch_sgd"
    assert theirs["optimizer"].pop("registered_name") == "SGD"
    assert (ours["optimizer"].pop("module"), ours["optimizer"].pop("registered_name")) == ("keras.optimizers", None)
    assert ours["optimizer"]["config"].pop("learning_rate") == pytest.approx(
        theirs["optimizer"]["config"].pop("learning_rate")
    )
    assert faults(theirs, ours) == []


def test_each_compiles_from_the_config_of_the_other() -> None:
    theirs, ours = compiled_pair()
    their_config, our_config = (as_json(model.get_compile_config()) for model in (theirs, ours))
    ours.compile_from_config(their_config)
    theirs.compile_from_config(our_config)
    assert (ours.optimizer.momentum, theirs.optimizer.momentum) == (0.9, 0.9)
    assert ours.optimizer.built
    data = np.ones((4, 3), "float32"), [np.ones((4, 2), "float32"), np.ones((4, 1), "float32")]
    ours.set_weights(theirs.get_weights())
    results = [model.evaluate(*data, verbose=0, return_dict=True) for model in (theirs, ours)]
    assert results[0] == pytest.approx(results[1])


def test_a_compile_config_takes_only_what_belongs_in_each_place() -> None:
    _, model = compiled_pair()
    config = as_json(model.get_compile_config())
    with pytest.raises(SerializationError, match="where an optimizer belongs"):
        model.compile_from_config({**config, "optimizer": config["loss"][1]})
    with pytest.raises(SerializationError, match="where a loss belongs"):
        model.compile_from_config({**config, "loss": config["optimizer"]})
    with pytest.raises(SerializationError, match="Did you mean 'loss'"):
        model.compile_from_config({**config, "lossy": None})


def test_a_model_compiled_with_an_optimizer_of_torch_is_written_uncompiled() -> None:
    model = Sequential([Input((2,)), layers.Dense(1)])
    model.compile(torch.optim.Adam, "mse")
    with pytest.warns(UserWarning, match="one of torch's"):
        assert model.get_compile_config() == {}


# --- clone_model ------------------------------------------------------------------------------------------------------


@each_model
def test_a_clone_is_joined_alike_and_has_new_weights(build: Callable[[Any], Any]) -> None:
    model = build(OURS)
    clone = clone_model(model)
    assert not {id(weight) for weight in clone.weights} & {id(weight) for weight in model.weights}
    clone.set_weights(model.get_weights())
    data = data_for(model)
    assert difference(clone(data), model(data)) == 0
    assert as_json(clone.get_config()) == as_json(model.get_config()) or build.__name__ == "arithmetic"


def test_a_clone_can_be_made_differently() -> None:
    x = Input((4,), name="x")
    model = Model(x, layers.Dense(2, name="d")(layers.Dense(3, name="c")(x)), name="m")
    model.compile("sgd", "mse")

    def frozen(layer: Any) -> Any:
        copy = type(layer).from_config(layer.get_config())
        copy.trainable = False
        return copy

    clone = clone_model(model, clone_function=frozen)
    assert clone.trainable_weights == []
    assert clone.compiled
    dropped = clone_model(model, call_function=lambda layer, *args: layers.Dropout(0.5)(layer(*args)))
    assert [type(layer).__name__ for layer in dropped.layers].count("Dropout") == 2
    other = Input((4,), name="other")
    assert clone_model(model, input_tensors=other).input_names == ["other"]
    with pytest.raises(labkeras.errors.InvalidArgumentError, match="functional models"):
        clone_model(Sequential([Input((2,)), layers.Dense(1)]), call_function=frozen)


def test_layers_of_nested_models_are_cloned_on_request() -> None:
    inner = Sequential([Input((4,)), layers.Dense(4, name="deep")], name="inner")
    x = Input((4,), name="x")
    model = Model(x, inner(inner(x)), name="outer")
    seen: list[str] = []

    def clone(layer: Any) -> Any:
        seen.append(layer.name)
        return type(layer).from_config(layer.get_config())

    assert len(clone_model(model, clone_function=clone, recursive=True).weights) == 2
    assert seen == ["deep"]


# --- malformed graphs -------------------------------------------------------------------------------------------------


def broken(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    x = Input((4,), name="x")
    config: dict[str, Any] = as_json(Model(x, layers.Dense(3, name="b")(layers.Dense(4, name="a")(x))).get_config())
    change(config)
    return config


def edge(config: dict[str, Any], layer: int) -> dict[str, Any]:
    found: dict[str, Any] = config["layers"][layer]["inbound_nodes"][0]["args"][0]["config"]
    return found


BROKEN: dict[str, tuple[Callable[[Any], Any], str]] = {
    "circle": (lambda c: edge(c, 1).update(keras_history=["b", 0, 0]), "in a circle"),
    "self": (lambda c: edge(c, 1).update(keras_history=["a", 0, 0]), "in a circle"),
    "unknown_layer": (lambda c: edge(c, 1).update(keras_history=["z", 0, 0]), "does not exist"),
    "unknown_call": (lambda c: edge(c, 1).update(keras_history=["x", 3, 0]), "does not exist"),
    "unknown_result": (lambda c: edge(c, 1).update(keras_history=["x", 0, 5]), "no result 5"),
    "negative_result": (lambda c: edge(c, 1).update(keras_history=["x", 0, -1]), "no result -1"),
    "history_not_a_list": (lambda c: edge(c, 1).update(keras_history="x"), r"\[name, number, number\]"),
    "history_of_truth": (lambda c: edge(c, 1).update(keras_history=["x", True, 0]), r"\[name, number, number\]"),
    "same_name_twice": (lambda c: c["layers"][2].update(name="a"), "a name of its own"),
    "no_name": (lambda c: c["layers"][2].pop("name"), "a name of its own"),
    "layers_not_a_list": (lambda c: c.update(layers=3), "must be a list"),
    "entry_not_a_dict": (lambda c: c["layers"].append("a"), "a name of its own"),
    "calls_missing": (lambda c: c["layers"][1].pop("inbound_nodes"), "must be a list"),
    "old_calls": (lambda c: c["layers"][1].update(inbound_nodes=[[["x", 0, 0, {}]]]), "older formats"),
    "output_unknown": (lambda c: c.update(output_layers=["q", 0, 0]), "no result 0 of call 0 of 'q'"),
    "output_malformed": (lambda c: c.update(output_layers=7), r"\[name, number, number\]"),
    "wrong_arguments": (lambda c: c["layers"][1]["inbound_nodes"][0]["kwargs"].update(nonsense=1), "does not take"),
    "object_as_argument": (
        lambda c: c["layers"][1]["inbound_nodes"][0]["kwargs"].update(
            extra={"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}}
        ),
        "must be a value or a placeholder",
    ),
    "initializer_for_a_layer": (
        lambda c: c["layers"][1].update(module="keras.initializers", class_name="Zeros", config={}),
        "where a layer belongs",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_malformed_graph_is_one_clear_error(name: str) -> None:
    change, message = BROKEN[name]
    with pytest.raises(SerializationError, match=message):
        Model.from_config(broken(change))


def test_a_long_chain_of_layers_is_read_without_recursion() -> None:
    x = y = Input((2,), name="x")
    for _ in range(1500):
        y = y + 1.0
    model = Model(x, y)
    data = np.zeros((1, 2), "float32")
    assert arrays(reloaded(model)(data))[0].tolist() == [[1500.0, 1500.0]]


def test_sizes_cannot_be_blown_up_by_a_config() -> None:
    model = functional(lambda x: x.reshape(x.size(0) * 2, -1), (4,))
    config = as_json(model.get_config())
    multiply = next(entry for entry in config["layers"] if entry["class_name"] == "Multiply")
    multiply["inbound_nodes"][0]["args"][1] = 10**18
    with pytest.raises(SerializationError, match="makes a size of more than"):
        Model.from_config(config)
    multiply.update(class_name="Power", registered_name="Power")
    with pytest.raises(SerializationError, match="not applied to sizes"):
        Model.from_config(config)
    multiply.update(class_name="Multiply", registered_name="Multiply")
    multiply["inbound_nodes"][0]["args"][0] = "aaaa"
    with pytest.raises(SerializationError, match="takes tensors and numbers"):
        Model.from_config(config)
