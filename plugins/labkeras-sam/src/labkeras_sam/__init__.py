"""Sharpness-aware minimisation: the hooks of the plugin.

Addresses, not classes: so that `labkeras list` need not import torch to show them.
"""

from labkeras import hookimpl


@hookimpl
def labkeras_register_optimizers() -> dict[str, str]:
    """An optimizer around any other."""
    return {"sam": "labkeras_sam.sam:SAM"}


@hookimpl
def labkeras_config_searchpath() -> list[str]:
    """Experiments: `labkeras train -m experiment=sam_digits`."""
    return ["pkg://labkeras_sam.conf"]
