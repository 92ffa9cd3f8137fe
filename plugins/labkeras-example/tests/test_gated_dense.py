"""GatedDense: its formula, its config, its errors."""

import pytest
import torch
from torch.testing import assert_close

from labkeras.errors import InvalidArgumentError
from labkeras.serialization import deserialize_keras_object, serialize_keras_object
from labkeras_example.gated_dense import GatedDense


def test_it_is_a_linear_map_times_a_gate() -> None:
    layer, inputs = GatedDense(3), torch.randn(4, 5)
    outputs = layer(inputs)
    gate = torch.sigmoid(inputs @ layer.gate_kernel + layer.gate_bias)
    assert_close(outputs, (inputs @ layer.kernel + layer.bias) * gate)


def test_a_config_makes_an_equal_layer() -> None:
    layer = GatedDense(3, gate_activation="tanh", name="gated")
    config = serialize_keras_object(layer)
    assert config["registered_name"] == "labkeras-example>GatedDense"
    restored = deserialize_keras_object(config, kind="layers")
    assert isinstance(restored, GatedDense)
    assert restored.get_config() == layer.get_config()


@pytest.mark.parametrize("units", [0, -1, 2.5, "3"])
def test_it_names_the_bad_units(units: object) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"positive integer\. Received: units={units!r}"):
        GatedDense(units)  # type: ignore[arg-type]
