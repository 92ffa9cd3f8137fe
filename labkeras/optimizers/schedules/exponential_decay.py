"""ExponentialDecay: the learning rate shrinks by a constant factor."""

import math
from typing import Any

from labkeras.optimizers.schedules.schedule import LearningRateSchedule, check_decay_steps
from labkeras.ranges import Positive

__all__ = ["ExponentialDecay"]


class ExponentialDecay(LearningRateSchedule):
    """Multiplies the learning rate by `decay_rate` every `decay_steps` steps.

    `initial_learning_rate * decay_rate ** (step / decay_steps)`

    Args:
        initial_learning_rate: the learning rate of step 0.
        decay_steps: steps until the learning rate is multiplied by `decay_rate` once, above 0.
        decay_rate: the factor, usually in (0, 1).
        staircase: whether the learning rate stays the same in between: `step / decay_steps` is rounded down.
        name: its name.

    Raises:
        InvalidArgumentError: if `decay_steps` is not above 0.

    Example:
        >>> ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(20)
        tensor(0.0250)
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: Positive,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        check_decay_steps(decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def rate(self, step: float) -> float:
        decays = step / self.decay_steps
        if self.staircase:
            decays = math.floor(decays)
        return float(self.initial_learning_rate * self.decay_rate**decays)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }
