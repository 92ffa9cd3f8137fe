"""TerminateOnNaN: ends training when the loss is NaN or infinite."""

import math

from labkeras.callbacks.callback import Callback, Logs
from labkeras.callbacks.processes import in_any_process, is_main_process
from labkeras.callbacks.progress import say
from labkeras.errors import NonFiniteLossError

__all__ = ["TerminateOnNaN"]


class TerminateOnNaN(Callback):
    """Ends training after the batch that made the loss NaN or infinite.

    Without this callback `fit` raises an error before such a batch changes the weights, and names the layer that it
    comes from. With it, that check is off, and training ends as Keras ends it.

    Args:
        raise_error: whether to raise an error; then no callback's `on_train_end` is called, so that a
            `BackupAndRestore` keeps what it has. Otherwise training ends as if it were complete.

    Raises:
        NonFiniteLossError: in training, with `raise_error`; it is a RuntimeError, as Keras raises.

    Example:
        >>> TerminateOnNaN(raise_error=True).on_train_batch_end(3, {"loss": float("nan")})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        labkeras...: NaN or Inf loss encountered at batch 3, counted from 0. Received: loss=nan
    """

    takes_tensor_logs = True

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = None if logs is None else logs.get("loss")
        # All processes must end with the same batch, or some wait for the others for ever.
        if not in_any_process(loss is not None and not math.isfinite(loss)):
            return
        if self.raise_error:
            raise _TerminationError(
                f"NaN or Inf loss encountered at batch {batch}, counted from 0. Received: loss={float(loss or 0)}"
            )
        if is_main_process():
            say(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True


class _TerminationError(NonFiniteLossError, RuntimeError):
    """The loss became NaN or infinite; Keras raises RuntimeError."""
