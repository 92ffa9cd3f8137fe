"""A run's training: model, data and callbacks put together, trained, tested and drawn."""

import signal
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkeras.callbacks.tensorboard import TensorBoard
from labkeras.errors import DataError
from labkeras.experiment.boards.picture_options import PictureOptions
from labkeras.experiment.boards.pictures import show
from labkeras.experiment.config.components import KEY_OF_KIND, build, parameters_of
from labkeras.experiment.config.hints import is_path
from labkeras.experiment.runs.checkpointing import CheckpointOptions
from labkeras.experiment.runs.compiling import given
from labkeras.experiment.runs.data import RunData, load_data
from labkeras.experiment.runs.debugging import OVERFIT_SAMPLES, LayerProfiler
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.runs.fingerprint import fingerprint
from labkeras.experiment.runs.record import RunRecord
from labkeras.experiment.runs.recorder import MetricsRecorder
from labkeras.experiment.runs.run_checkpoint import RunCheckpoint
from labkeras.experiment.runs.stopping import Stopping
from labkeras.experiment.runs.telling import Telling, added_callbacks, facts_of
from labkeras.models.model import Model
from labkeras.plugins.subjects import Run

__all__ = ["Training", "training_of"]

# What processes of one run leave training with.
_LEFT_TOGETHER = 128 + signal.SIGTERM


@dataclass
class Training:
    """A run whose parts are built."""

    config: Mapping[str, Any]
    model: Model
    folder: RunDirectory
    recorder: MetricsRecorder
    callbacks: list[Any]
    stopping: Stopping
    record: RunRecord | None
    subject: Run

    def train(self) -> dict[str, Any]:
        """Trains and tests; returns the test results."""
        with self._timing("data"), self.stopping.at_once():
            data = load_data(self.config["data"])
            if self.config.get("debug") == "overfit":
                data = data.some(OVERFIT_SAMPLES)
            if self.record is not None:
                found = self._checked(fingerprint(data))
                facts = facts_of("labkeras_data_ready", data=data, run=self.subject)
                self.record.running(data=found | ({"plugins": facts} if facts else {}))
        trainer = given(self.config.get("trainer")) or None
        arguments = data.fit_arguments(given(self.config["fit"]))
        with self._timing("fit"):
            self.model.fit(data.x, data.y, callbacks=self.callbacks, trainer=trainer, **arguments)
        if self.stopping.reason == "pruned":
            return {}
        tested: dict[str, Any] = {}
        if data.test is not None:
            with self._timing("test"), self.stopping.at_once():
                tested = self._tested(data, arguments.get("batch_size"), trainer)
        self._draw(data, arguments.get("validation_split"))
        return tested

    def train_together(self) -> dict[str, Any]:
        """The same, where several processes may leave training together because one of them had to."""
        try:
            return self.train()
        except SystemExit as leaving:
            if leaving.code != _LEFT_TOGETHER:
                raise
            self.stopping.ask("preempted" if self.stopping.reason is None else self.stopping.reason)
            raise self.stopping.error() from leaving

    def _tested(self, data: RunData, batch_size: int | None, trainer: Any) -> dict[str, Any]:
        assert data.test is not None
        size = {"batch_size": batch_size} if data.is_arrays else {}
        logs = self.model.evaluate(*data.test, **size, verbose=0, return_dict=True, trainer=trainer)
        return {f"test_{name}": float(value) for name, value in logs.items()}

    def _draw(self, data: RunData, split: float | None) -> None:
        board = next((one for one in self.callbacks if isinstance(one, TensorBoard)), None)
        options = self.config.get("pictures", {})
        if board is None or options is None:
            return
        with self._timing("pictures"), self.stopping.at_once():
            show(board, self.folder, self.model, data, PictureOptions(**options), split)

    def _timing(self, phase: str) -> Any:
        return nullcontext() if self.record is None else self.record.timing(phase)

    def _checked(self, now: dict[str, Any]) -> dict[str, Any]:
        """The data's fingerprint, which must be what it was if the run goes on."""
        before = (self.record.values.get("data") if self.record is not None else None) or {}
        old, new = before.get("fingerprint"), now.get("fingerprint")
        if old is not None and new is not None and old != new:
            raise DataError(
                "the data is not what it was when the run began: put it back, or start a new run. "
                f"Received: fingerprint={new!r}, in run.json {old!r}"
            )
        return now


def training_of(
    config: Mapping[str, Any],
    model: Model,
    folder: RunDirectory,
    stopping: Stopping,
    record: RunRecord | None,
    subject: Run,
) -> Training:
    """The parts of a run, built.

    Args:
        config: the whole config, checked.
        model: of it, compiled.
        folder: of the run.
        stopping: says whether it has to end.
        record: of the run; None in a process that writes none.
        subject: the run as hooks see it.

    Raises:
        ConfigError: if a callback refuses an argument.
    """
    recorder = MetricsRecorder(folder, config.get("monitor"), config.get("mode") or "auto")
    callbacks: list[Any] = []
    for group in ("callbacks", "logger"):
        for name, node in (config.get(group) or {}).items():
            callbacks.append(build("callbacks", _within(folder.path, node), f"{group}.{name}"))
    if config.get("debug") == "profile":
        callbacks.append(LayerProfiler(folder.path / "profile"))
    callbacks += added_callbacks(subject)
    telling = Telling(subject)
    options = config.get("checkpoint", {})
    checkpoint = RunCheckpoint(
        folder.checkpoints,
        None if options is None else CheckpointOptions(**options),
        stopping,
        on_resume=_nothing if record is None else record.resumed,
        monitored=recorder.value_of,
        on_saved=telling.checkpoint_saved,
    )
    watching = [*callbacks, recorder, telling, checkpoint]
    return Training(config, model, folder, recorder, watching, stopping, record, subject)


def _nothing(epoch: int, batch: int) -> None:
    pass


def _within(folder: Path, node: Mapping[str, Any]) -> dict[str, Any]:
    """A callback's node with its paths taken from the run's folder."""
    parameters = parameters_of("callbacks", node[KEY_OF_KIND["callbacks"]])
    return {
        key: str(folder / value)
        if isinstance(value, str) and key in parameters and is_path(parameters[key].hint)
        else value
        for key, value in node.items()
    }
