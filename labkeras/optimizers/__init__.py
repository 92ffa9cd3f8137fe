"""Optimizers: torch's, with Keras's arguments and numbers."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.optimizers import schedules as schedules
    from labkeras.optimizers.adam import Adam as Adam
    from labkeras.optimizers.adamw import AdamW as AdamW
    from labkeras.optimizers.lookup import deserialize as deserialize
    from labkeras.optimizers.lookup import get as get
    from labkeras.optimizers.lookup import serialize as serialize
    from labkeras.optimizers.loss_scale_optimizer import LossScaleOptimizer as LossScaleOptimizer
    from labkeras.optimizers.optimizer import Optimizer as Optimizer
    from labkeras.optimizers.rmsprop import RMSprop as RMSprop
    from labkeras.optimizers.sgd import SGD as SGD

__all__, __getattr__, __dir__ = exports(__name__)
