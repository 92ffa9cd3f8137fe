"""TensorBoard: writes losses, metrics and the model's graph where TensorBoard reads them."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch

from labkeras.callbacks.board_embeddings import embedding_layers, label_lines, write_embedding
from labkeras.callbacks.board_files import EventFiles, Part
from labkeras.callbacks.board_layout import Charts, custom_layout, metric_charts
from labkeras.callbacks.board_profile import StepProfiler, batches_to_profile
from labkeras.callbacks.board_summaries import (
    array_of,
    bucketed,
    histogram_summary,
    image_summary,
    scalar_summary,
    text_summary,
)
from labkeras.callbacks.board_weights import write_weights
from labkeras.callbacks.callback import Callback, Logs, Mode
from labkeras.callbacks.learning_rates import learning_rate_logs
from labkeras.callbacks.logs import python_logs
from labkeras.callbacks.model_graph import as_operations, model_graph
from labkeras.callbacks.processes import is_main_process
from labkeras.errors import InvalidArgumentError
from labkeras.ranges import Range

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["TensorBoard"]


class TensorBoard(Callback):
    """Writes event files for TensorBoard: `labkeras tensorboard logs` shows them.

    In "train" and "validation" below `log_dir` go `epoch_loss` and so on, so that both curves share a chart, with the
    number of the epoch from 0; in "train" also `epoch_learning_rate`. Each evaluation writes
    `evaluation_loss_vs_iterations` and so on against the number of optimizer steps. The Custom Scalars tab has a chart
    for each metric. Other callbacks reach this one as their `board`, and write to it by its `add_…` methods;
    `Diagnostics` is one that does.

    Args:
        log_dir: folder for the event files, of this callback alone.
        histogram_freq: after how many epochs to write histograms of the weights; 0 for never.
        write_graph: whether to write the graph of layers, for sequential and functional models.
        write_images: whether to draw the weights, too, each time their histograms are written.
        write_steps_per_second: whether to write `epoch_steps_per_second`, and `batch_steps_per_second` with batches.
        update_freq: "epoch", or after how many batches to write `batch_loss` and so on; "batch" means 1.
        profile_batch: the batch to run under torch's profiler, counted from 1 over all epochs, or the first and the
            last of several, as a pair or as "10,20"; 0 for none. A table says what each layer takes; the trace is in
            "train/plugins/profile".
        embeddings_freq: after how many epochs to write the vectors of each `Embedding` layer; 0 for never.
        embeddings_metadata: file, in `log_dir` or the current folder, with a line for each row of the embedding, to be
            shown beside it: one for all, or a dict that has one for each layer's name. With several columns, divided by
            tabs, the first line names them.

    Raises:
        InvalidArgumentError: if an argument is none of these; when training begins, if `embeddings_metadata` does not
            fit the model.

    Example:
        >>> TensorBoard("logs", update_freq=100).update_freq
        100
    """

    takes_tensor_logs = True

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: Annotated[int, Range(0)] = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Literal["epoch", "batch"] | int = "epoch",
        profile_batch: int | str | tuple[int, int] = 0,
        embeddings_freq: Annotated[int, Range(0)] = 0,
        embeddings_metadata: str | dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = _epochs_between("histogram_freq", histogram_freq)
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = _batches_between(update_freq)
        self.embeddings_freq = _epochs_between("embeddings_freq", embeddings_freq)
        self.embeddings_metadata = embeddings_metadata
        profiled = batches_to_profile(profile_batch)
        self._profiler = None if profiled is None else StepProfiler(self, *profiled)
        self._files = EventFiles(self.log_dir)
        self._charts: dict[str, Charts] = {}
        self._has_layout = False
        self._embeddings: dict[str, tuple[Any, list[str] | None]] = {}
        self._batch = 0
        self._batch_start = self._epoch_start = 0.0
        self._iterations_before = 0

    def writer(self, part: Part = "train") -> "SummaryWriter | None":
        """torch's writer of a part's event file, for what has no method here.

        Args:
            part: "train", "validation" or "test": a folder below `log_dir`.

        Returns:
            None in a process that is not to write, as all but the first of a distributed run are.
        """
        return self._files.writer(part)

    def add_scalar(self, tag: str, value: Any, step: int, part: Part = "train") -> None:
        """Writes a number, for the Scalars tab.

        Args:
            tag: its name; what is before a slash groups it with others.
            value: a number, or a tensor with one element.
            step: when it was so.
            part: "train", "validation" or "test": the curve it belongs to.
        """
        if self._files.file(part) is not None:
            number = value.item() if isinstance(value, torch.Tensor) else float(value)
            self.add_summary(scalar_summary({tag: number}), step, part)

    def add_histogram(self, tag: str, values: Any, step: int, part: Part = "train") -> None:
        """Writes how values are distributed, for the Histograms and Distributions tabs; those not finite are left out.

        Args:
            tag: their name.
            values: a tensor or an array of any shape.
            step: when they were so.
            part: as in `add_scalar`.
        """
        if self._files.file(part) is not None:
            tensor = values if isinstance(values, torch.Tensor) else torch.as_tensor(array_of(values))
            self.add_summary(histogram_summary(tag, bucketed(tensor)), step, part)

    def add_image(self, tag: str, image: Any, step: int, part: Part = "validation") -> None:
        """Writes an image, or up to three, for the Images tab.

        Args:
            tag: its name.
            image: a tensor or an array of uint8, or of floats in [0, 1].
            step: when it was so.
            part: as in `add_scalar`.

        Shapes:
            image: (height, width), (height, width, channels) or (count, height, width, channels), with 1, 3 or 4
                channels

        Raises:
            InvalidArgumentError: for another shape or type.
        """
        if self._files.file(part) is not None:
            self.add_summary(image_summary(tag, image), step, part)

    def add_text(self, tag: str, text: str | Sequence[Sequence[str]], step: int, part: Part = "train") -> None:
        """Writes a text in Markdown, or a table of texts, for the Text tab.

        Args:
            tag: its name.
            text: the text; or the rows of a table, the first of which names the columns.
            step: when it was so.
            part: as in `add_scalar`.
        """
        if self._files.file(part) is not None:
            self.add_summary(text_summary(tag, text), step, part)

    def add_pr_curve(self, tag: str, labels: Any, predictions: Any, step: int, part: Part = "validation") -> None:
        """Writes precision against recall, for the PR Curves tab.

        Args:
            tag: its name.
            labels: whether each sample is of the class: truth values, or 0 and 1.
            predictions: how probable the model finds it, in [0, 1].
            step: when it was so.
            part: as in `add_scalar`.

        Shapes:
            labels, predictions: the same, any

        Raises:
            InvalidArgumentError: if the shapes differ or a prediction is no probability.
        """
        writer = self._files.writer(part)
        if writer is not None:
            truth, found = array_of(labels).reshape(-1), array_of(predictions).reshape(-1)
            _check_pr_curve(truth, found, tag)
            writer.add_pr_curve(tag, truth.astype(bool), found, step)

    def add_embedding(self, tag: str, vectors: Any, step: int, part: Part = "validation", labels: Any = None) -> None:
        """Writes vectors, for the Projector tab.

        Args:
            tag: what they are.
            vectors: a tensor or an array, a vector a row.
            step: when they were so; those of other steps stay beside them.
            part: as in `add_scalar`.
            labels: a name for each row; or the path of a file with a line for each: with several columns, divided by
                tabs, the first line names them.

        Shapes:
            vectors: (rows, size)

        Raises:
            InvalidArgumentError: for another shape, or if there is not a label for each row.
        """
        if self._files.file(part) is not None:
            lines = None if labels is None else label_lines(labels, len(vectors), "labels")
            write_embedding(self._files.folder(part), tag, vectors, step, lines)

    def add_summary(self, summary: Any, step: int, part: Part = "train") -> None:
        """Writes what TensorBoard calls a `Summary`, for what has no method here.

        Args:
            summary: the protocol buffer.
            step: when it was so.
            part: as in `add_scalar`.
        """
        file = self._files.file(part)
        if file is not None:
            file.add_summary(summary, step)

    def add_charts(self, category: str, charts: Mapping[str, list[str]]) -> None:
        """Adds charts to the Custom Scalars tab, which are written at the end of the next epoch.

        Args:
            category: the heading above them.
            charts: the title of each → regular expressions for the tags of its curves.
        """
        self._charts[category] = {**self._charts.get(category, {}), **charts}
        self._has_layout = False

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self.close()
        self._charts, self._has_layout = {}, False

    def needs_batch_hooks(self, mode: Mode) -> bool:
        is_wanted = self.update_freq != "epoch" or self._profiler is not None
        return mode == "train" and is_wanted and is_main_process()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._batch = 0
        if self.embeddings_freq:
            self._embeddings = embedding_layers(self.model, self.embeddings_metadata, self.log_dir)
        if self.write_graph and is_main_process():
            graph = model_graph(self.model)
            if graph is not None:
                self.add_summary(graph, 0)
                file = self._files.file("train")
                if file is not None:
                    file.add_event(as_operations(graph), 0)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._profiler is not None:
            self._profiler.finish(self._batch)
        self.close()

    def state_dict(self) -> dict[str, Any]:
        """How much of the event files there is, so that what is written after a backup can be taken back."""
        return {"batch": self._batch, "has_layout": self._has_layout, "files": self._files.sizes()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._batch = state["batch"]
        self._has_layout = bool(state.get("has_layout"))
        self._files.cut_back(state["files"])  # with the graph, which is in the files that are there

    def close(self) -> None:
        """Closes the event files; what is written after that goes into new ones."""
        if self._profiler is not None:
            self._profiler.abandon()  # of a run that was broken off
        self._files.close()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self.write_steps_per_second:
            self._iterations_before = self._iterations() or 0
            self._epoch_start = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._batch += 1
        if self._profiler is not None:
            self._profiler.begin_batch(self._batch)
        self._batch_start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._profiler is not None:
            self._profiler.end_batch(self._batch)
        # A tensor is looked at only in batches that are written: on an accelerator it would have to be waited for.
        if self.update_freq == "epoch" or self._batch % self.update_freq:
            return
        values = dict(logs or {})
        if self.write_steps_per_second:
            values["steps_per_second"] = 1.0 / (time.perf_counter() - self._batch_start)
        self._write("train", "batch_{}", values, self._batch)

    def on_test_end(self, logs: Logs | None = None) -> None:
        iterations = self._iterations()
        if iterations is not None:
            self._write("validation", "evaluation_{}_vs_iterations", logs or {}, iterations)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if not is_main_process():
            return
        # Differs from Keras: there `update_freq=N` keeps all of this back, unless the last batch's number is a multiple
        # of N.
        if logs:
            self._write_epoch(epoch, logs)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            write_weights(self, self.model, epoch, with_images=self.write_images)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            for name, (layer, lines) in self._embeddings.items():
                write_embedding(self._files.folder("train"), name, layer.embeddings, epoch, lines)

    def _write_epoch(self, epoch: int, logs: Logs) -> None:
        training = {name: value for name, value in logs.items() if not name.startswith("val_")}
        validation = {name.removeprefix("val_"): value for name, value in logs.items() if name.startswith("val_")}
        training |= self._learning_rates()
        if self.write_steps_per_second:
            seconds = time.perf_counter() - self._epoch_start
            training["steps_per_second"] = ((self._iterations() or 0) - self._iterations_before) / seconds
        self._write("train", "epoch_{}", training, epoch)
        self._write("validation", "epoch_{}", validation, epoch)
        if not self._has_layout:
            self._has_layout = True
            writer = self._files.writer("train")
            if writer is not None:
                writer.add_custom_scalars(custom_layout({**metric_charts([*training, *validation]), **self._charts}))

    def _learning_rates(self) -> dict[str, float]:
        try:
            return learning_rate_logs(self.model)
        except AttributeError:  # without an optimizer, or one of another kind
            return {}

    def _iterations(self) -> int | None:
        """The number of optimizer steps; None if nobody counts."""
        optimizer: Any = getattr(self.model, "optimizer", None)
        if hasattr(optimizer, "updates_done"):
            return int(optimizer.updates_done())  # the same, but not as a tensor, which takes longer than all the rest
        return int(optimizer.iterations) if hasattr(optimizer, "iterations") else None

    def _write(self, part: Part, tag: str, values: Mapping[str, Any], step: int) -> None:
        if not values or not is_main_process():
            return
        numbers = {tag.format(name): value for name, value in python_logs(values).items() if isinstance(value, float)}
        self.add_summary(scalar_summary(numbers), step, part)


def _check_pr_curve(labels: Any, predictions: Any, tag: str) -> None:
    if labels.shape != predictions.shape:
        raise InvalidArgumentError(
            "`labels` and `predictions` must have as many elements as each other. "
            f"Received: {labels.size} labels and {predictions.size} predictions, tag={tag!r}"
        )
    if predictions.size and not (predictions.min() >= 0 and predictions.max() <= 1):
        raise InvalidArgumentError(
            "`predictions` must be probabilities, in [0, 1]: those of a model that returns logits need a sigmoid or a "
            f"softmax. Received: predictions from {predictions.min()} to {predictions.max()}, tag={tag!r}"
        )


def _epochs_between(name: str, freq: Any) -> int:
    if isinstance(freq, int) and freq >= 0:
        return int(freq)
    raise InvalidArgumentError(f"`{name}` must be a number of epochs, or 0 for never. Received: {name}={freq!r}")


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
