"""RunCheckpoint: writes down where a run stands, so that it can go on from there, bit for bit.

checkpoints/000007-epoch2-batch31.zip    after 31 batches of epoch 2; epochs count from 0, files from 1
checkpoints/last.json                    the newest: path, epoch, batch, sha256, metrics
checkpoints/best.json                    the same of the best model, where a callback saves it
"""

import hashlib
import json
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.distributed

from labkeras.callbacks.backup_and_restore import BackupAndRestore, metric_values
from labkeras.callbacks.backup_file import Backup, read_backup, write_backup
from labkeras.callbacks.callback import Logs, Mode
from labkeras.callbacks.logs import python_logs
from labkeras.callbacks.model_checkpoint import ModelCheckpoint
from labkeras.callbacks.processes import in_any_process, is_distributed, is_main_process
from labkeras.callbacks.random_state import random_state
from labkeras.errors import CheckpointError, FileFormatError
from labkeras.experiment.runs.checkpointing import CheckpointOptions
from labkeras.experiment.runs.directory import json_value
from labkeras.experiment.runs.stopping import Stopping
from labkeras.files import atomic_write

__all__ = ["BEST", "LAST", "RunCheckpoint", "checkpoint_files", "write_pointer"]

LAST = "last.json"
"""The pointer to the newest checkpoint."""

BEST = "best.json"
"""The pointer to the best model."""

_TIMES_AS_LONG = 20
_NAME = re.compile(r"(\d{6,})-epoch(\d+)-batch(\d+)\.zip")


def checkpoint_files(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the newest first."""
    found = [(int(match[1]), path) for path in folder.glob("*.zip") if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def write_pointer(
    pointer: Path, target: Path, epoch: int, batch: int, metrics: dict[str, Any], durable: bool = True
) -> None:
    """Writes which file is the last, or the best.

    Args:
        pointer: the file to write.
        target: a file in the same folder.
        epoch: the epoch that the file stands in, from 0.
        batch: how many of its batches are done.
        metrics: losses and metrics at that time.
        durable: whether it must survive a power cut.
    """
    digest = hashlib.sha256()
    with target.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    content = {"path": target.name, "epoch": epoch, "batch": batch, "sha256": digest.hexdigest(), "metrics": metrics}
    with atomic_write(pointer, durable=durable) as text:
        text.write(json.dumps(json_value(content), indent=2) + "\n")


class RunCheckpoint(BackupAndRestore):
    """Makes checkpoints of a run as its settings say, and before it ends early; goes on from the last one.

    In a run of several processes there are checkpoints between epochs only: there a run that ends early goes on from
    the last epoch's end.

    Args:
        folder: for the checkpoints.
        options: when; None for never.
        stopping: says whether the run has to end.
        on_resume: called with epoch and batch when a run goes on.
        monitored: gives the monitored value of an epoch's logs.
        on_saved: called with the file, "last" or "best", and the metrics, when a checkpoint was written.
    """

    takes_tensor_logs: ClassVar[bool] = True  # most batches need no logs: nobody has to wait for them

    def __init__(
        self,
        folder: Path,
        options: CheckpointOptions | None,
        stopping: Stopping,
        on_resume: Callable[[int, int], None],
        monitored: Callable[[Logs], float | None],
        on_saved: Callable[[Path, str, dict[str, Any]], None],
    ) -> None:
        super().__init__(folder, save_freq=False, delete_checkpoint=False)
        self._options = options or CheckpointOptions(every_seconds=None)
        self._saves = options is not None
        self._stopping = stopping
        self._on_resume = on_resume
        self._monitored = monitored
        self._on_saved = on_saved
        self._next_by_time = float("inf")
        self._validating: dict[str, Any] | None = None
        self._saved: tuple[int, int, bool] | None = None
        self._numbers: dict[str, Any] = {}
        self.seconds: list[float] = []
        """What each checkpoint took."""

    def needs_batch_hooks(self, mode: Mode) -> bool:
        # Several processes talk after each batch, to stop together, if a callback says that it may stop them there.
        return mode != "predict" and not is_distributed()

    @property
    def _by_batch(self) -> bool:
        return True

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._stopping.renew()
        self._saved = None
        self.model._has_to_end = False
        super().on_train_begin(logs)
        self._begin_interval()
        if self._agreed(self._stopping.code):
            raise self._stopping.error()

    def _restore(self, backup: Backup) -> None:
        super()._restore(backup)
        epoch, batch = backup.state["epoch"], backup.state["batch"]
        self._saved = epoch, batch, backup.state["stopped"]
        self._on_resume(epoch, batch)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if is_distributed():
            if self._stopping.poll() is not None:
                self.model._has_to_end = True  # the processes leave together, after the next step
            return
        options = self._options
        due = time.monotonic() >= self._next_by_time
        if options.every_batches is not None:
            due |= self._counter.is_due(batch, options.every_batches)
        stop = self._stopping.poll() is not None
        if due or stop:
            self._save(self._epoch, batch + 1, logs)
        if stop:
            raise self._stopping.error()

    def before_validation(self, batches: int) -> None:
        if not is_distributed():
            random, metrics = random_state(), metric_values(self.model)
            self._validating = {"batch": batches, "random": [random], "metrics": [metrics]}

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._validating is not None and self._stopping.poll() is not None:
            # Before the validation, which the run that goes on does anew.
            self._save(self._epoch, **self._validating, logs=None)
            raise self._stopping.error()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._validating = None
        numbers = python_logs(logs)
        if is_main_process():
            self._stopping.judge(epoch, self._monitored(numbers))
            self._point_to_best(epoch, numbers)
        by_epochs = self._options.every_epochs is not None and (epoch + 1) % self._options.every_epochs == 0
        by_time = time.monotonic() >= self._next_by_time and is_main_process()
        by_batches = is_distributed() and self._options.every_batches is not None
        due = in_any_process(by_epochs or by_time or by_batches)
        stop = self._agreed(self._stopping.code)
        if self._stopping.reason == "pruned":
            self.model.stop_training = True
            return
        # At the end of training there is a checkpoint anyway.
        is_last = getattr(self.model, "stop_training", False) or epoch + 1 >= self._epochs()
        if stop or (due and not is_last):
            self._save(epoch + 1, 0, numbers)
        if stop:
            raise self._stopping.error()

    def on_train_end(self, logs: Logs | None = None) -> None:
        super().on_train_end(logs)
        if self._stopping.reason != "pruned":
            self.model.stop_training = True  # there is nothing to go on with
            self._save(self._epochs(), 0, logs)

    def _epochs(self) -> int:
        return int((self.params or {}).get("epochs") or self._epoch + 1)

    def _point_to_best(self, epoch: int, metrics: dict[str, Any]) -> None:
        """Writes which file holds the best model, if a callback has just saved it."""
        for other in self.others:
            if isinstance(other, ModelCheckpoint) and other.save_best_only and other.saved is not None:
                path = Path(other.saved[1])
                if other.saved[0] == epoch and path.parent == self._folder:
                    # It tells people and tools; a run goes on without it.
                    write_pointer(self._folder / BEST, path, epoch + 1, 0, metrics, durable=False)
                    self._on_saved(path, "best", metrics)

    def _agreed(self, code: int) -> bool:
        """Whether any process has a reason to stop, which then is that of all."""
        if is_distributed():
            on_gpu = torch.distributed.get_backend() == "nccl"
            greatest = torch.tensor(code, device="cuda" if on_gpu else "cpu")
            torch.distributed.all_reduce(greatest, op=torch.distributed.ReduceOp.MAX)
            code = int(greatest)
            if code:
                self._stopping.ask(code)
        return bool(code)

    # --- saving -------------------------------------------------------------------------------------------------------

    def _save(self, epoch: int, batch: int, logs: Logs | None, **known: Any) -> None:
        place = epoch, batch, bool(getattr(self.model, "stop_training", False))
        if self._saved == place or not self._saves:
            return
        self._numbers = python_logs(logs)
        super()._save(epoch, batch, self._numbers, **known)
        self._saved = place
        self._begin_interval()

    def _begin_interval(self) -> None:
        seconds = self._options.every_seconds
        if seconds is None:
            return
        # Saving a large model takes seconds: it is to get no more than a twentieth of the time.
        spent = self.seconds[-1] if self.seconds else 0.0
        self._next_by_time = time.monotonic() + max(float(seconds), _TIMES_AS_LONG * spent if seconds else 0.0)

    def _write(self, state: dict[str, Any]) -> None:
        start = time.perf_counter()
        epoch, batch = state["epoch"], state["batch"]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            files = checkpoint_files(self._folder)
            serial = 1 + (int(files[0].name.partition("-")[0]) if files else 0)
            path = self._folder / f"{serial:06d}-epoch{epoch}-batch{batch}.zip"
            write_backup(path, self.model, state)
            write_pointer(self._folder / LAST, path, epoch, batch, self._numbers)
            for old in files[self._options.keep - 1 :]:
                old.unlink(missing_ok=True)
        except OSError as error:
            problem = CheckpointError(
                f"no checkpoint could be written: {error.strerror or error}. The one before it is whole; free some "
                f"space, or see to the folder, and resume. Received: {str(self._folder)!r}"
            )
            problem.errno = error.errno
            if self._options.on_error == "raise":
                raise problem from error
            warnings.warn(str(problem), stacklevel=2)
            return
        self.seconds.append(time.perf_counter() - start)
        self._on_saved(path, "last", self._numbers)

    def _found(self) -> Backup | None:
        files = checkpoint_files(self._folder)
        for path in files:
            try:
                return read_backup(path)
            except FileFormatError as error:
                if path == files[-1]:
                    raise FileFormatError(
                        f"{error} There is no other checkpoint: remove it to train from the beginning."
                    ) from error
                warnings.warn(f"{error} Going on from the one before it.", stacklevel=2)
        return None
