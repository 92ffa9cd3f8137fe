"""One run: build what the config describes, train it, test it, and leave everything in a folder."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkeras.callbacks.tensorboard import TensorBoard
from labkeras.errors import ConfigError, LabkerasError
from labkeras.experiment.config.components import KEY_OF_KIND, build, node_kind, parameters_of
from labkeras.experiment.config.hints import is_path
from labkeras.experiment.config.validation import checked
from labkeras.experiment.model.building import build_model
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.runs.hparams import HParams, choices
from labkeras.experiment.runs.recorder import MetricsRecorder
from labkeras.models.model import Model
from labkeras.random import set_random_seed

__all__ = ["run"]

# Lightning starts the other processes of a distributed run with the same command; they join the folder of the first.
_JOIN = "LABKERAS_RUN_DIR"


def run(config: Any, overrides: Sequence[str] = (), directory: str | Path | None = None) -> dict[str, Any]:
    """Trains and tests what a config describes.

    Args:
        config: what `compose` returned, or a plain mapping of the same form.
        overrides: how it was composed, to be written down.
        directory: the folder of the run; `config.run_dir`, or a new one below `runs/`, unless given.

    Returns:
        What `result.json` holds: the test results, the last and the best epoch, and "run_dir", the folder. In the other
        processes of a distributed run, the test results alone.

    Raises:
        ConfigError: before anything is read or written, if something is wrong with the config.
        RunDirectoryError: if the folder is in use or cannot be made.

    Example:
        >>> result = run(compose(["experiment=digits_mlp", "fit.epochs=1"]))
        >>> result["state"]
        'done'
    """
    values = checked(config)
    if values.get("seed") is not None:
        set_random_seed(values["seed"])
    model = _compiled_model(values)
    folder, is_first = _folder(directory or values.get("run_dir"), values.get("name"))
    try:
        recorder, callbacks = _callbacks(values, folder)
    except ConfigError:
        folder.discard()
        raise
    job = _Job(values, model, folder, recorder, callbacks)
    if not is_first:
        return job.train()
    folder.write_config(values, overrides)
    return _recorded(job, overrides)


@dataclass
class _Job:
    """A run whose parts are built."""

    config: Mapping[str, Any]
    model: Model
    folder: RunDirectory
    recorder: MetricsRecorder
    callbacks: list[Any]

    def train(self) -> dict[str, Any]:
        """Trains and tests; returns the test results."""
        x, y, test = _data(self.config["data"])
        trainer = _given(self.config.get("trainer")) or None
        self.model.fit(x, y, callbacks=self.callbacks, trainer=trainer, **_given(self.config["fit"]))
        if test is None:
            return {}
        batch_size = self.config["fit"].get("batch_size")
        logs = self.model.evaluate(*test, batch_size=batch_size, verbose=0, return_dict=True, trainer=trainer)
        return {f"test_{name}": float(value) for name, value in logs.items()}


def _recorded(job: _Job, overrides: Sequence[str]) -> dict[str, Any]:
    """Trains, and writes how that went, whatever happens."""
    start = time.perf_counter()
    session = _session(job, overrides)
    result: dict[str, Any] = {"state": "done"}
    tested: dict[str, Any] = {}
    try:
        tested = job.train()
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        result["state"] = "interrupted" if interrupted else "failed"
        result["error"] = f"{type(error).__name__}: {error}"
        error.add_note(f"run directory: {job.folder.path}")
        raise
    finally:
        result |= tested | _summary(job) | {"seconds": round(time.perf_counter() - start, 3)}
        job.folder.write_result(result)
        if session is not None:
            session.close(result["state"], tested)
    return result


def _summary(job: _Job) -> dict[str, Any]:
    rows = job.folder.metrics()  # not from memory: training may have gone on in processes of its own
    return {
        "epochs": len(rows),
        "monitor": job.config.get("monitor"),
        "mode": job.recorder.direction(),
        "best": job.recorder.best_of(rows),
        "last": rows[-1] if rows else None,
        "parameters": job.model.count_params() if job.model.built else None,
        "seed": job.config.get("seed"),
        "name": job.config.get("name"),
        "run_dir": str(job.folder.path),
    }


def _session(job: _Job, overrides: Sequence[str]) -> HParams | None:
    """The run in TensorBoard's HParams tab, if event files are written at all."""
    boards = [callback for callback in job.callbacks if isinstance(callback, TensorBoard)]
    if not boards:
        return None
    overridden = {line.partition("=")[0].lstrip("+~") for line in overrides}
    folder = job.folder.path
    return HParams(Path(boards[0].log_dir), f"{folder.parent.name}/{folder.name}", choices(job.config, overridden))


# --- building -------------------------------------------------------------------------------------------------------


def _compiled_model(config: Mapping[str, Any]) -> Model:
    """The model, with optimizer, loss and metrics; what any of them refuses is raised together."""
    faults: list[str] = []
    model = _try(faults, lambda: build_model(config["model"]))
    optimizer = _try(faults, lambda: build("optimizers", config["optimizer"], "optimizer"))
    loss = _try(faults, lambda: _loss(config.get("loss")))
    metrics = _try(faults, lambda: _metrics(config.get("metrics") or {}))
    if faults:
        raise ConfigError(faults)
    try:
        model.compile(optimizer=optimizer, loss=loss, metrics=metrics, **_given(config.get("compile")))
    except LabkerasError as error:
        raise ConfigError([f"compile: {error}"]) from error
    return model  # type: ignore[no-any-return]


def _try(faults: list[str], make: Any) -> Any:
    try:
        return make()
    except ConfigError as error:
        faults += error.faults
        return None


def _loss(loss: Any) -> Any:
    if loss is None or node_kind(loss) == "losses":
        return loss and build("losses", loss, "loss")
    return {output: build("losses", node, f"loss.{output}") for output, node in loss.items()}


def _metrics(metrics: Mapping[str, Any]) -> Any:
    nested = {key: node for key, node in metrics.items() if node_kind(node) != "metrics"}
    if not nested:
        return [build("metrics", node, f"metrics.{name}", name=name) for name, node in metrics.items()]
    return {
        output: [build("metrics", node, f"metrics.{output}.{name}", name=name) for name, node in nodes.items()]
        for output, nodes in nested.items()
    }


def _callbacks(config: Mapping[str, Any], folder: RunDirectory) -> tuple[MetricsRecorder, list[Any]]:
    recorder = MetricsRecorder(folder, config.get("monitor"), config.get("mode") or "auto")
    callbacks: list[Any] = []
    for group in ("callbacks", "logger"):
        for name, node in (config.get(group) or {}).items():
            callbacks.append(build("callbacks", _within(folder.path, node), f"{group}.{name}"))
    return recorder, [*callbacks, recorder]


def _within(folder: Path, node: Mapping[str, Any]) -> dict[str, Any]:
    """A callback's node with its paths taken from the run's folder."""
    parameters = parameters_of("callbacks", node[KEY_OF_KIND["callbacks"]])
    return {
        key: str(folder / value)
        if isinstance(value, str) and key in parameters and is_path(parameters[key].hint)
        else value
        for key, value in node.items()
    }


def _data(node: Mapping[str, Any]) -> tuple[Any, Any, tuple[Any, Any] | None]:
    """x and y to train on, and those to test on if the data set has any."""
    parts = build("datasets", node, "data")
    (x, y), *test = parts
    return x, y, tuple(test[0]) if test and test[0] is not None else None


def _given(arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments that are set: null and "auto" are the defaults where `fit`, `compile` and `Trainer` take them."""
    return {key: value for key, value in (arguments or {}).items() if value is not None and value != "auto"}


def _folder(path: str | Path | None, name: str | None) -> tuple[RunDirectory, bool]:
    """The run's folder, and whether this process is the one that writes there."""
    if int(os.environ.get("LOCAL_RANK", "0")) > 0 and _JOIN in os.environ:
        return RunDirectory(Path(os.environ[_JOIN])), False
    folder = RunDirectory.create(path, name)
    os.environ[_JOIN] = str(folder.path)
    return folder, True
