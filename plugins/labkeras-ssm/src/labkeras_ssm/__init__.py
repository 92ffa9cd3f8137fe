"""State-space sequence layers: the hooks of the plugin.

Addresses, not classes: so that `labkeras list` need not import torch to show them.
"""

from typing import Any

from labkeras import hookimpl

LABKERAS_API = 1

# States are outputs of a cell too, and kept in single precision at least, whatever the policy's type is.
_STATES = ("dtype_policies",)
# A single step from zeros, with which cells are tried, does not show how fast a state decays.
_FIRST_STEP = ("training_step",)

labkeras_check: dict[str, dict[str, Any]] = {
    "layers/mamba": {"arguments": {"units": 3}, "input_shape": (2, 6, 5)},
    "layers/mamba_cell": {"arguments": {"units": 3}, "skip": (*_STATES, *_FIRST_STEP)},
    "layers/s4d": {"arguments": {"units": 3}, "input_shape": (2, 6, 5)},
    "layers/s4d_cell": {"arguments": {"units": 3}, "skip": _STATES},
}
"""How `labkeras plugin check` makes and tries the components."""


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
