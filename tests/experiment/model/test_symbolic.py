"""Models are tried without values: what that tells is what building them tells, and it leaves no trace."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from labkeras.datasets.digits import load_data
from labkeras.datasets.spec import ArraySpec, DataSpec, spec_of
from labkeras.experiment import build_model, compose
from labkeras.experiment.config.sources import shipped_conf
from labkeras.experiment.config.validation import checked
from labkeras.experiment.model.plan import check_model
from labkeras.experiment.model.symbolic import Outcome, Symbols, TensorSpec, is_inconclusive
from labkeras.layers import Dense, Layer
from labkeras.models import Model
from labkeras.naming import auto_name, clear_names
from labkeras.registry import layers, models

DIGITS = spec_of(load_data)
FOR_DIGITS = ("cnn", "mlp", "residual_cnn")


def outcome(text: str, data: DataSpec | None = None, symbols: Symbols | None = None) -> Outcome:
    model = yaml.safe_load(text)
    faults: list[str] = []
    plan = check_model(model, faults)
    assert faults == []
    return (symbols or Symbols()).outcome(model, plan, data)


def data(*shape: int | None, dtype: str = "float32", classes: int | None = None) -> DataSpec:
    return DataSpec(ArraySpec(shape, dtype, classes))


@pytest.mark.parametrize("name", FOR_DIGITS)
def test_shapes_and_weights_are_those_of_the_built_model(name: str) -> None:
    assert (shipped_conf() / "model" / f"{name}.yaml").is_file()
    config = checked(compose([f"model={name}"]))
    tried = Symbols().outcome(config["model"], check_model(config["model"], []), DIGITS)
    model = build_model(config["model"])
    assert tried.faults == ()
    assert tried.outputs == TensorSpec(model.output_shape, "float32")
    weights = [weight for row in tried.rows for weight in row.weights]
    assert [weight.shape for weight in weights] == [tuple(weight.shape) for weight in model.weights]
    assert [weight.trainable for weight in weights] == [bool(weight.trainable) for weight in model.weights]
    by_name = {layer.name: layer for layer in model.layers}
    for row in tried.rows:
        if row.name in by_name:
            assert row.outputs.shape == by_name[row.name].output.shape


def test_no_memory_is_taken() -> None:
    tried = outcome("{kind: sequential, input: {shape: [1000000]}, layers: {out: {layer: dense, units: 10000000}}}")
    assert tried.rows[0].weights[0].shape == (1_000_000, 10_000_000)  # 40 terabytes


def test_random_numbers_and_names_go_on_as_if_nothing_was() -> None:
    clear_names()
    auto_name("Dense")
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    wanted = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    text = "{kind: sequential, layers: {a: {layer: dense, units: 3, kernel_initializer: orthogonal}, "
    text += "b: {layer: dropout, rate: 0.5, seed: 3}, c: {layer: batch_normalization}}}"
    assert outcome(text, data(4)).faults == ()
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == wanted
    assert auto_name("Dense") == "dense_1"


def test_what_is_known_is_not_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    build = Dense.build

    def counted(layer: Dense, input_shape: Any) -> None:
        built.append(layer.name)
        build(layer, input_shape)

    monkeypatch.setattr(Dense, "build", counted)
    symbols = Symbols()
    for units in (8, 16, 8):
        outcome(
            f"{{kind: sequential, input: {{shape: [4]}}, layers: {{a: {{layer: dense, units: 5}}, "
            f"b: {{layer: dense, units: {units}}}, c: {{layer: dense, units: 2}}}}}}",
            symbols=symbols,
        )
    assert built == ["a", "b", "c", "b", "c"]


REFUSED = [
    ("a: {layer: conv2d, filters: 3, kernel_size: 3}", (8, 8), "model.layers.a: input of layer 'a' is incompatible"),
    ("a: {layer: reshape, target_shape: [7]}", (8, 8), "model.layers.a: "),
    ("a: {layer: conv2d, filters: 3, kernel_size: [3, 3, 3]}", (8, 8, 1), "model.layers.a.kernel_size=[3, 3, 3]: "),
    ("a: {layer: max_pooling2d, pool_size: 9}", (8, 8, 1), "model.layers.a: "),
    ("a: {layer: dense, units: 3}", (None,), "model.layers.a: "),
    ("a: {layer: embedding, input_dim: 5, output_dim: 2}", (8,), None),
]


@pytest.mark.parametrize(("layer", "shape", "words"), REFUSED, ids=[layer for layer, _, _ in REFUSED])
def test_what_a_layer_refuses_names_it(layer: str, shape: tuple[int | None, ...], words: str | None) -> None:
    tried = outcome(f"{{kind: sequential, layers: {{{layer}, end: {{layer: flatten}}}}}}", data(*shape))
    if words is None:
        assert tried.faults == ()
    else:
        assert len(tried.faults) == 1
        assert tried.faults[0].startswith(words)
        assert tried.outputs is None


def test_what_comes_after_a_layer_at_fault_is_not_tried() -> None:
    text = "{kind: sequential, layers: {a: {layer: global_average_pooling2d}, b: {layer: global_average_pooling2d}}}"
    assert len(outcome(text, data(4)).faults) == 1


def test_a_layer_called_twice_has_its_weights_once() -> None:
    tried = outcome(
        "{kind: functional, inputs: {a: {shape: [4]}, b: {shape: [4]}}, "
        "nodes: {one: {layer: dense, units: 3, from: a}, two: {call: one, from: b}, "
        "both: {layer: concatenate, from: [one, two]}}, outputs: both}",
        DataSpec({"a": ArraySpec((4,)), "b": ArraySpec((4,))}),
    )
    assert tried.faults == ()
    assert [len(row.weights) for row in tried.rows] == [2, 0, 0]
    assert tried.outputs == TensorSpec((None, 6), "float32")


def test_a_shared_layer_must_take_all_its_inputs() -> None:
    tried = outcome(
        "{kind: functional, inputs: {a: {shape: [4]}, b: {shape: [5]}}, "
        "nodes: {one: {layer: dense, units: 3, from: a}, two: {call: one, from: b}, "
        "both: {layer: concatenate, from: [one, two]}}, outputs: both}"
    )
    assert len(tried.faults) == 1
    assert tried.faults[0].startswith("model.nodes.two: ")


def test_inputs_must_be_those_of_the_data() -> None:
    two = "{kind: functional, inputs: {a: {shape: [4]}, b: {shape: [4]}}, nodes: {c: {layer: add, from: [a, b]}}}"
    assert "the model has 2 inputs, and the data is one array" in outcome(two, data(4)).faults[0]
    arrays = DataSpec({"a": ArraySpec((4,)), "bb": ArraySpec((4,))})
    assert "model.inputs.b: the data has no array of this name." in outcome(two, arrays).faults[0]
    one = "{kind: sequential, input: {shape: [4]}, layers: {a: {layer: flatten}}}"
    assert outcome(one, data(5)).faults == ("model.input.shape=[4]: the data has samples of the shape [5]",)
    assert outcome(one, data(4, 1)).faults == ()  # as in Keras


def test_an_embedding_has_a_row_for_each_word() -> None:
    words = data(12, dtype="int64", classes=100)
    text = "{kind: sequential, layers: {a: {layer: embedding, input_dim: %d, output_dim: 2}, b: {layer: flatten}}}"
    assert outcome(text % 100, words).faults == ()
    assert outcome(text % 99, words).faults == (
        "model.layers.a.input_dim=99: the data holds numbers from 0 to 99, so at least 100 is needed",
    )


class _LooksAtValues(Layer):
    """A layer that works, but not without values."""

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight((), "ones", name="scale")
        self.start = float(self.scale.detach())

    def call(self, inputs: Tensor) -> Tensor:
        return inputs * self.start


class _Own(Model):
    """A subclassed model."""

    def __init__(self, units: int = 3) -> None:
        super().__init__()
        self.dense = Dense(units)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return self.dense(inputs)


@pytest.fixture
def own() -> Iterator[None]:
    entries = [(layers, layers.add("looks_at_values", _LooksAtValues)), (models, models.add("own_model", _Own))]
    yield
    for registry, entry in entries:
        registry.discard(entry)


@pytest.mark.usefixtures("own")
def test_a_layer_that_needs_values_is_no_fault() -> None:
    tried = outcome("{kind: sequential, layers: {meta: {layer: looks_at_values}, b: {layer: flatten}}}", data(4))
    assert tried.faults == ()
    assert tried.outputs is None


@pytest.mark.usefixtures("own")
def test_a_subclassed_model_is_called_as_a_whole() -> None:
    tried = outcome("{kind: subclass, model: own_model, units: 7}", data(4))
    assert tried.faults == ()
    assert tried.outputs == TensorSpec((None, 7), "float32")
    assert [weight.shape for weight in tried.rows[0].weights] == [(4, 7), (7,)]
    assert outcome("{kind: subclass, model: own_model}").outputs is None  # no data, no batch
    refused = outcome("{kind: subclass, model: own_model, units: 0}", data(4)).faults
    assert len(refused) == 1
    assert refused[0].startswith("model.units=0: `units` must be a positive integer")


def test_what_torch_cannot_do_without_values_is_told_from_faults() -> None:
    assert is_inconclusive(NotImplementedError("Could not run 'aten::x' on the 'Meta' backend"))
    assert is_inconclusive(RuntimeError("Tensor.item() cannot be called on meta tensors"))
    assert not is_inconclusive(ValueError("shapes do not match"))
