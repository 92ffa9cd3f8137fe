"""The hooks of the plugin: which components it adds, under which names.

Addresses, not classes: so that `labkeras list` need not import torch to show them.
"""

from labkeras import hookimpl


@hookimpl
def labkeras_register_layers() -> dict[str, str]:
    """One layer."""
    return {"gated_dense": "labkeras_example.gated_dense:GatedDense"}


@hookimpl
def labkeras_register_losses() -> dict[str, str]:
    """One loss."""
    return {"generalized_crossentropy": "labkeras_example.generalized_crossentropy:GeneralizedCrossentropy"}
