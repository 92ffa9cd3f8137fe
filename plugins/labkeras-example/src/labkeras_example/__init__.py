"""The hooks of the plugin: which components it adds, under which names.

Addresses, not classes: so that `labkeras list` need not import torch to show them.
"""

from labkeras import hookimpl

LABKERAS_API = 1  # the version of the hooks that this is written for
# How `labkeras plugin check` makes what has no default.
labkeras_check = {
    "layers/gated_dense": {"arguments": {"units": 3}},
    "losses/generalized_crossentropy": {"y_true": [0, 1, 2, 3, 0, 1]},
}


@hookimpl
def labkeras_register_layers() -> dict[str, str]:
    """Name → where the layer is."""
    return {
        "gated_dense": "labkeras_example.gated_dense:GatedDense",
    }


@hookimpl
def labkeras_register_losses() -> dict[str, str]:
    """Name → where the loss is."""
    return {
        "generalized_crossentropy": "labkeras_example.generalized_crossentropy:GeneralizedCrossentropy",
    }
