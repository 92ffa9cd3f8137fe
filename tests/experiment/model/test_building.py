"""Models that YAML describes, built."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from labkeras.errors import ConfigError
from labkeras.experiment import build_model
from labkeras.layers import Dense
from labkeras.models import Model
from labkeras.registry import registry_of


@pytest.fixture
def two_layers() -> Iterator[None]:
    """A registered subclassed model."""

    class TwoLayers(Model):
        def __init__(self, units: int, activation: str = "relu", **base: Any) -> None:
            super().__init__(**base)
            self.hidden = Dense(units, activation=activation)
            self.out = Dense(1)

        def call(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.out(self.hidden(inputs))  # type: ignore[no-any-return]

    entry = registry_of("models").add("two_layers", TwoLayers)
    yield
    registry_of("models").discard(entry)


def built(text: str) -> Model:
    return build_model(yaml.safe_load(text))


def test_layers_are_named_as_their_keys() -> None:
    model = built("""
        kind: sequential
        name: small
        input: {shape: [8, 8]}
        layers:
          flat: {layer: flatten}
          h{i}: {layer: dense, units: 5, activation: relu, repeat: 2}
          out: {layer: dense, units: 3}
    """)
    assert model.name == "small"
    assert [layer.name for layer in model.layers] == ["flat", "h1", "h2", "out"]
    assert model.output_shape == (None, 3)
    assert model.count_params() == 64 * 5 + 5 + 5 * 5 + 5 + 5 * 3 + 3


def test_a_functional_model_has_its_inputs_and_outputs_by_name() -> None:
    model = built("""
        kind: functional
        inputs: {image: {shape: [8, 8, 1]}, extra: {shape: [4]}}
        nodes:
          conv: {layer: conv2d, filters: 6, kernel_size: 3, from: image}
          pool: {layer: global_average_pooling2d}
          both: {layer: concatenate, from: [pool, extra]}
          label: {layer: dense, units: 10}
          size: {layer: dense, units: 1, from: both}
        outputs: {label: label, size: size}
    """)
    outputs = model({"image": np.ones((2, 8, 8, 1)), "extra": np.ones((2, 4))})
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {"label": (2, 10), "size": (2, 1)}


def test_one_input_and_one_output_need_no_names() -> None:
    model = built("""
        kind: functional
        inputs: {x: {shape: [4]}}
        nodes: {a: {layer: dense, units: 4}, sum: {layer: add, from: [x, a]}}
        outputs: sum
    """)
    inputs = torch.randn(3, 4)
    torch.testing.assert_close(model(inputs), inputs + model.get_layer("a")(inputs))


def test_a_called_node_shares_its_weights() -> None:
    model = built("""
        kind: functional
        inputs: {x: {shape: [4]}, y: {shape: [4]}}
        nodes:
          a: {layer: dense, units: 4, from: x}
          again: {call: a, from: y}
          difference: {layer: concatenate, from: [a, again]}
        outputs: difference
    """)
    x = torch.randn(3, 4)
    left, right = model({"x": x, "y": x}).split(4, -1)
    torch.testing.assert_close(left, right)
    assert len(model.weights) == 2


@pytest.mark.usefixtures("two_layers")
def test_a_subclassed_model_is_found_by_name() -> None:
    model = built("{kind: subclass, model: two_layers, units: 5}")
    assert model(np.ones((2, 3))).shape == (2, 1)
    assert model.hidden.units == 5


@pytest.mark.usefixtures("two_layers")
def test_the_arguments_of_a_subclassed_model_are_checked() -> None:
    with pytest.raises(ConfigError) as caught:
        built("{kind: subclass, model: two_layers, unit: 5}")
    assert [fault.partition(":")[0] for fault in caught.value.faults] == ["model.unit=5", "model.units is missing"]


def test_a_layer_that_refuses_its_inputs_is_named_with_its_key() -> None:
    with pytest.raises(ConfigError, match=r"model\.layers\.conv: .*conv.*\(None, 4\)"):
        built("""
            kind: sequential
            input: {shape: [4]}
            layers: {conv: {layer: conv2d, filters: 3, kernel_size: 3}}
        """)


def test_nodes_that_do_not_fit_are_named_with_their_key() -> None:
    with pytest.raises(ConfigError, match=r"model\.nodes\.sum: "):
        built("""
            kind: functional
            inputs: {x: {shape: [4]}}
            nodes: {a: {layer: dense, units: 3, from: x}, sum: {layer: add, from: [x, a]}}
            outputs: sum
        """)


def test_nothing_is_built_from_a_faulty_description() -> None:
    with pytest.raises(ConfigError) as caught:
        built("{kind: sequential, layers: {a: {layer: dense}, b: {layer: dens, units: 3}}}")
    assert len(caught.value.faults) == 2


def test_all_that_layers_refuse_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        built("{kind: sequential, layers: {a: {layer: dense, units: 0}, b: {layer: dropout, rate: 7}}}")
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "model.layers.a.units=0",
        "model.layers.b.rate=7",
    ]
