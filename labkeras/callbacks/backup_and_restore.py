"""BackupAndRestore: lets a run that was broken off go on where it stood."""

import math
import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from labkeras.callbacks.backup_file import Backup, read_backup, remove_leftovers, write_backup
from labkeras.callbacks.batch_counter import BatchCounter
from labkeras.callbacks.callback import Callback, Logs, Mode
from labkeras.callbacks.optimizer_state import optimizer_state, set_optimizer_state
from labkeras.callbacks.processes import (
    gathered,
    in_any_process,
    is_distributed,
    is_main_process,
    own_rank,
    wait_for_all,
)
from labkeras.callbacks.random_state import random_state, set_random_state
from labkeras.errors import FileFormatError, InvalidArgumentError

__all__ = ["BackupAndRestore", "metric_values"]

_VERSION = 1


class BackupAndRestore(Callback):
    """Backs up a run as it goes; the same program, started again after an interruption, goes on from the last backup.

    A run that goes on ends with the weights and the History that it would have had without the interruption, bit for
    bit: the backup holds the weights, the optimizer's state, the states of the random generators and of the other
    callbacks, and the place. It is one file, which is written whole or not at all. The program must make the model,
    data and callbacks as it did before. Data that does not begin anew with each epoch, as a generator's, or with a
    `steps_per_epoch` that leaves some over, begins anew with the program.

    Args:
        backup_dir: folder for the backup, of this run alone; made if it is not there.
        save_freq: "epoch" to back up after each epoch, or a number of batches, at least 1; a run of several
            processes that is taken up within an epoch begins that epoch again. With False a backup that is there is
            gone on from, and none is made.
        double_checkpoint: whether to keep the backup before the last one as well, in case the last one is damaged.
        delete_checkpoint: whether the backup is removed when training is complete.

    Raises:
        InvalidArgumentError: for an empty `backup_dir`, or another `save_freq`.
        FileFormatError: when training begins, if the backup is damaged or of another model; the model is not changed.
        OSError: if the backup cannot be written or read.

    Example:
        >>> BackupAndRestore("backup", save_freq=500).save_freq
        500
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: Literal["epoch"] | int | bool = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not backup_dir:
            raise InvalidArgumentError(f"`backup_dir` must name a folder. Received: backup_dir={backup_dir!r}")
        _check_save_freq(save_freq)
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self.others: Sequence[Callback] = ()
        """The callbacks whose state belongs to the run; a `CallbackList` names them."""
        self._folder = Path(self.backup_dir)
        self._latest = self._folder / "latest.zip"
        self._previous = self._folder / "previous.zip"
        self._counter = BatchCounter()
        self._epoch = 0
        self._epoch_random: dict[str, Any] = {}
        self._epoch_data: dict[str, Any] | None = None
        self._resumed: dict[str, Any] | None = None
        self._data: Any = None
        self._prepared: Backup | None = None
        self._begins_early = False

    def needs_batch_hooks(self, mode: Mode) -> bool:
        return mode == "train" and self._by_batch

    def prepare(self, data: Any, initial_epoch: int) -> None:
        """Called before the first batch is fetched: data goes on from where it was, as training does.

        Args:
            data: the batches, which have `place`, `resume`, `forget_first` and `steps`.
            initial_epoch: the epoch that training begins with when nothing was broken off.
        """
        self._data = data
        self._prepared = backup = self._found()
        # What has no length is fetched ahead: its first epoch has begun before training has.
        self._begins_early = backup is not None and data.steps is None
        if backup is None or not _is_of_this_version(backup) or backup.state["epoch"] <= initial_epoch:
            return  # the data of the first epoch begins as it did
        data.forget_first()
        if backup.state.get("data") is not None:
            data.resume(backup.state["data"])
        if self._begins_early:
            set_random_state(_own(backup.state["epoch_random" if backup.state["batch"] else "random"]))

    def __getstate__(self) -> dict[str, Any]:
        # Another process looks for itself; the data that it has there is another object.
        return {**vars(self), "_data": None, "_prepared": None, "_begins_early": False}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if is_main_process():
            remove_leftovers(self._folder)
        wait_for_all()
        self._counter = BatchCounter()
        self._resumed = None
        self.model._initial_epoch = self.model._initial_batch = None
        backup, self._prepared = self._prepared or self._found(), None
        if backup is not None:
            self._restore(backup)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch
        # It has been read, and is not for the next run.
        self.model._initial_epoch = self.model._initial_batch = None
        if self._resumed is not None and epoch != self._resumed["epoch"]:
            self._resumed = None
        if self._resumed is not None:
            set_random_state(_own(self._resumed["epoch_random"]))
        if self._by_batch:
            self._epoch_random = random_state()
            self._epoch_data = self._place()

    def before_validation(self, batches: int) -> None:
        """Called before an epoch's validation.

        Args:
            batches: that were trained on in this epoch.
        """

    def resume_batch(self) -> None:
        """Called after the batches that were trained on before the interruption have been passed over."""
        if self._resumed is None:
            return
        set_random_state(_own(self._resumed["random"]))
        _restore_metrics(self.model, _own(self._resumed["metrics"]))
        self._counter.last, self._counter.waiting = self._resumed["batch"] - 1, 0
        self._resumed = None

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._by_batch and self._counter.is_due(batch, int(self.save_freq)):
            self._save(self._epoch, batch + 1, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch + 1, 0, logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.model._initial_epoch = self.model._initial_batch = None
        if self.delete_checkpoint and is_main_process():
            remove_leftovers(self._folder)
            self._latest.unlink(missing_ok=True)
            self._previous.unlink(missing_ok=True)
            # Differs from Keras: what else is in the folder is not removed with it.
            if self._folder.is_dir() and not any(self._folder.iterdir()):
                self._folder.rmdir()

    @property
    def _by_batch(self) -> bool:
        return self.save_freq not in ("epoch", False)

    # --- saving -------------------------------------------------------------------------------------------------------

    def _save(self, epoch: int, batch: int, logs: Logs | None, **known: Any) -> None:
        """Backs up the run as it is before an epoch, or after so many batches of it.

        Args:
            epoch: the number of the epoch.
            batch: how many of its batches are done.
            logs: losses and metrics so far.
            **known: parts of the state that are not to be what they are now.
        """
        # All processes take part: each has random generators and metrics of its own.
        loss = (logs or {}).get("loss")
        if in_any_process(isinstance(loss, float) and not math.isfinite(loss)):
            # Differs from Keras: a model that is spoilt is no backup; the last good one stays.
            return
        state = {
            "version": _VERSION,
            "epoch": epoch,
            "batch": batch,
            "stopped": bool(getattr(self.model, "stop_training", False)),
            "random": gathered(random_state()),
            "epoch_random": gathered(self._epoch_random) if batch else [],
            "data": self._epoch_data if batch else self._place(),
            "metrics": gathered(metric_values(self.model)) if batch else [],
            "optimizers": optimizer_state(self.model),
            "callbacks": [[type(other).__name__, other.state_dict()] for other in self.others],
            **known,
        }
        if is_main_process():
            self._write(state)

    def _write(self, state: dict[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self.double_checkpoint and self._latest.exists():
            _keep_as(self._latest, self._previous)
        write_backup(self._latest, self.model, state)

    def _place(self) -> dict[str, Any] | None:
        place: dict[str, Any] | None = None if self._data is None else self._data.place()
        return place

    # --- restoring ----------------------------------------------------------------------------------------------------

    def _found(self) -> Backup | None:
        """The last backup that is whole; the one before it, with a warning, if the last one is damaged."""
        present = [path for path in (self._latest, self._previous) if path.exists()]
        if not in_any_process(bool(present)):
            return None
        if not present:
            raise FileFormatError(
                "another process of this run found a backup: the folder must be one that all processes share. "
                f"Received: backup_dir={self.backup_dir!r}"
            )
        try:
            return read_backup(present[0])
        except FileFormatError as error:
            if len(present) == 1:
                raise FileFormatError(
                    f"{error} Remove it to train from the beginning; `double_checkpoint=True` keeps a second one."
                ) from error
            warnings.warn(f"{error} Going on from the one before it.", stacklevel=2)
            return read_backup(present[1])

    def _restore(self, backup: Backup) -> None:
        state = backup.state
        if not _is_of_this_version(backup):
            raise FileFormatError(
                f"the backup {str(backup.path)!r} was written by another version of labkeras. "
                f"Received: version={state.get('version')!r}"
            )
        backup.load_weights(self.model)
        try:
            self._restore_state(state)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"the backup {str(backup.path)!r} does not go with this run: {type(error).__name__}: {error}. "
                "The callbacks must be those of the run that it is of; remove it to train from the beginning"
            ) from error

    def _restore_state(self, state: dict[str, Any]) -> None:
        set_optimizer_state(self.model, state["optimizers"])
        known = [[name, other] for name, other in state["callbacks"]]
        for other in self.others:
            found = next((item for item in known if item[0] == type(other).__name__), None)
            if found is not None:
                known.remove(found)
                other.load_state_dict(found[1])
        if state["stopped"]:
            # It was broken off between the end of its last epoch and the end of training.
            self.model.stop_training = True
            self.model._initial_epoch = (self.params or {}).get("epochs", state["epoch"])
            return
        self.model._initial_epoch = state["epoch"]
        if state["batch"]:
            # Lightning's processes cannot pass over a batch, as its optimizers and theirs wait for each other's.
            self.model._initial_batch = None if is_distributed() else state["batch"]
            self._resumed = state
        elif not self._begins_early:
            set_random_state(_own(state["random"]))


def _is_of_this_version(backup: Backup) -> bool:
    return backup.state.get("version") == _VERSION


def _own(states: list[Any]) -> Any:
    """What this process had; what the first one had, where the run has more processes now."""
    rank = own_rank()
    return states[rank if rank < len(states) else 0]


def metric_values(model: Any) -> list[list[Any]]:
    """The values of the variables of each of a model's metrics, as they are now."""
    return [
        [variable.detach().cpu().numpy().copy() for variable in getattr(metric, "variables", ())]
        for metric in model.metrics
    ]


def _restore_metrics(model: Any, values: list[list[Any]]) -> None:
    for metric, arrays in zip(model.metrics, values, strict=True):
        for variable, array in zip(getattr(metric, "variables", ()), arrays, strict=True):
            variable.assign(torch.as_tensor(array))


def _keep_as(path: Path, other: Path) -> None:
    """Gives a file a second name, in the place of the file that has it now; the first name stays."""
    if other.exists() and other.samefile(path):
        return  # the write that was to follow failed; to rename one name of a file to another would do nothing
    temporary = other.with_name(f".{other.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        try:
            os.link(path, temporary)
        except OSError:  # a file system without second names
            shutil.copyfile(path, temporary)
        os.replace(temporary, other)
    finally:
        temporary.unlink(missing_ok=True)


def _check_save_freq(save_freq: Any) -> None:
    if save_freq == "epoch" or save_freq is False:
        return
    if isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1:
        raise InvalidArgumentError(
            f"`save_freq` must be 'epoch', a positive number of batches, or False. Received: save_freq={save_freq!r}"
        )
