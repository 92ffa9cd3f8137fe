import json
from pathlib import Path
from typing import Any

import keras
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def

import labkeras
from labkeras.callbacks import CallbackList, TensorBoard
from labkeras.callbacks.model_graph import model_graph
from tests.helpers.fake_model import FakeModel


class Described(FakeModel):
    """A model whose config is one that Keras made."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self._config = json.loads(model.to_json())

    def get_config(self) -> Any:
        return self._config["config"]

    def __keras_serialize__(self) -> Any:
        return self._config


def edges(model: Any) -> dict[str, list[str]]:
    """What TensorBoard makes of the summary: node → the nodes that lead to it."""
    [value] = model_graph(model).value
    graph = keras_model_to_graph_def(json.loads(value.tensor.string_val[0]))
    return {node.name: list(node.input) for node in graph.node}


def functional() -> keras.Model:
    a = keras.Input((4,), name="a")
    b = keras.Input((4,), name="b")
    x = keras.layers.Dense(3, name="x", dtype="mixed_float16")(a)
    y = keras.layers.Dense(3, name="y")(b)
    inner = keras.Sequential([keras.Input((3,), name="port"), keras.layers.Dense(3, name="deep")], name="inner")
    joined = keras.layers.Add(name="join")([x, inner(y)])
    return keras.Model([a, b], keras.layers.Dense(1, name="out")(joined * 2.0), name="net")


def test_functional_model_is_a_graph_with_its_edges() -> None:
    found = edges(Described(functional()))
    assert found["net/x"] == ["net/a"]
    assert found["net/inner/port"] == ["net/y"]
    assert found["net/inner/deep"] == ["net/inner/port"]
    assert found["net/join"] == ["net/x", "net/inner/deep"]
    [product] = [name for name in found if "multiply" in name]
    assert found[product] == ["net/join"]
    assert found["net/out"] == [product]


def test_sequential_model_is_a_chain() -> None:
    layers = [keras.Input((4,)), keras.layers.Dense(3, name="first"), keras.layers.Dense(2, name="second")]
    found = edges(Described(keras.Sequential(layers, name="chain")))
    assert found["chain/second"] == ["chain/first"]


def test_a_model_of_ours_with_all_that_graphs_may_have() -> None:
    a, b = labkeras.Input((4,), name="a"), labkeras.Input((4,), name="b")
    shared = labkeras.layers.Dense(4, name="shared")
    port = labkeras.Input((4,), name="port")
    ends = [labkeras.layers.Dense(3, name=name)(port) for name in ("left", "right")]
    two = labkeras.Model(port, ends, name="two")
    deepest = labkeras.Sequential([labkeras.Input((3,)), labkeras.layers.Dense(3, name="deepest")], name="in_deep")
    deep = labkeras.Sequential([labkeras.Input((3,)), deepest], name="deep")
    left, right = two(shared(a))
    joined = torch.cat([deep(left), right * 2.0, shared(b)], dim=1)
    attended = labkeras.layers.Reshape((5, 2), name="rows")(joined)
    attended = labkeras.layers.MultiHeadAttention(2, 4, name="attention")(attended, attended)
    found = edges(labkeras.Model({"a": a, "b": b}, {"y": attended, "left": left}, name="net"))
    assert found["net/shared"] == ["net/a", "net/b"]
    assert found["net/two/port"] == ["net/shared"]
    assert found["net/two/left"] == found["net/two/right"] == ["net/two/port"]
    [multiply] = [name for name in found if "multiply" in name]
    assert found[multiply] == ["net/two/right"]
    [concatenate] = [name for name in found if "concatenate" in name]
    assert found[concatenate] == ["net/deep/in_deep/deepest", multiply, "net/shared"]
    assert set(found["net/attention"]) == {"net/rows"}


def test_models_that_follow_models_follow_the_layers_in_them() -> None:
    port = labkeras.Input((3,), name="port")
    ends = [labkeras.layers.Dense(3, name=name)(port) for name in ("left", "right")]
    two = labkeras.Model(port, ends, name="two")
    last_port = labkeras.Input((3,), name="last_port")
    last = labkeras.Model(last_port, labkeras.layers.Dense(1, name="end")(last_port), name="last")
    inputs = labkeras.Input((3,), name="inputs")
    found = edges(labkeras.Model(inputs, last(two(inputs)[1]), name="net"))
    assert found["net/two/port"] == ["net/inputs"]
    assert found["net/last/last_port"] == ["net/two/right"]


def test_a_sequential_model_of_ours_before_and_after_it_is_built() -> None:
    model = labkeras.Sequential([labkeras.layers.Dense(3, name="one"), labkeras.layers.Dense(2, name="two")], name="s")
    assert edges(model)["s/two"] == ["s/one"]
    model.build((None, 4))
    assert edges(model)["s/two"] == ["s/one"]
    assert len(edges(model)["s/one"]) == 1


def test_graph_is_written_to_the_training_run_where_tensorboard_looks(tmp_path: Path) -> None:
    model = Described(functional())
    callbacks = CallbackList([TensorBoard(tmp_path)], model=model)
    callbacks.on_train_begin()
    callbacks.on_train_end()
    events = EventAccumulator(str(tmp_path / "train"))
    events.Reload()
    assert list(events.PluginTagToContent("graph_keras_model")) == ["keras"]


def test_the_tab_has_what_it_opens_with_a_graph_of_operations(tmp_path: Path) -> None:
    callbacks = CallbackList([TensorBoard(tmp_path)], model=Described(functional()))
    callbacks.on_train_begin()
    callbacks.on_train_end()
    events = EventAccumulator(str(tmp_path / "train"))
    events.Reload()
    nodes = {node.name: node for node in events.Graph().node}
    assert nodes["x"].op == "Dense"
    assert list(nodes["join"].input) == ["x", "inner/deep"]


def test_write_graph_false_writes_none(tmp_path: Path) -> None:
    callbacks = CallbackList([TensorBoard(tmp_path, write_graph=False)], model=Described(functional()))
    callbacks.on_train_begin()
    callbacks.on_train_end()
    assert not (tmp_path / "train").exists()


def test_model_without_config_has_no_graph() -> None:
    class Subclassed(FakeModel):
        def get_config(self) -> Any:
            raise NotImplementedError

    assert model_graph(Subclassed()) is None


def test_config_without_layers_has_no_graph() -> None:
    class Subclassed(FakeModel):
        def get_config(self) -> Any:
            return {"units": 3}

    assert model_graph(Subclassed()) is None


def test_failing_config_is_a_warning() -> None:
    class Broken(FakeModel):
        def get_config(self) -> Any:
            raise RuntimeError("no such thing")

    with pytest.warns(UserWarning, match=r"no graph of the model, whose config cannot be made: no such thing"):
        assert model_graph(Broken()) is None
