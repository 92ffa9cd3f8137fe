"""ModelCheckpoint: saves the model, or its weights, while it is trained."""

import os
import string
import warnings
from pathlib import Path
from typing import Any, Literal

from labkeras.callbacks.batch_counter import BatchCounter
from labkeras.callbacks.callback import Logs, Mode
from labkeras.callbacks.monitor import MonitorCallback, MonitorMode
from labkeras.callbacks.processes import is_main_process
from labkeras.callbacks.progress import say
from labkeras.errors import InvalidArgumentError, UnsupportedArgumentError

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights, after every epoch or every so many batches.

    A file is written whole or not at all, so that a run that is killed leaves the last complete one.

    Args:
        filepath: where to save. Names in braces are filled in from the logs, with "epoch" and "batch" counted from 1:
            "{epoch:02d}-{val_loss:.2f}.keras". It ends in ".keras", or with `save_weights_only` in ".weights.h5".
        monitor: name of the value in the logs that tells how good the model is.
        verbose: 1 to say when it acts, 0 to be silent.
        save_best_only: whether to save only when the monitored value is better than ever before.
        save_weights_only: whether to save the weights alone, with `model.save_weights`.
        mode: "min" if less is better, "max" if more is, "auto" to go by the value's name.
        save_freq: "epoch", or a number of batches, at least 1. Values of batches are averages of the epoch so far.
        initial_value_threshold: value that the first one must be better than; only with `save_best_only`.

    Raises:
        InvalidArgumentError: for a path with another ending or broken braces, or another `save_freq`; when it saves, if
            the path names something that is not in the logs, or is a folder.
        UnsupportedArgumentError: for Keras's legacy ".h5" files.

    Example:
        >>> ModelCheckpoint("best.keras", monitor="val_accuracy", save_best_only=True).filepath
        'best.keras'
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: MonitorMode = "auto",
        save_freq: Literal["epoch"] | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.verbose = verbose
        self.filepath = os.fspath(filepath)
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        _check_save_freq(save_freq)
        _check_filepath(self.filepath, save_weights_only)
        self.saved: tuple[int, str] | None = None
        """The epoch in which it last saved, from 0, and the file."""
        self._epoch = 0
        self._counter = BatchCounter()

    def needs_batch_hooks(self, mode: Mode) -> bool:
        return mode == "train" and self.save_freq != "epoch"

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self.save_freq != "epoch" and self._counter.is_due(batch, self.save_freq):
            self._save(self._epoch, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "last_batch": self._counter.last, "batches_since": self._counter.waiting}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = state["best"]
        self._counter.last, self._counter.waiting = state["last_batch"], state["batches_since"]

    def _save(self, epoch: int, batch: int | None, logs: Logs) -> None:
        path = self._path(epoch, batch, logs)
        if not self._should_save(epoch, logs, path) or not is_main_process():
            return
        if os.path.isdir(path):
            raise _FolderError(
                "Please specify a non-directory filepath for ModelCheckpoint: there is a folder of that name. "
                f"Received: filepath={path!r}"
            )
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
        self.saved = epoch, path
        self._say(epoch, f"finished saving model to {path}")

    def _path(self, epoch: int, batch: int | None, logs: Logs) -> str:
        values = {"epoch": epoch + 1, **({} if batch is None else {"batch": batch + 1}), **logs}
        try:
            return self.filepath.format(**values)
        except KeyError as error:
            raise _MissingLogError(
                f"Failed to format this callback filepath: {error} is not in the logs. "
                f"Available are {', '.join(values)}. Received: filepath={self.filepath!r}"
            ) from error

    def _should_save(self, epoch: int, logs: Logs, path: str) -> bool:
        if not self.save_best_only:
            self._say(epoch, f"saving model to {path}")
            return True
        current = logs.get(self.monitor)
        if current is None or getattr(current, "ndim", 0) > 0:
            warnings.warn(
                f"ModelCheckpoint can save the best model only with a number for {self.monitor!r}; it saves every one. "
                f"Received: {self.monitor}={current!r}; available metrics are: {', '.join(logs)}",
                stacklevel=2,
            )
            return True
        best = "None" if self.best is None else f"{self.best:.5f}"
        if not self.is_improvement(current, self.best):
            self._say(epoch, f"{self.monitor} did not improve from {best}")
            return False
        self._say(epoch, f"{self.monitor} improved from {best} to {current:.5f}, saving model to {path}")
        self.best = current
        return True

    def _say(self, epoch: int, message: str) -> None:
        if self.verbose > 0 and is_main_process():
            say(f"Epoch {epoch + 1}: {message}")


class _MissingLogError(InvalidArgumentError, KeyError):
    """The path of a checkpoint names something that is not in the logs; Keras raises KeyError."""

    # KeyError would show the message in quotes.
    __str__ = Exception.__str__


class _FolderError(InvalidArgumentError, IsADirectoryError):
    """The path of a checkpoint is a folder's; Keras raises IOError."""


def _check_save_freq(save_freq: Any) -> None:
    is_count = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq >= 1
    if save_freq != "epoch" and not is_count:
        raise InvalidArgumentError(
            "Unrecognized save_freq: it must be 'epoch' or a positive number of batches. "
            f"Received: save_freq={save_freq!r}"
        )


def _check_filepath(filepath: str, weights_only: bool) -> None:
    ending = ".weights.h5" if weights_only else ".keras"
    if not filepath.endswith(ending):
        kind = InvalidArgumentError if weights_only or not filepath.endswith(".h5") else UnsupportedArgumentError
        raise kind(
            f"The filepath provided must end in `{ending}` when `save_weights_only={weights_only}`. "
            f"Received: filepath={filepath!r}"
        )
    try:
        list(string.Formatter().parse(filepath))
    except ValueError as error:
        raise InvalidArgumentError(
            f"the braces in the path of a checkpoint are broken: {error}. Received: {filepath=}"
        ) from error
