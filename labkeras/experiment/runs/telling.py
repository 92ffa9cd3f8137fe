"""What plugins hear of a run, and what they add to it."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from labkeras.callbacks.callback import Callback, Logs
from labkeras.callbacks.logs import python_logs
from labkeras.callbacks.processes import is_main_process
from labkeras.errors import PluginError, RunDirectoryError
from labkeras.experiment.runs.directory import RunDirectory, json_value
from labkeras.plugins import hooks
from labkeras.plugins.subjects import Run

__all__ = ["Loggers", "Telling", "added_callbacks", "facts_of", "run_subject"]


def run_subject(folder: RunDirectory, config: Mapping[str, Any], seed: int, is_resumed: bool) -> Run:
    """A run as hooks see it.

    Args:
        folder: of the run.
        config: the whole config, checked.
        seed: of all random generators.
        is_resumed: whether it goes on.
    """
    job: dict[str, Any] = {}
    with suppress(RunDirectoryError):
        job = folder.job() or {}
    sweep = Path(job["sweep"]) if isinstance(job.get("sweep"), str) else None
    return Run(folder.path, config.get("name"), config, seed, is_resumed, sweep, job.get("trial"))


def facts_of(hook: str, **arguments: Any) -> dict[str, Any]:
    """What plugins that look on have to say, by their names, as JSON can hold it.

    Args:
        hook: one whose answers are mappings.
        **arguments: its own.
    """
    return {plugin: json_value(dict(answer)) for plugin, answer in hooks.observe(hook, **arguments) if answer}


def added_callbacks(run: Run) -> list[Any]:
    """The callbacks that plugins add to a run, in each of its processes.

    Raises:
        PluginError: if a plugin fails, or adds what is no callback.
    """
    added: list[Any] = []
    for plugin, callbacks in hooks.ask("labkeras_trainer_callbacks", run=run):
        if not isinstance(callbacks, list | tuple):
            raise PluginError(
                f"labkeras_trainer_callbacks() of the plugin {plugin!r} must return a list of callbacks. "
                f"Received: {callbacks!r}"
            )
        added += callbacks
    if is_main_process():
        loggers = [logger for _, answer in hooks.ask("labkeras_make_logger", run=run) for logger in answer]
        added += [Loggers(loggers, run)] if loggers else []
    return added


class Telling(Callback):
    """Tells plugins of each epoch.

    Args:
        run: whose.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if is_main_process():
            metrics = {"epoch": epoch + 1, **python_logs(logs)}
            hooks.observe("labkeras_metrics", step=_steps(self.model), metrics=metrics, run=self._run)

    def checkpoint_saved(self, path: Path, kind: str, metrics: Mapping[str, Any]) -> None:
        """Tells them of a checkpoint.

        Args:
            path: the file.
            kind: "last" or "best".
            metrics: losses and metrics at that time.
        """
        hooks.observe("labkeras_checkpoint_saved", path=path, kind=kind, metrics=dict(metrics), run=self._run)


class Loggers(Callback):
    """Hands a run's numbers to Lightning's loggers; no Trainer has to know them, which would cost time in each step.

    Args:
        loggers: Lightning's.
        run: whose numbers they get.
    """

    def __init__(self, loggers: list[Any], run: Run) -> None:
        super().__init__()
        self._loggers = loggers
        self._run = run

    def on_train_begin(self, logs: Logs | None = None) -> None:
        for logger in self._loggers:
            logger.log_hyperparams(dict(self._run.config))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        metrics = {"epoch": epoch + 1, **python_logs(logs)}
        for logger in self._loggers:
            logger.log_metrics(metrics, step=_steps(self.model))
            logger.save()

    def close(self, is_good: bool) -> None:
        """Tells them that the run ended.

        Args:
            is_good: whether it came to its end.
        """
        for logger in self._loggers:
            logger.finalize("success" if is_good else "failed")


def _steps(model: Any) -> int:
    return int(getattr(getattr(model, "optimizer", None), "iterations", 0))
