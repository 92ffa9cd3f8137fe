"""What all layers have, these have."""

from typing import Any

import pytest

from labkeras.layers import Layer
from labkeras.testing import check_layer
from labkeras_ssm.mamba import Mamba
from labkeras_ssm.s4d import S4D

ALL_OF_S4D: dict[str, Any] = {
    "units": 3,
    "state_dim": 4,
    "initialization": "real",
    "discretization": "bilinear",
    "dt_min": 0.01,
    "dt_max": 0.5,
    "activation": "tanh",
    "use_glu": False,
    "use_bias": False,
    "kernel_regularizer": "l2",
    "return_sequences": True,
    "go_backwards": True,
}
ALL_OF_MAMBA: dict[str, Any] = {
    "units": 3,
    "state_dim": 4,
    "expand": 1,
    "conv_size": 2,
    "dt_rank": 2,
    "dt_min": 0.01,
    "dt_max": 0.5,
    "activation": "tanh",
    "use_bias": True,
    "use_conv_bias": False,
    "kernel_regularizer": "l2",
    "return_sequences": True,
    "go_backwards": True,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (S4D, {"units": 3}),
        (S4D, {"units": 3, "initialization": "inv", "return_sequences": True, "zero_output_for_mask": True}),
        (S4D, ALL_OF_S4D),
        (S4D, {"units": 3, "return_state": True}),
        (Mamba, {"units": 3}),
        (Mamba, {"units": 3, "return_sequences": True, "zero_output_for_mask": True}),
        (Mamba, ALL_OF_MAMBA),
        (Mamba, {"units": 3, "return_state": True}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_it_does_what_layers_do(cls: type[Layer], arguments: dict[str, Any]) -> None:
    # States are kept in single precision at least, whatever is computed in: they are outputs of another type.
    skip = ("dtype_policies",) if arguments.get("return_state") else ()
    check_layer(cls, arguments, input_shape=(2, 6, 5), skip=skip)
