"""LearningRateScheduler: sets the learning rate of each epoch."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from labkeras.callbacks.callback import Callback, Logs
from labkeras.callbacks.learning_rates import learning_rate_logs, named_optimizers
from labkeras.callbacks.processes import is_main_process
from labkeras.callbacks.progress import say
from labkeras.errors import InvalidArgumentError, InvalidTypeError

__all__ = ["LearningRateScheduler"]


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch; it is in the logs as `learning_rate`.

    Args:
        schedule: called as `schedule(epoch, learning_rate)` with the epoch, from 0, and the learning rate now; returns
            the new one, a float. A function of the epoch alone will do.
        verbose: 1 to say what it sets, 0 to be silent.

    Raises:
        InvalidTypeError: if `schedule` is no function.
        InvalidArgumentError: in training, if the optimizer has no learning rate, or `schedule` returns no float.

    Example:
        >>> halved = LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
        >>> model = Sequential([Input((1,)), Dense(1)])
        >>> model.compile(SGD(0.5), "mse")
        >>> model.fit(torch.ones(4, 1), torch.ones(4, 1), epochs=3, callbacks=[halved], verbose=0).history[
        ...     "learning_rate"
        ... ]
        [0.5, 0.25, 0.125]
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        if not callable(schedule):
            raise InvalidTypeError(f"`schedule` must be a function. Received: schedule={schedule!r}")
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        for name, optimizer in named_optimizers(self.model):
            if not hasattr(optimizer, "learning_rate"):
                raise InvalidArgumentError(f'Optimizer must have a "learning_rate" attribute. Received: {optimizer!r}')
            rate = self._rate(epoch, float(optimizer.learning_rate))
            optimizer.learning_rate = rate
            if self.verbose > 0 and is_main_process():
                which = f"{name} learning rate" if name else "learning rate"
                say(f"Epoch {epoch + 1}: LearningRateScheduler setting {which} to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs.update(learning_rate_logs(self.model))

    def _rate(self, epoch: int, rate: float) -> float:
        new = self.schedule(epoch, rate) if _takes_two(self.schedule) else self.schedule(epoch)
        # Differs from Keras: a scalar tensor will do too, which is what torch's functions make of a float.
        if isinstance(new, float | np.floating) or (isinstance(new, Tensor) and new.ndim == 0):
            return float(new)
        raise InvalidArgumentError(f"The output of the `schedule` function should be a float. Received: {new!r}")


def _takes_two(schedule: Any) -> bool:
    """Whether a function takes the epoch and the learning rate; one of before Keras 2.1 takes the epoch alone.

    Differs from Keras: there it is called with two arguments, and any TypeError, one within it too, lets it be called
    with one.
    """
    try:
        inspect.signature(schedule).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # a function of C without a signature
        return True
    return True
