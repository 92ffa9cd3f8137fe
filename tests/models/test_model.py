"""Model: functional and subclassed, its parts, and what it says when something is wrong."""

import copy
import pickle
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from labkeras import Input, Layer, Model, layers
from labkeras.errors import InvalidArgumentError
from tests.helpers.keras_pairs import OURS

PACKAGES = (OURS, keras)


class Residual(Model):
    """A subclassed model with layers in a list."""

    def __init__(self, units: int = 3) -> None:
        super().__init__()
        self.first = layers.Dense(units)
        self.rest = [layers.Dense(units), layers.Dense(2)]

    def call(self, x: Any, training: Any = None) -> Any:
        x = self.first(x)
        return self.rest[1](x + self.rest[0](x))


class TakesDict(Model):
    def __init__(self) -> None:
        super().__init__()
        self.a = layers.Dense(2)
        self.b = layers.Dense(2)

    def call(self, inputs: Any) -> Any:
        return {"sum": self.a(inputs["x"]) + self.b(inputs["y"])}


class ReturnsTwo(Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.dense(x), x * 2


class Blanks(Layer):
    """Sets to 0 what the mask leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.supports_masking = True

    def call(self, x: Any, mask: Any = None) -> Any:
        return x if mask is None else x * mask[..., None].to(x.dtype)


# --- functional models ---


def _two_inputs(package: Any) -> Any:
    a, b = package.Input((4,), name="a"), package.Input((3,), name="b")
    return package.Model([a, b], [package.layers.Dense(2, name="d")(a), package.layers.Dense(1, name="z")(b)], name="m")


def test_properties_are_keras() -> None:
    ours, theirs = map(_two_inputs, PACKAGES)
    for name in ("name", "input_shape", "output_shape", "output_names", "built", "compiled", "metrics_names", "losses"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.count_params() == theirs.count_params()
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    for shapes in ([(5, 4), (5, 3)], [(None, 4), (None, 3)]):
        assert ours.compute_output_shape(shapes) == theirs.compute_output_shape(shapes)
    assert ours.input_names == ["a", "b"]
    assert ours.optimizer is None
    assert ours.loss is None
    assert ours.history is None


def test_layers_are_found_by_name_and_place() -> None:
    model = _two_inputs(OURS)
    assert model.get_layer("d") is model.get_layer(index=2) is model.layers[2]
    with pytest.raises(InvalidArgumentError, match=r"no layer named 'dd'\. Did you mean 'd'\?.*\['a', 'b', 'd', 'z'\]"):
        model.get_layer("dd")
    with pytest.raises(InvalidArgumentError, match=r"4 layers\. Received: index=9"):
        model.get_layer(index=9)
    with pytest.raises(InvalidArgumentError, match="one of them"):
        model.get_layer()


def test_a_subclass_may_make_its_graph_in_init() -> None:
    class Small(Model):
        def __init__(self, units: int = 3, **base: Any) -> None:
            x = Input((4,))
            super().__init__(inputs=x, outputs=layers.Dense(units)(x), **base)

    model = Small(2, name="small")
    assert model(np.ones((1, 4))).shape == (1, 2)
    assert copy.deepcopy(model).output_shape == (None, 2)


def test_models_nest_and_share_layers() -> None:
    x = Input((4,))
    inner = Model(x, layers.Dense(3)(x), name="inner")
    y = Input((4,))
    outer = Model(y, inner(y) + inner(y * 2))
    data = torch.rand(2, 4)
    assert_close(outer(data), inner(data) + inner(data * 2))
    assert len(outer.weights) == 2
    assert outer.get_layer("inner") is inner
    for twin in (copy.deepcopy(outer), pickle.loads(pickle.dumps(outer))):
        assert_close(twin(data), outer(data))
    assert outer.compute_output_shape((7, 4)) == (7, 3)


def test_half_of_a_graph_is_missing() -> None:
    with pytest.raises(InvalidArgumentError, match=r"needs `inputs` and `outputs`\. Received: outputs=None"):
        Model(inputs=Input((2,)))


# --- subclassed models ---


def test_a_subclassed_model_is_built_by_data_shape_or_placeholder() -> None:
    by_data, by_shape, by_placeholder, by_fit = (Residual() for _ in range(4))
    assert not by_data.built
    by_data(np.ones((1, 4)))
    by_shape.build((None, 4))
    assert by_placeholder(Input((4,))).shape == (None, 2)
    by_fit.compile("sgd", "mse")
    by_fit.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0)
    for model in (by_data, by_shape, by_placeholder, by_fit):
        assert model.built
        assert len(model.weights) == len(list(model.parameters())) == 6
        assert model.count_params() == 35
    assert by_data.compute_output_shape((None, 4)) == (None, 2)
    assert [layer.name for layer in by_data.layers] == ["dense", "dense_1", "dense_2"]


def test_a_subclassed_model_within_a_functional_one() -> None:
    inner = Residual()
    x = Input((4,))
    model = Model(x, torch.relu(inner(x)))
    data = torch.rand(2, 4)
    assert_close(model(data), torch.relu(inner(data)))
    assert_close(pickle.loads(pickle.dumps(model))(data), model(data))


def test_dicts_of_inputs_and_outputs() -> None:
    model = TakesDict()
    model.compile("sgd", {"sum": "mse"}, metrics={"sum": ["mae"]})
    data = {"x": np.ones((4, 3)), "y": np.ones((4, 2))}
    assert list(model.fit(data, {"sum": np.ones((4, 2))}, verbose=0).history) == ["loss", "mae"]
    assert model.predict(data, verbose=0)["sum"].shape == (4, 2)
    other = TakesDict()
    other.build({"x": (None, 3), "y": (None, 2)})
    assert len(other.weights) == 4


@pytest.mark.parametrize("loss", [["mse", None], ["mse", "mae"], "mse"])
def test_logs_of_nameless_outputs_are_keras(loss: Any) -> None:
    keys = []
    for package in PACKAGES:

        class Two(package.Model):  # type: ignore[misc,name-defined]  # the base is a variable
            def __init__(self, package: Any = package) -> None:
                super().__init__()
                self.dense = package.layers.Dense(2)

            def call(self, x: Any) -> Any:
                return self.dense(x), x * 2

        model = Two()
        model.compile("sgd", loss, metrics=[["mae"], ["mse"]])
        history = model.fit(np.ones((4, 3)), [np.ones((4, 2)), np.ones((4, 3))], verbose=0).history
        keys.append([key for key in history if not key.endswith("_1")])  # Keras has but one of two equal names
    assert keys[0] == keys[1]


def test_predictions_of_a_tuple() -> None:
    first, second = ReturnsTwo().predict(np.ones((5, 3)), batch_size=2, verbose=0)
    assert (first.shape, second.shape) == ((5, 2), (5, 3))


def test_what_needs_a_graph_says_so() -> None:
    model = Residual()
    for name in ("code", "inputs", "output", "input_shape"):
        with pytest.raises(InvalidArgumentError, match="has no graph: it is subclassed"):
            getattr(model, name)
    assert model.output_names is None
    with pytest.raises(InvalidArgumentError, match="cannot be counted before"):
        model.count_params()


def test_copies_of_compiled_and_trained_models_are_independent() -> None:
    model = Residual()
    model.compile("adam", "mse", metrics=["mae"])
    x, y = np.ones((8, 4)), np.zeros((8, 2))
    model.fit(x, y, verbose=0)
    twin = copy.deepcopy(model)
    before = model.get_weights()
    twin.fit(x, y, verbose=0)
    for ours, old, other in zip(model.get_weights(), before, twin.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, old)
        assert not np.array_equal(ours, other)
    model.fit(x, y, verbose=0)


def test_two_models_made_alike_exchange_state_dicts() -> None:
    def make() -> Model:
        x = Input((4,))
        return Model(x, nn.Linear(3, 2)(layers.Dense(3)(layers.Dense(3)(x))))

    first, second = make(), make()
    assert list(first.state_dict()) == [
        "dense.kernel",
        "dense.bias",
        "dense_1.kernel",
        "dense_1.bias",
        "linear.weight",
        "linear.bias",
    ]
    second.load_state_dict(first.state_dict())
    data = torch.rand(2, 4)
    assert_close(second(data), first(data))


NAMES = [
    "fit",
    "metrics",
    "layers",
    "input",
    "forward",
    "training",
    "call",
    "loss",
    "history",
    "weights",
    "name",
    "self",
]


@pytest.mark.parametrize("name", [*NAMES, "_modules", "_function", "T", "a.b", "a b", "1x", "class", "constant_0"])
def test_any_name_does_for_a_layer(name: str) -> None:
    x = Input((4,), name="x")
    model = Model(x, layers.Dense(2, name=name)(x) + torch.ones(2))
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0)
    assert model.get_layer(name).name == name
    assert len(model.state_dict()) == 2
    data = torch.ones(1, 4)
    assert_close(copy.deepcopy(model)(data), model(data))


def test_names_that_python_cannot_tell_apart_do_not_meet() -> None:
    x = Input((4,))
    model = Model(x, layers.Dense(2, name="a_b")(layers.Dense(3, name="a.b")(x)))
    assert len(model.state_dict()) == len(model.weights) == 4
    with pytest.raises(InvalidArgumentError, match="Received: two named 'same'"):
        Model(x, layers.Dense(2, name="same")(layers.Dense(3, name="same")(x)))


def test_masks_reach_the_layers_of_a_nested_model() -> None:
    inner_input = Input((4, 3))
    inner = Model(inner_input, Blanks()(layers.Dense(3, bias_initializer="ones")(inner_input)))
    embedding = layers.Embedding(5, 3, mask_zero=True)
    x = Input((4,), dtype="int64")
    outer = Model(x, inner(embedding(x)))
    tokens = torch.tensor([[1, 2, 0, 0], [3, 0, 0, 0]])
    for model in (outer, copy.deepcopy(outer), pickle.loads(pickle.dumps(outer))):
        result = model(tokens)
        assert torch.equal(result.abs().sum(-1) > 0, tokens != 0)
        assert torch.equal(result._keras_mask, tokens != 0)
    assert torch.equal(inner(embedding(tokens)).abs().sum(-1) > 0, tokens != 0)
    assert (inner(torch.rand(1, 4, 3)).abs().sum(-1) > 0).all()
    assert len(inner.layers[1]._inbound_nodes) == 1
