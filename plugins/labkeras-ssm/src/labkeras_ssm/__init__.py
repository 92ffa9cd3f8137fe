"""State-space sequence layers: the hooks of the plugin.

Addresses, not classes: so that `labkeras list` need not import torch to show them.
"""

from labkeras import hookimpl


@hookimpl
def labkeras_register_layers() -> dict[str, str]:
    """Layers that read sequences, and the cells that take their steps one by one."""
    return {
        "mamba": "labkeras_ssm.mamba:Mamba",
        "mamba_cell": "labkeras_ssm.mamba:MambaCell",
        "s4d": "labkeras_ssm.s4d:S4D",
        "s4d_cell": "labkeras_ssm.s4d:S4DCell",
    }


@hookimpl
def labkeras_config_searchpath() -> list[str]:
    """Models and experiments: `labkeras train experiment=sequential_digits`."""
    return ["pkg://labkeras_ssm.conf"]
