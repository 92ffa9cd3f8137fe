"""EarlyStopping: ends training when a value in the logs no longer gets better."""

import warnings
from typing import Any

from labkeras.callbacks.callback import Logs
from labkeras.callbacks.monitor import MonitorCallback, MonitorMode
from labkeras.callbacks.processes import is_main_process
from labkeras.callbacks.progress import say

__all__ = ["EarlyStopping"]

_STATE = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights")


class EarlyStopping(MonitorCallback):
    """Ends training after `patience` epochs in which the monitored value did not get better.

    Args:
        monitor: name of the value in the logs.
        min_delta: least change that counts as better; its sign is ignored.
        patience: number of epochs to wait for a better value.
        verbose: 1 to say when it acts, 0 to be silent.
        mode: "min" if less is better, "max" if more is, "auto" to go by the value's name.
        baseline: value that must be beaten for the waiting to start anew; `None` if the best one so far is what counts.
        restore_best_weights: whether the model gets back the weights of its best epoch when training ends, even if that
            epoch did not beat the baseline.
        start_from_epoch: number of epochs at the start in which nothing is watched.

    Attributes:
        best: the best value.
        best_epoch: its epoch, from 0.
        stopped_epoch: the epoch in which it ended training; 0 if it did not.

    Raises:
        InvalidArgumentError: in the first epoch, if `mode` is "auto" and nothing tells the direction.

    Example:
        >>> EarlyStopping(patience=3, restore_best_weights=True).monitor
        'val_loss'
    """

    wait: int
    stopped_epoch: int
    best_epoch: int
    best_weights: list[Any] | None

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: MonitorMode = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._start_anew()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._start_anew()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.choose_comparison()
        current = self.get_monitor_value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.is_improvement(current, self.best):
            self._remember(epoch, current)
            if self.baseline is None or self.is_improvement(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        speaks = self.verbose > 0 and is_main_process()
        if self.stopped_epoch > 0 and speaks:
            say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if speaks:
                say(f"Restoring the model's weights of the best epoch, {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in _STATE:
            setattr(self, name, state[name])

    def get_monitor_value(self, logs: Logs | None) -> Any:
        """The monitored value, or None with a warning if it is not in the logs; may be overridden."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"EarlyStopping watches {self.monitor!r}, which is not available. "
                f"Available metrics are: {', '.join(logs or ())}",
                stacklevel=2,
            )
        return value

    def _start_anew(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_epoch = 0
        self.best_weights = None

    def _remember(self, epoch: int, value: Any) -> None:
        self.best = value
        self.best_epoch = epoch
        if self.restore_best_weights:
            # A view would go on changing as the model is trained.
            self.best_weights = [
                weight if weight.flags.owndata else weight.copy() for weight in self.model.get_weights()
            ]
