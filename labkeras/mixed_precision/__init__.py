"""Mixed precision: weights in 32 bits, computation in 16; the names that Keras has for it since version 2."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.dtypes import DTypePolicy as DTypePolicy
    from labkeras.dtypes import DTypePolicy as Policy  # noqa: F401  # a second name
    from labkeras.dtypes import dtype_policy as dtype_policy
    from labkeras.dtypes import dtype_policy as global_policy  # noqa: F401  # a second name
    from labkeras.dtypes import set_dtype_policy as set_dtype_policy
    from labkeras.dtypes import set_dtype_policy as set_global_policy  # noqa: F401  # a second name
    from labkeras.optimizers.loss_scale_optimizer import LossScaleOptimizer as LossScaleOptimizer

__all__, __getattr__, __dir__ = exports(__name__)
