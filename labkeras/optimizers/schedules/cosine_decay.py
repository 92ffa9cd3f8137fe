"""CosineDecay: the learning rate follows half a cosine down, after an optional warm-up."""

import math
from typing import Any

from labkeras.errors import InvalidArgumentError
from labkeras.optimizers.schedules.schedule import LearningRateSchedule, check_decay_steps
from labkeras.ranges import NonNegative, Positive

__all__ = ["CosineDecay"]


class CosineDecay(LearningRateSchedule):
    """Lowers the learning rate along half a cosine, and holds it there.

    With `progress` from 0 to 1 over `decay_steps`, and `start` the learning rate at which the decay begins:
    `start * ((1 - alpha) * (1 + cos(pi * progress)) / 2 + alpha)`

    Args:
        initial_learning_rate: the learning rate of step 0.
        decay_steps: steps that the decay takes, after the warm-up; above 0.
        alpha: the learning rate at the end, as a fraction of that at which the decay begins; in [0, 1].
        name: its name.
        warmup_target: the learning rate that a linear warm-up ends with, and the decay begins with; `None`: no warm-up.
        warmup_steps: steps that the warm-up takes; 0 begins with the decay from `warmup_target`.

    Raises:
        InvalidArgumentError: if `decay_steps` is not above 0, or `warmup_steps` is below 0.

    Reference:
        Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2016, arXiv:1608.03983

    Example:
        >>> CosineDecay(0.0, decay_steps=100, warmup_target=0.1, warmup_steps=10)([5, 10, 60, 110])
        tensor([0.0500, 0.1000, 0.0500, 0.0000])
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: Positive,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: NonNegative = 0,
    ) -> None:
        check_decay_steps(decay_steps)
        if warmup_steps < 0:
            raise InvalidArgumentError(f"`warmup_steps` must not be below 0. Received: warmup_steps={warmup_steps!r}")
        # Differs from Keras: a whole number as `initial_learning_rate` is a number like any other; Keras would compute
        # everything in integers, and warm up to 0.
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def rate(self, step: float) -> float:
        if self.warmup_target is None:
            return self._decayed(step, self.initial_learning_rate)
        if step < self.warmup_steps:
            rise = self.warmup_target - self.initial_learning_rate
            return self.initial_learning_rate + rise * step / self.warmup_steps
        return self._decayed(step - self.warmup_steps, self.warmup_target)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }

    def _decayed(self, step: float, start: float) -> float:
        progress = min(step, self.decay_steps) / self.decay_steps
        cosine = (1 + math.cos(math.pi * progress)) / 2
        return start * ((1 - self.alpha) * cosine + self.alpha)
