"""LearningRateSchedule: what every schedule of the learning rate is."""

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from labkeras import dtypes
from labkeras.errors import InvalidArgumentError
from labkeras.serialization import register_base

__all__ = ["LearningRateSchedule", "check_decay_steps"]


class LearningRateSchedule:
    """A learning rate for each step; give one to an optimizer in place of a number.

    The schedules here are formulas of Python numbers: they override `rate` and `get_config`. Your own may do the same,
    or override `__call__`, as Keras's do, which is given the step as a scalar tensor.

    Example:
        >>> class Halving(LearningRateSchedule):
        ...     def rate(self, step: float) -> float:
        ...         return 0.5**step
        >>> Halving()(2)
        tensor(0.2500)
    """

    def __call__(self, step: Any) -> Tensor:
        """The learning rates of steps.

        Args:
            step: a step, counted from 0, or an array or tensor of steps.

        Shapes:
            step: any
            output: that of `step`
        """
        steps = step if isinstance(step, Tensor) else torch.as_tensor(np.asarray(step))
        rates = [self.rate(each) for each in steps.flatten().tolist()]
        return torch.tensor(rates, dtype=dtypes.to_torch(None), device=steps.device).reshape(steps.shape)

    def rate(self, step: float) -> float:
        """The learning rate of one step, in Python numbers: an optimizer asks at every step, so no tensor is made."""
        raise NotImplementedError(
            f"the learning rate schedule {type(self).__name__} must override `__call__` or `rate`."
        )

    def rate_at(self, step: int) -> float:
        """The learning rate of one step as a Python number, whichever of `rate` and `__call__` was overridden."""
        if type(self).__call__ is LearningRateSchedule.__call__:
            return self.rate(step)
        return float(self(torch.tensor(step)))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal schedule."""
        raise NotImplementedError(
            f"the learning rate schedule {type(self).__name__} must override `get_config` to be saved."
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The schedule that `get_config` described."""
        return cls(**config)


def check_decay_steps(decay_steps: float, name: str = "decay_steps") -> None:
    """Raises InvalidArgumentError unless a number of steps to decay over is above 0."""
    if not decay_steps > 0:
        raise InvalidArgumentError(f"`{name}` must be above 0. Received: {name}={decay_steps!r}")


register_base("schedules", LearningRateSchedule)
