"""Sharpness-aware minimisation: the hooks of the plugin.

Addresses, not classes: so that `labkeras list` need not import torch to show them.
"""

from typing import Any

from labkeras import hookimpl

LABKERAS_API = 1

labkeras_check: dict[str, Any] = {"datasets/noisy_digits": {"arguments": {"rows": 100}}}
"""How `labkeras plugin check` tries what needs arguments."""


@hookimpl
def labkeras_register_optimizers() -> dict[str, str]:
    """An optimizer around any other."""
    return {"sam": "labkeras_sam.sam:SAM"}


@hookimpl
def labkeras_register_datasets() -> dict[str, str]:
    """Data to try it on."""
    return {"noisy_digits": "labkeras_sam.noisy_digits:load_data"}


@hookimpl
def labkeras_config_searchpath() -> list[str]:
    """Experiments: `labkeras train -m experiment=sam_digits`."""
    return ["pkg://labkeras_sam.conf"]
