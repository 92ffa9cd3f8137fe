"""History: the logs of all epochs."""

from typing import Any

from labkeras.callbacks.callback import Callback, Logs
from labkeras.callbacks.history_chart import history_html

__all__ = ["History"]


class History(Callback):
    """Keeps the logs of every epoch; `fit` adds one by itself and returns it. A notebook shows it as charts.

    Attributes:
        history: name of a loss or metric → its values, one an epoch.
        epoch: the numbers of the epochs, from 0.

    Example:
        >>> history = History()
        >>> CallbackList([history]).on_train_begin()
        >>> history.history
        {}
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        if self.model is not None:
            self.model.history = self

    def _repr_html_(self) -> str:
        return history_html(self.history, self.epoch)

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "history": self.history}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch, self.history = state["epoch"], state["history"]
