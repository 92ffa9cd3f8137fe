"""Learning rates that change with the step."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.optimizers.schedules.cosine_decay import CosineDecay as CosineDecay
    from labkeras.optimizers.schedules.exponential_decay import ExponentialDecay as ExponentialDecay
    from labkeras.optimizers.schedules.lookup import deserialize as deserialize
    from labkeras.optimizers.schedules.lookup import serialize as serialize
    from labkeras.optimizers.schedules.schedule import LearningRateSchedule as LearningRateSchedule

__all__, __getattr__, __dir__ = exports(__name__)
