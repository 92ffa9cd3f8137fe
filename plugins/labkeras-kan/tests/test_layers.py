"""What all layers have, these have."""

from typing import Any

import pytest

from labkeras.layers import Layer
from labkeras.testing import check_layer
from labkeras_kan.chebyshev_kan_dense import ChebyshevKANDense
from labkeras_kan.kan_conv2d import KANConv2D
from labkeras_kan.kan_dense import KANDense
from labkeras_kan.rbf_kan_dense import RBFKANDense

EVERYTHING: dict[str, Any] = {
    "units": 3,
    "activation": "tanh",
    "use_bias": True,
    "grid_size": 4,
    "spline_order": 2,
    "grid_range": (-2, 3),
    "base_activation": "relu",
    "spline_initializer": "he_normal",
    "base_regularizer": "l2",
    "spline_regularizer": "l1",
    "spline_constraint": "max_norm",
    "edge_l1": 0.01,
    "edge_entropy": 0.02,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cls", "arguments", "shape"),
    [
        (KANDense, {"units": 3}, (2, 5)),
        (KANDense, {"units": 3}, (2, 4, 5)),
        (KANDense, EVERYTHING, (2, 5)),
        (RBFKANDense, {"units": 3}, (2, 5)),
        (RBFKANDense, {"units": 3, "normalize": False, "use_bias": False}, (2, 4, 5)),
        (ChebyshevKANDense, {"units": 3}, (2, 5)),
        (ChebyshevKANDense, {"units": 3, "degree": 1, "use_bias": False}, (2, 4, 5)),
        (KANConv2D, {"filters": 3, "kernel_size": 3}, (2, 5, 6, 2)),
        (KANConv2D, {"filters": 3, "kernel_size": (2, 3), "strides": 2, "padding": "same"}, (2, 5, 6, 2)),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_it_does_what_layers_do(cls: type[Layer], arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    check_layer(cls, arguments, input_shape=shape)
