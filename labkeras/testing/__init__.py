"""Checks for components of plugins and of your own: `check_layer`, `check_loss`, … each looks at all that a kind has.

>>> from labkeras.layers import Dense
>>> check_layer(Dense, {"units": 3}, input_shape=(2, 5))

A check raises a `PropertyError`, an AssertionError that says which property is missing, what was found, and what to
do. `skip=("vmap",)` leaves out what a component cannot have by its nature. `labkeras plugin check NAME` shows the same
for everything that a plugin offers, as a table.
"""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.testing.callbacks import CALLBACK_PROPERTIES as CALLBACK_PROPERTIES
    from labkeras.testing.callbacks import check_callback as check_callback
    from labkeras.testing.datasets import DATASET_PROPERTIES as DATASET_PROPERTIES
    from labkeras.testing.datasets import check_dataset as check_dataset
    from labkeras.testing.layers import LAYER_PROPERTIES as LAYER_PROPERTIES
    from labkeras.testing.layers import check_layer as check_layer
    from labkeras.testing.losses import LOSS_PROPERTIES as LOSS_PROPERTIES
    from labkeras.testing.losses import check_loss as check_loss
    from labkeras.testing.metrics import METRIC_PROPERTIES as METRIC_PROPERTIES
    from labkeras.testing.metrics import check_metric as check_metric
    from labkeras.testing.optimizers import OPTIMIZER_PROPERTIES as OPTIMIZER_PROPERTIES
    from labkeras.testing.optimizers import check_optimizer as check_optimizer
    from labkeras.testing.processes import run_ranks as run_ranks
    from labkeras.testing.properties import NotApplicable as NotApplicable
    from labkeras.testing.properties import PropertyError as PropertyError

__all__, __getattr__, __dir__ = exports(__name__)
