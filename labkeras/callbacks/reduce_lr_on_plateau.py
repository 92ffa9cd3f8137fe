"""ReduceLROnPlateau: lowers the learning rate when a value in the logs no longer gets better."""

import warnings
from typing import Annotated, Any

import numpy as np

from labkeras.callbacks.callback import Logs
from labkeras.callbacks.learning_rates import learning_rate_logs, named_optimizers
from labkeras.callbacks.monitor import MonitorCallback, MonitorMode
from labkeras.callbacks.processes import is_main_process
from labkeras.callbacks.progress import say
from labkeras.errors import InvalidArgumentError
from labkeras.ranges import Range

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate after `patience` epochs in which the monitored value did not get better.

    The learning rate of each epoch is in the logs as `learning_rate`.

    Args:
        monitor: name of the value in the logs.
        factor: what the learning rate is multiplied by, below 1.
        patience: number of epochs to wait for a better value.
        verbose: 1 to say when it acts, 0 to be silent.
        mode: "min" if less is better, "max" if more is, "auto" to go by the value's name.
        min_delta: least change that counts as better; its sign is ignored.
        cooldown: number of epochs after a reduction in which nothing is waited for.
        min_lr: the learning rate never gets lower.

    Raises:
        InvalidArgumentError: for a `factor` of 1 or more; in the first epoch, if `mode` is "auto" and nothing tells the
            direction.

    Example:
        >>> ReduceLROnPlateau(factor=0.5, patience=3).monitor
        'val_loss'
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: Annotated[float, Range(below=1)] = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: MonitorMode = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1.0:
            raise InvalidArgumentError(f"`factor` must be below 1. Received: factor={factor!r}")
        self.factor = factor
        self.min_lr = min_lr
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.choose_comparison()
        logs = {} if logs is None else logs
        logs.update(learning_rate_logs(self.model))
        current = logs.get(self.monitor)
        if current is None:
            warnings.warn(
                f"ReduceLROnPlateau watches {self.monitor!r}, which is not available. "
                f"Available metrics are: {', '.join(logs)}",
                stacklevel=2,
            )
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.is_improvement(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and self._reduce(epoch):
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def in_cooldown(self) -> bool:
        """Whether a reduction is so recent that nothing is waited for yet."""
        return self.cooldown_counter > 0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "cooldown_counter": self.cooldown_counter, "wait": self.wait}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.cooldown_counter, self.wait = state["best"], state["cooldown_counter"], state["wait"]

    def _reduce(self, epoch: int) -> bool:
        """Lowers the learning rates that are above the lowest; whether there was any."""
        reduced = False
        for name, optimizer in named_optimizers(self.model):
            rate = float(optimizer.learning_rate)
            # Learning rates are float32: the lowest one, read back, may be a little above `min_lr`.
            if rate > np.float32(self.min_lr):
                optimizer.learning_rate = new = max(rate * self.factor, self.min_lr)
                reduced = True
                if self.verbose > 0 and is_main_process():
                    which = f"{name} learning rate" if name else "learning rate"
                    say(f"Epoch {epoch + 1}: ReduceLROnPlateau reducing {which} to {new}.")
        return reduced
