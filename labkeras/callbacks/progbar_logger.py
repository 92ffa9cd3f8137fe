"""ProgbarLogger: the progress bar of fit, evaluate and predict."""

from typing import Any

from labkeras import config
from labkeras.callbacks.callback import Callback, Logs, Mode
from labkeras.callbacks.processes import is_main_process
from labkeras.callbacks.progress import ProgressBar

__all__ = ["ProgbarLogger"]


class ProgbarLogger(Callback):
    """Shows progress, losses and metrics; `fit`, `evaluate` and `predict` add one unless `verbose=0`.

    It goes by `params`: with "verbose" 1 there is a progress bar an epoch, with 2 a line an epoch. "auto" is a bar, or
    a line after `labkeras.config.disable_interactive_logging()`. Validation within `fit` shows nothing of its own.

    Example:
        >>> callbacks = CallbackList([ProgbarLogger()], verbose=2, epochs=1, steps=3)
        >>> callbacks.on_epoch_begin(0)
        >>> callbacks.on_epoch_end(0, {"loss": 0.25})  # doctest: +ELLIPSIS
        3/3 - 0s - ...us/step - loss: 0.2500
    """

    takes_tensor_logs = True

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.target: int | None = None
        self.verbose = 1
        self.epochs = 1
        self._progress: ProgressBar | None = None
        self._in_fit = False

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        verbose = params.get("verbose", 1)
        if verbose == "auto":
            verbose = 1 if config.is_interactive_logging_enabled() else 2
        self.verbose = int(verbose) if is_main_process() else 0
        self.epochs = params.get("epochs", 1)
        self.target = params.get("steps")

    def needs_batch_hooks(self, mode: Mode) -> bool:
        # Where only the end of an epoch is shown, batches are of interest only if their number is not known.
        return self.verbose == 1 or (self.verbose > 0 and self.target is None)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._in_fit = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._in_fit = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._start(title=f"Epoch {epoch + 1}/{self.epochs}" if self.epochs > 1 else "")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._finish(logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._update(batch, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._start()

    def on_test_end(self, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._finish(logs)

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._update(batch, logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._start()

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._finish(None)

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        # What the model returned is no metric.
        self._update(batch, None)

    def _start(self, title: str = "") -> None:
        self.seen = 0
        self._progress = ProgressBar(self.target, title, bar=self.verbose == 1) if self.verbose else None

    def _update(self, batch: int, logs: Logs | None) -> None:
        self.seen = batch + 1
        if self._progress is not None:
            self._progress.update(self.seen, logs)

    def _finish(self, logs: Logs | None) -> None:
        if self._progress is None:
            return
        if self.target is None:
            # Later epochs have as many batches as the first.
            self.target = self._progress.target = self.seen
        # Differs from Keras: where training was stopped within an epoch, the number of batches that were seen is shown.
        self._progress.finish(self.seen or self.target, logs)
        self._progress = None
