"""Kolmogorov-Arnold layers: the hooks of the plugin.

Addresses, not classes: so that `labkeras list` need not import torch to show them.
"""

from typing import Any

from labkeras import hookimpl

LABKERAS_API = 1

labkeras_check: dict[str, dict[str, Any]] = {
    "layers/chebyshev_kan_dense": {"arguments": {"units": 3}},
    "layers/kan_conv2d": {"arguments": {"filters": 3, "kernel_size": (3, 3)}, "input_shape": (2, 5, 6, 2)},
    "layers/kan_dense": {"arguments": {"units": 3}},
    "layers/rbf_kan_dense": {"arguments": {"units": 3}},
}
"""How `labkeras plugin check` makes and tries the components."""


@hookimpl
def labkeras_register_layers() -> dict[str, str]:
    """Layers whose edges carry learned functions."""
    return {
        "chebyshev_kan_dense": "labkeras_kan.chebyshev_kan_dense:ChebyshevKANDense",
        "kan_conv2d": "labkeras_kan.kan_conv2d:KANConv2D",
        "kan_dense": "labkeras_kan.kan_dense:KANDense",
        "rbf_kan_dense": "labkeras_kan.rbf_kan_dense:RBFKANDense",
    }


@hookimpl
def labkeras_register_callbacks() -> dict[str, str]:
    """What looks at those layers, or sees to their grids, during training."""
    return {
        "kan_edges": "labkeras_kan.kan_edges:KANEdges",
        "kan_grids": "labkeras_kan.kan_grids:KANGrids",
    }


@hookimpl
def labkeras_register_datasets() -> dict[str, str]:
    """Samples of known functions, to be found again."""
    return {"formula": "labkeras_kan.formula:load_data"}


@hookimpl
def labkeras_config_searchpath() -> list[str]:
    """Models and experiments: `labkeras train experiment=kan_formula`."""
    return ["pkg://labkeras_kan.conf"]
