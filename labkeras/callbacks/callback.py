"""Callback: what all callbacks derive from, with Keras's hooks."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch.nn.parallel import DistributedDataParallel

if TYPE_CHECKING:
    from labkeras.callbacks.tensorboard import TensorBoard

__all__ = ["BATCH_HOOKS", "Callback", "Logs", "Mode", "overrides"]

Logs = dict[str, Any]
"""Names of losses and metrics → their values."""

Mode = Literal["train", "test", "predict"]

BATCH_HOOKS: dict[Mode, tuple[str, str]] = {
    "train": ("on_train_batch_begin", "on_train_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}
"""The hooks that are called for every batch."""

# The base class passes these on to the names that they had before Keras 2.2.
_OLD_NAMES = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


class Callback:
    """Base of all callbacks: override the hooks that you need.

    Hooks run in this order: `on_train_begin`, then for each epoch `on_epoch_begin`, the batches, validation
    (`on_test_begin` to `on_test_end`) and `on_epoch_end`, at last `on_train_end`. `evaluate` and `predict` call the
    `test` and `predict` hooks. Epochs and batches count from 0. `logs` holds numbers; those of a batch are the averages
    of the epoch so far, those of an epoch have the validation's under `val_` names.

    Setting `self.model.stop_training = True` ends training after the batch.

    Attributes:
        model: the model that is trained, evaluated or asked for predictions.
        params: how: "verbose", "epochs", and "steps", the batches of an epoch (`None` if unknown).
        takes_tensor_logs: set it to True in a class whose batch hooks can do with tensors in `logs`; on an accelerator
            this saves waiting for their values after every batch.

    Example:
        >>> class Stop(Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         self.model.stop_training = logs["loss"] < 0.1
    """

    takes_tensor_logs: ClassVar[bool] = False
    params: dict[str, Any] | None = None
    _model: Any = None
    _board: "TensorBoard | None" = None

    def __init__(self) -> None:
        self.params = None
        self._model = None

    def set_params(self, params: dict[str, Any]) -> None:
        """Called once before the first hook, with what `params` is to hold."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Called once before the first hook, with the model."""
        self._model = model

    @property
    def model(self) -> Any:
        """The model that is trained, evaluated or asked for predictions; `None` before."""
        # A hand-written loop may pass the wrapper, which has none of a model's own methods.
        return self._model.module if isinstance(self._model, DistributedDataParallel) else self._model

    @property
    def board(self) -> "TensorBoard | None":
        """The `TensorBoard` among the callbacks, the first of several; `None` if there is none.

        Whatever a callback finds out, it can show there: `self.board.add_scalar("sparsity", share, step=epoch)`.
        """
        return self._board

    def set_board(self, board: "TensorBoard | None") -> None:
        """Called once before the first hook, with the `TensorBoard` among the callbacks."""
        self._board = board

    def needs_batch_hooks(self, mode: Mode) -> bool:
        """Whether this callback must be called for every batch: by default, if it overrides one of the batch hooks.

        Where no callback must, training runs through an epoch without calling any. A class whose settings decide may
        override this; it is asked after `set_params` and `set_model`.

        Args:
            mode: "train", "test" or "predict".
        """
        return any(overrides(self, hook) for hook in BATCH_HOOKS[mode])

    def state_dict(self) -> dict[str, Any]:
        """What a run that is taken up again after an interruption must know of this callback; nothing by default.

        Returns:
            Nested dicts and lists of numbers, strings, None, arrays and tensors. `BackupAndRestore` keeps it.
        """
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Called after all callbacks' `on_train_begin`, if the run is taken up again.

        Args:
            state: what `state_dict` returned, with lists for tuples and arrays for tensors.
        """

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called before the first epoch; `logs` is empty."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called after training; `logs` are those of the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called before an epoch of training; `logs` is empty."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after an epoch of training and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch of training; `logs` is empty."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a batch of training."""
        self.on_batch_end(batch, logs=logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """The older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """The older name of `on_train_batch_end`."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Called before evaluation or validation; `logs` is empty."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Called after evaluation or validation; names in `logs` have no `val_`."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch of evaluation or validation; `logs` is empty."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a batch of evaluation or validation."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Called before prediction; `logs` is empty."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Called after prediction; `logs` is empty."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch of prediction; `logs` is empty."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a batch of prediction; `logs["outputs"]` is what the model returned."""


def overrides(callback: Callback, hook: str) -> bool:
    """Whether a callback has its own version of a hook, in its class or set on it, also under the hook's old name."""
    names = (hook, _OLD_NAMES[hook]) if hook in _OLD_NAMES else (hook,)
    return any(name in vars(callback) or getattr(type(callback), name) is not getattr(Callback, name) for name in names)
