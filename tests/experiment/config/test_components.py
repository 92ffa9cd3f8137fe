"""Nodes: mappings that describe a component."""

from collections.abc import Iterator
from typing import Any

import pytest

from labkeras import initializers, layers, losses, metrics, optimizers
from labkeras.errors import ConfigError, UnknownComponentError
from labkeras.experiment.config.components import MISSING, build, complete, defaults_of, node_kind, parameters_of
from labkeras.optimizers.schedules import ExponentialDecay
from labkeras.registry import registry_of


@pytest.fixture
def wrapper() -> Iterator[None]:
    """A layer whose argument is called as the key of a layer's node is."""

    class Around(layers.Layer):
        def __init__(self, layer: Any, times: int = 2, **base: Any) -> None:
            super().__init__(**base)
            self.layer = layer
            self.times = times

    entry = registry_of("layers").add("around", Around)
    yield
    registry_of("layers").discard(entry)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"layer": "dense"}, "layers"),
        ({"layer": "embedding", "initializer": "zeros"}, "layers"),
        ({"schedule": "cosine_decay"}, "schedules"),
        ({"kind": "subclass", "model": "resnet"}, "models"),
        ({"model": "resnet"}, None),
        ({"loss": {"from_logits": True}}, None),
        ({"units": 3}, None),
        ("dense", None),
    ],
)
def test_a_node_is_known_by_its_key(value: Any, kind: str | None) -> None:
    assert node_kind(value) == kind


def test_defaults_are_those_of_the_signature() -> None:
    node = defaults_of("layers", "conv2d")
    assert node["layer"] == "conv2d"
    assert node["filters"] == node["kernel_size"] == MISSING
    assert node["strides"] == [1, 1]
    assert node["padding"] == "valid"
    assert node["trainable"] is True


def test_what_the_config_says_otherwise_is_no_argument() -> None:
    assert not {"name", "input_shape", "batch_size"} & set(defaults_of("layers", "dense"))
    assert "name" not in defaults_of("optimizers", "adam")


def test_metrics_that_are_chosen_by_shape_have_no_arguments() -> None:
    assert defaults_of("metrics", "accuracy") == {"metric": "accuracy"}
    assert "num_thresholds" in defaults_of("metrics", "auc")


def test_an_unknown_name_raises_with_the_nearest() -> None:
    with pytest.raises(UnknownComponentError, match=r"no layer is named 'dens'\. Did you mean 'dense'"):
        parameters_of("layers", "dens")


def test_nodes_are_completed_wherever_they_are() -> None:
    given = {"layers": {"h1": {"layer": "dense", "units": 3, "kernel_initializer": {"initializer": "he_normal"}}}}
    node = complete(given)["layers"]["h1"]
    assert node["units"] == 3
    assert node["use_bias"] is True
    assert node["kernel_initializer"]["seed"] is None


def test_a_node_with_an_unknown_name_is_left_as_it_is() -> None:
    assert complete({"layer": "dens", "units": 3}) == {"layer": "dens", "units": 3}


def test_a_whole_config_is_no_node() -> None:
    assert complete({"optimizer": "adam"}, is_whole=True) == {"optimizer": "adam"}


def test_a_layer_is_built_with_its_name() -> None:
    layer = build("layers", {"layer": "dense", "units": 3, "activation": "relu"}, "here", name="h1")
    assert isinstance(layer, layers.Dense)
    assert (layer.name, layer.units) == ("h1", 3)


def test_nested_nodes_are_built() -> None:
    decay = {"schedule": "exponential_decay", "initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5}
    optimizer = build("optimizers", {"optimizer": "sgd", "learning_rate": decay}, "optimizer")
    assert isinstance(optimizer, optimizers.SGD)
    assert isinstance(optimizer._learning_rate, ExponentialDecay)
    start = {"initializer": "he_normal", "seed": 7}
    layer = build("layers", {"layer": "dense", "units": 3, "kernel_initializer": start}, "here", name="h1")
    assert isinstance(layer.kernel_initializer, initializers.HeNormal)


def test_lists_become_tuples_where_the_signature_has_tuples() -> None:
    layer = build("layers", {"layer": "conv2d", "filters": 2, "kernel_size": [3, 3]}, "here", name="c")
    assert layer.kernel_size == (3, 3)


def test_losses_and_metrics_are_built() -> None:
    assert isinstance(build("losses", {"loss": "mse"}, "loss"), losses.MeanSquaredError)
    assert isinstance(build("metrics", {"metric": "auc"}, "metrics.auc", name="auc"), metrics.AUC)
    assert build("metrics", {"metric": "accuracy"}, "metrics.accuracy", name="accuracy") == "accuracy"


def test_what_a_component_refuses_is_a_fault_with_its_path() -> None:
    with pytest.raises(ConfigError, match=r"model\.layers\.h1\.units=-3: .*positive integer\. Received: units=-3"):
        build("layers", {"layer": "dense", "units": -3}, "model.layers.h1", name="h1")


@pytest.mark.usefixtures("wrapper")
def test_an_argument_called_as_the_key_has_an_underscore() -> None:
    node = {"layer": "around", "layer_": {"layer": "dense", "units": 3}, "times": 4}
    assert list(defaults_of("layers", "around"))[:3] == ["layer", "layer_", "times"]
    layer = build("layers", node, "here", name="a")
    assert isinstance(layer.layer, layers.Dense)
    assert layer.times == 4
