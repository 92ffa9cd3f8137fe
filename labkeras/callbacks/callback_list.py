"""CallbackList: calls many callbacks as one."""

import sys
from typing import Any

from labkeras.callbacks.backup_and_restore import BackupAndRestore
from labkeras.callbacks.callback import BATCH_HOOKS, Callback, Logs, Mode, overrides
from labkeras.callbacks.history import History
from labkeras.callbacks.logs import python_logs
from labkeras.callbacks.progbar_logger import ProgbarLogger
from labkeras.callbacks.tensorboard import TensorBoard
from labkeras.callbacks.terminate_on_nan import TerminateOnNaN
from labkeras.errors import InvalidTypeError
from labkeras.nest import flatten

__all__ = ["CallbackList"]


class CallbackList(Callback):
    """Calls callbacks in their order, with logs made of plain numbers.

    Batch hooks are called only on callbacks that have them. Which do is found out when the list is made, so a
    hook that is set on a callback later is not seen.

    Args:
        callbacks: a callback, or a nested list or dict of them. Lightning's callbacks may stand among them: they are
            put aside in `lightning_callbacks` for the Trainer.
        add_history: whether to append a `History` if there is none.
        add_progbar: whether to append a `ProgbarLogger` if there is none.
        model: the model that the callbacks get to see.
        **params: what they get as `params`: "verbose", "epochs", "steps".

    Attributes:
        callbacks: the callbacks, in the order in which they are called.
        lightning_callbacks: those that are Lightning's.
        history: the `History` among the callbacks, or `None`.

    Raises:
        InvalidTypeError: if something in `callbacks` is no callback.

    Example:
        >>> callbacks = CallbackList([LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs))])
        >>> callbacks.on_epoch_end(0, {"loss": torch.tensor(0.5)})
        0 {'loss': 0.5}
    """

    takes_tensor_logs = True

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        self.callbacks: list[Callback] = []
        self.lightning_callbacks: list[Any] = []
        for item in flatten([] if callbacks is None else callbacks):
            (self.callbacks if _is_ours(item) else self.lightning_callbacks).append(item)
        if add_history and not self._has(History):
            self.callbacks.append(History())
        if add_progbar and not self._has(ProgbarLogger):
            self.callbacks.append(ProgbarLogger())
        # Differs from Keras: a backup is made when the others have done their part, whose state it holds.
        self.callbacks.sort(key=lambda callback: isinstance(callback, BackupAndRestore))
        self._backups = [callback for callback in self.callbacks if isinstance(callback, BackupAndRestore)]
        for backup in self._backups:
            backup.others = [callback for callback in self.callbacks if callback not in self._backups]
        self.history = next((callback for callback in self.callbacks if isinstance(callback, History)), None)
        self.set_board(next((callback for callback in self.callbacks if isinstance(callback, TensorBoard)), None))
        self._listeners: dict[str, list[Callback]] = {}
        self._listening: set[Mode] = set()
        self.set_model(model)
        self.set_params(params)

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params
        if params:
            for callback in self.callbacks:
                callback.set_params(params)
        self._find_listeners()

    def set_board(self, board: TensorBoard | None) -> None:
        super().set_board(board)
        for callback in self.callbacks:
            callback.set_board(board)

    def set_model(self, model: Any) -> None:
        if model is None:
            return
        super().set_model(model)
        if self.history is not None:
            model.history = self.history
        for callback in self.callbacks:
            callback.set_model(model)
        self._find_listeners()

    def needs_batch_hooks(self, mode: Mode) -> bool:
        """Whether any callback must be called for every batch.

        Args:
            mode: "train", "test" or "predict".
        """
        return mode in self._listening  # asked in each step

    @property
    def handles_nan(self) -> bool:
        """Whether a callback sees to a loss that is NaN or infinite, so that training need not."""
        return self._has(TerminateOnNaN)

    def resume_batch(self) -> None:
        """Called by training when it has passed over the batches of a run that was broken off within an epoch."""
        for backup in self._backups:
            backup.resume_batch()

    def prepare(self, data: Any, initial_epoch: int) -> None:
        """Called by `fit` before it begins; the arguments are those of `BackupAndRestore.prepare`."""
        for backup in self._backups:
            backup.prepare(data, initial_epoch)

    def before_validation(self, batches: int) -> None:
        """Called by training before an epoch's validation, when so many batches were trained on."""
        for backup in self._backups:
            backup.before_validation(batches)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        numbers = python_logs(logs)
        for callback in self.callbacks:
            callback.on_train_begin(numbers)

    def on_train_end(self, logs: Logs | None = None) -> None:
        numbers = python_logs(logs)
        for callback in self.callbacks:
            callback.on_train_end(numbers)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        numbers = python_logs(logs)
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, numbers)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        # All get one and the same dict: what a callback adds to it, those after it see.
        numbers = python_logs(logs)
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, numbers)

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_train_batch_end", batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        numbers = python_logs(logs)
        for callback in self.callbacks:
            callback.on_batch_begin(batch, logs=numbers)

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        numbers = python_logs(logs)
        for callback in self.callbacks:
            callback.on_batch_end(batch, logs=numbers)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        numbers = python_logs(logs)
        for callback in self.callbacks:
            callback.on_test_begin(numbers)

    def on_test_end(self, logs: Logs | None = None) -> None:
        numbers = python_logs(logs)
        for callback in self.callbacks:
            callback.on_test_end(numbers)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_test_batch_end", batch, logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        numbers = python_logs(logs)
        for callback in self.callbacks:
            callback.on_predict_begin(numbers)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        numbers = python_logs(logs)
        for callback in self.callbacks:
            callback.on_predict_end(numbers)

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_predict_batch_end", batch, logs)

    def _has(self, kind: type[Callback]) -> bool:
        return any(isinstance(callback, kind) for callback in self.callbacks)

    def _find_listeners(self) -> None:
        self._listening = set()
        for mode, hooks in BATCH_HOOKS.items():
            called = [callback for callback in self.callbacks if callback.needs_batch_hooks(mode)]
            for hook in hooks:
                self._listeners[hook] = [callback for callback in called if overrides(callback, hook)]
            if any(self._listeners[hook] for hook in hooks):
                self._listening.add(mode)

    def _call(self, hook: str, batch: int, logs: Logs | None) -> None:
        numbers: dict[str, Any] | None = None
        for callback in self._listeners[hook]:
            if callback.takes_tensor_logs:
                getattr(callback, hook)(batch, logs={} if logs is None else logs)
            else:
                # Made for the first callback that wants numbers, shared by the others.
                numbers = python_logs(logs) if numbers is None else numbers
                getattr(callback, hook)(batch, logs=numbers)


def _is_ours(item: Any) -> bool:
    """Whether `item` is a callback of ours; False for one of Lightning's, an error for anything else."""
    if isinstance(item, Callback):
        return True
    # Whoever has a Lightning callback has imported Lightning; importing it here would take seconds.
    lightning = sys.modules.get("pytorch_lightning")
    if lightning is not None and isinstance(item, lightning.Callback):
        return False
    raise InvalidTypeError(
        "`callbacks` takes objects of labkeras.callbacks.Callback and of pytorch_lightning.Callback. "
        f"Received: {item!r} of type {type(item).__module__}.{type(item).__qualname__}{_advice(item)}"
    )


def _advice(item: Any) -> str:
    if isinstance(item, type):
        return f"\n  Perhaps: {item.__name__}(…), an object of that class"
    module = type(item).__module__.split(".")[0]
    if module == "lightning":
        # A second copy of Lightning under another name, whose callbacks the first copy's Trainer would not call.
        return f"\n  Perhaps: pytorch_lightning.callbacks.{type(item).__name__}, of the package that labkeras uses"
    if module == "keras":
        return f"\n  Perhaps: labkeras.callbacks.{type(item).__name__}"
    return ""
