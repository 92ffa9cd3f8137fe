"""GatedDense: what every layer has, its formula, its errors."""

import pytest
import torch
from torch.testing import assert_close

from labkeras.errors import InvalidArgumentError
from labkeras.testing import check_layer
from labkeras_example.gated_dense import GatedDense


@pytest.mark.parametrize("shape", [(2, 5), (2, 4, 5)])
def test_it_has_what_every_layer_has(shape: tuple[int, ...]) -> None:
    check_layer(GatedDense, {"units": 3, "gate_activation": "tanh"}, input_shape=shape)


def test_it_is_a_linear_map_times_a_gate() -> None:
    layer, inputs = GatedDense(3), torch.randn(4, 5)
    outputs = layer(inputs)
    gate = torch.sigmoid(inputs @ layer.gate_kernel + layer.gate_bias)
    assert_close(outputs, (inputs @ layer.kernel + layer.bias) * gate)


@pytest.mark.parametrize("units", [0, -1, 2.5, "3"])
def test_it_names_the_bad_units(units: object) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"positive integer\. Received: units={units!r}"):
        GatedDense(units)
