"""ReliabilityDiagram: a picture of calibration for each validation."""

from pathlib import Path
from typing import Any

from PIL import Image

from labkeras.callbacks import Callback
from labkeras.callbacks.callback import Logs
from labkeras.errors import InvalidArgumentError
from labkeras.ranges import PositiveInt
from labkeras_calibration.bins import Bins, error_of
from labkeras_calibration.drawing import reliability_image
from labkeras_calibration.expected_calibration_error import ExpectedCalibrationError

__all__ = ["ReliabilityDiagram"]


class ReliabilityDiagram(Callback):
    """Draws, for each validation, accuracy over confidence: where a model is too sure, and where not sure enough.

    It shows what a metric `expected_calibration_error` has counted, and costs no second look at the data: some 20 ms a
    picture. Pictures go to the `TensorBoard` callback beside it, tab Images, and, if wanted, into a folder.

    Args:
        metric: the name of the metric, where there are several; the first one unless given.
        every: after how many epochs to draw, a positive integer.
        folder: where to write the pictures as well, `epoch_0001.png`, …; None for nowhere.

    Raises:
        InvalidArgumentError: at the first validation, if the model has no such metric.

    Reference:
        A. Niculescu-Mizil and R. Caruana (2005), "Predicting Good Probabilities With Supervised Learning"; the form is
        that of Guo et al. (2017), https://arxiv.org/abs/1706.04599

    Example:
        >>> callback = ReliabilityDiagram(every=5)
        >>> # model.compile(…, metrics=["accuracy", "expected_calibration_error"])
        >>> # model.fit(…, validation_split=0.1, callbacks=[TensorBoard("logs"), callback])
    """

    def __init__(self, metric: str | None = None, every: PositiveInt = 1, folder: str | Path | None = None) -> None:
        super().__init__()
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise InvalidArgumentError(f"`every` must be a positive integer. Received: every={every!r}")
        self.metric = metric
        self.every = every
        self.folder = None if folder is None else Path(folder)
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_test_end(self, logs: Logs | None = None) -> None:
        if (self._epoch + 1) % self.every:
            return
        metric = self._found()
        # The metric still holds this process's samples; in a run of several, all of them enter this.
        with metric.synced():
            bins = Bins(*(sums.clone() for sums in metric.binned()))
        self._show(bins, metric)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal callback."""
        folder = None if self.folder is None else str(self.folder)
        return {"metric": self.metric, "every": self.every, "folder": folder}

    def _found(self) -> ExpectedCalibrationError:
        metrics = [metric for metric in self.model.metrics if isinstance(metric, ExpectedCalibrationError)]
        for metric in metrics:
            if self.metric in (None, metric.name):
                return metric
        raise InvalidArgumentError(
            "ReliabilityDiagram shows what a metric has counted: compile with "
            f"`metrics=['expected_calibration_error']`. Received: metric={self.metric!r}, a model with the metrics "
            f"{[metric.name for metric in self.model.metrics]}"
        )

    def _show(self, bins: Bins, metric: ExpectedCalibrationError) -> None:
        is_writer = self.board is not None and self.board.writer("validation") is not None
        if not is_writer and self.folder is None:
            return
        samples = f"{float(bins.weight.sum()):.6g} samples"
        title = f"epoch {self._epoch + 1}: ECE {float(error_of(bins, 'l1')):.4f}, {samples}"
        image = reliability_image(bins, title, is_binary=metric.is_binary)
        if self.board is not None:
            self.board.add_image(f"reliability/{metric.name}", image, step=self._epoch, part="validation")
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(self.folder / f"epoch_{self._epoch + 1:04d}.png")
