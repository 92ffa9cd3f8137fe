"""TensorBoard: writes losses, metrics and the model's graph where TensorBoard reads them."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from labkeras.callbacks.callback import Callback, Logs, Mode
from labkeras.callbacks.logs import python_logs
from labkeras.callbacks.model_graph import model_graph
from labkeras.callbacks.processes import is_main_process
from labkeras.errors import InvalidArgumentError, UnsupportedArgumentError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["TensorBoard"]

_EVENT_FILES = "events.out.tfevents.*"


class TensorBoard(Callback):
    """Writes event files for TensorBoard: `tensorboard --logdir logs` shows them.

    In "train" and "validation" below `log_dir` go `epoch_loss` and so on, so that both curves share a chart, with the
    number of the epoch from 0; in "train" also `epoch_learning_rate`. Each evaluation writes
    `evaluation_loss_vs_iterations` and so on against the number of optimizer steps.

    Args:
        log_dir: folder for the event files, of this callback alone.
        histogram_freq: not supported but for 0.
        write_graph: whether to write the graph of layers, for sequential and functional models.
        write_images: not supported but for False.
        write_steps_per_second: whether to write `epoch_steps_per_second`, and `batch_steps_per_second` with batches.
        update_freq: "epoch", or after how many batches to write `batch_loss` and so on; "batch" means 1.
        profile_batch: not supported but for 0.
        embeddings_freq: not supported but for 0.
        embeddings_metadata: not supported but for `None`.

    Raises:
        InvalidArgumentError: for another `update_freq`.
        UnsupportedArgumentError: for the arguments named above.

    Example:
        >>> TensorBoard("logs", update_freq=100).update_freq
        100
    """

    takes_tensor_logs = True

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Literal["epoch", "batch"] | int = "epoch",
        profile_batch: int | str | tuple[int, int] = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: str | dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        _check_supported(
            histogram_freq=histogram_freq,
            write_images=write_images,
            profile_batch=profile_batch,
            embeddings_freq=embeddings_freq,
            embeddings_metadata=embeddings_metadata,
        )
        self.log_dir = os.fspath(log_dir)
        self.write_graph = write_graph
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = _batches_between(update_freq)
        self._writers: dict[str, SummaryWriter] = {}
        self._batch = 0
        self._batch_start = self._epoch_start = 0.0
        self._iterations_before = 0

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self.close()

    def needs_batch_hooks(self, mode: Mode) -> bool:
        return mode == "train" and self.update_freq != "epoch" and is_main_process()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._batch = 0
        if self.write_graph and is_main_process():
            graph = model_graph(self.model)
            if graph is not None:
                # SummaryWriter has a method for torch's graphs only; its own methods end in this call.
                self._writer("train")._get_file_writer().add_summary(graph, 0)  # type: ignore[no-untyped-call]

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.close()

    def state_dict(self) -> dict[str, Any]:
        """How much of the event files there is, so that what is written after a backup can be taken back."""
        self._flush()
        return {"batch": self._batch, "files": {name: path.stat().st_size for name, path in self._files()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._batch = state["batch"]
        if not is_main_process():
            return
        self.close()  # with the graph, which is in the files that are there
        for name, path in self._files():
            if name not in state["files"]:
                path.unlink()
            elif path.stat().st_size > state["files"][name]:
                os.truncate(path, state["files"][name])

    def close(self) -> None:
        """Closes the event files; what is written after that goes into new ones."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _files(self) -> list[tuple[str, Path]]:
        """The event files of this run, by their names within `log_dir`."""
        if not is_main_process():
            return []
        found = [path for part in ("train", "validation") for path in Path(self.log_dir, part).glob(_EVENT_FILES)]
        return [(path.relative_to(self.log_dir).as_posix(), path) for path in sorted(found)]

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self.write_steps_per_second:
            self._iterations_before = self._iterations()
            self._epoch_start = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._batch += 1
        self._batch_start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        # A tensor is looked at only in batches that are written: on an accelerator it would have to be waited for.
        if self.update_freq == "epoch" or self._batch % self.update_freq:
            return
        values = dict(logs or {})
        if self.write_steps_per_second:
            values["steps_per_second"] = 1.0 / (time.perf_counter() - self._batch_start)
        self._write("train", "batch_{}", values, self._batch)

    def on_test_end(self, logs: Logs | None = None) -> None:
        if hasattr(getattr(self.model, "optimizer", None), "iterations"):
            self._write("validation", "evaluation_{}_vs_iterations", logs or {}, self._iterations())
            self._flush()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if not logs:
            return
        training = {name: value for name, value in logs.items() if not name.startswith("val_")}
        validation = {name.removeprefix("val_"): value for name, value in logs.items() if name.startswith("val_")}
        training |= self._learning_rate()
        if self.write_steps_per_second:
            seconds = time.perf_counter() - self._epoch_start
            training["steps_per_second"] = (self._iterations() - self._iterations_before) / seconds
        self._write("train", "epoch_{}", training, epoch)
        self._write("validation", "epoch_{}", validation, epoch)
        self._flush()

    def _learning_rate(self) -> dict[str, float]:
        rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
        return {} if rate is None else {"learning_rate": float(rate)}

    def _iterations(self) -> int:
        return int(self.model.optimizer.iterations)

    def _write(self, part: str, tag: str, values: Mapping[str, Any], step: int) -> None:
        if not values or not is_main_process():
            return
        writer = self._writer(part)
        for name, value in python_logs(values).items():
            if isinstance(value, float):
                writer.add_scalar(tag.format(name), value, step)

    def _writer(self, part: str) -> "SummaryWriter":
        if part not in self._writers:
            # Here, because it takes a second to import, and most programs that import callbacks don't write any.
            from torch.utils.tensorboard import SummaryWriter

            self._writers[part] = SummaryWriter(os.path.join(self.log_dir, part))
        return self._writers[part]

    def _flush(self) -> None:
        for writer in self._writers.values():
            writer.flush()


def _check_supported(**arguments: Any) -> None:
    for name, value in arguments.items():
        if value:
            raise UnsupportedArgumentError(f"TensorBoard does not support `{name}` yet. Received: {name}={value!r}")


def _batches_between(update_freq: Any) -> Any:
    if update_freq == "batch":
        return 1
    if update_freq == "epoch" or (
        isinstance(update_freq, int) and not isinstance(update_freq, bool) and update_freq > 0
    ):
        return update_freq
    raise InvalidArgumentError(
        f"`update_freq` must be 'epoch', 'batch' or a positive number of batches. Received: update_freq={update_freq!r}"
    )
