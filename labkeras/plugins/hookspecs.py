"""Every hook that a plugin may implement.

A plugin is an installed distribution with an entry point in the group `labkeras`:

    [project.entry-points.labkeras]
    example = "labkeras_example"

or a module that is named with `labkeras -p my_module …` or in `LABKERAS_PLUGINS`. It marks functions of the names below
with `@labkeras.hookimpl`; each takes those of the arguments that it needs, by name. `docs/hooks.md` has an example of
each.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from labkeras.plugins.subjects import ReportSection, Run, Subcommand, Sweep, Trial

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

    from labkeras.callbacks.callback import Callback
    from labkeras.experiment.runs.data import RunData
    from labkeras.models.model import Model

__all__ = [
    "API",
    "hookimpl",
    "labkeras_add_subcommands",
    "labkeras_checkpoint_saved",
    "labkeras_classify_failure",
    "labkeras_config_searchpath",
    "labkeras_data_ready",
    "labkeras_make_dataset",
    "labkeras_make_logger",
    "labkeras_metrics",
    "labkeras_model_built",
    "labkeras_provenance",
    "labkeras_register_activations",
    "labkeras_register_callbacks",
    "labkeras_register_constraints",
    "labkeras_register_datasets",
    "labkeras_register_initializers",
    "labkeras_register_layers",
    "labkeras_register_losses",
    "labkeras_register_metrics",
    "labkeras_register_models",
    "labkeras_register_optimizers",
    "labkeras_register_regularizers",
    "labkeras_register_schedules",
    "labkeras_report_section",
    "labkeras_run_end",
    "labkeras_run_start",
    "labkeras_sweep_end",
    "labkeras_trainer_callbacks",
    "labkeras_trial_end",
    "labkeras_validate",
]

API = 1
"""The version of this page; a plugin whose module has a greater `LABKERAS_API` needs a newer labkeras."""

_Function = TypeVar("_Function", bound=Callable[..., Any])

hookimpl: Callable[[_Function], _Function] = pluggy.HookimplMarker("labkeras")
_hookspec: Callable[[_Function], _Function] = pluggy.HookspecMarker("labkeras")

Components = Mapping[str, Any]
"""Name, as used in Python, in YAML and on the command line → class or function, or its address "module:Name", which is
imported only when somebody uses it."""


# --- Components -------------------------------------------------------------------------------------------------------


@_hookspec
def labkeras_register_activations() -> Components:  # type: ignore[empty-body]
    """Return the activations this plugin adds, functions of a tensor, by the name used in `activation=…`."""


@_hookspec
def labkeras_register_initializers() -> Components:  # type: ignore[empty-body]
    """Return the initializers this plugin adds, by the name used in `kernel_initializer=…`."""


@_hookspec
def labkeras_register_regularizers() -> Components:  # type: ignore[empty-body]
    """Return the regularizers this plugin adds, by the name used in `kernel_regularizer=…`."""


@_hookspec
def labkeras_register_constraints() -> Components:  # type: ignore[empty-body]
    """Return the constraints this plugin adds, by the name used in `kernel_constraint=…`."""


@_hookspec
def labkeras_register_layers() -> Components:  # type: ignore[empty-body]
    """Return the layers this plugin adds, by the name used in YAML as `layer: …`."""


@_hookspec
def labkeras_register_losses() -> Components:  # type: ignore[empty-body]
    """Return the losses this plugin adds, by the name used in `compile(loss=…)` and `loss=…`."""


@_hookspec
def labkeras_register_metrics() -> Components:  # type: ignore[empty-body]
    """Return the metrics this plugin adds, by the name used in `compile(metrics=[…])` and `metrics=…`."""


@_hookspec
def labkeras_register_optimizers() -> Components:  # type: ignore[empty-body]
    """Return the optimizers this plugin adds, by the name used in `compile(optimizer=…)` and `optimizer=…`."""


@_hookspec
def labkeras_register_schedules() -> Components:  # type: ignore[empty-body]
    """Return the learning-rate schedules this plugin adds, by the name used in `learning_rate=…`."""


@_hookspec
def labkeras_register_callbacks() -> Components:  # type: ignore[empty-body]
    """Return the callbacks this plugin adds, by the name used in the group `callbacks`."""


@_hookspec
def labkeras_register_datasets() -> Components:  # type: ignore[empty-body]
    """Return functions that load `(x_train, y_train), (x_test, y_test)`, by the name used in `data.dataset=…`."""


@_hookspec
def labkeras_register_models() -> Components:  # type: ignore[empty-body]
    """Return the subclassed models this plugin adds, by the name used in YAML as `model: …`."""


# --- Configs, commands ------------------------------------------------------------------------------------------------


@_hookspec
def labkeras_config_searchpath() -> Sequence[str | Path]:  # type: ignore[empty-body]
    """Return folders with groups of YAML files like those of `conf/`: "pkg://package.folder", or a path."""


@_hookspec
def labkeras_add_subcommands() -> Mapping[str, Subcommand]:  # type: ignore[empty-body]
    """Return verbs for the command `labkeras`, by name."""


# --- What takes part in a run: an error of these ends it, and names the plugin ----------------------------------------


@_hookspec
def labkeras_validate(config: Mapping[str, Any]) -> Sequence[str]:  # type: ignore[empty-body]
    """Return a sentence for each thing that is wrong with a config of a run, or of a point of a sweep."""


@_hookspec
def labkeras_make_dataset(node: Mapping[str, Any]) -> Any:
    """Return the data that a config's `data` describes, or None to leave it to that; the first answer counts."""


@_hookspec
def labkeras_model_built(model: "Model", config: Mapping[str, Any]) -> None:
    """See, or change, a config's model after it was built and compiled: to be trained, evaluated or to predict."""


@_hookspec
def labkeras_trainer_callbacks(run: Run) -> "Sequence[Callback]":  # type: ignore[empty-body]
    """Return callbacks for a run, Keras's or Lightning's, called after those of the config."""


@_hookspec
def labkeras_make_logger(run: Run) -> "Sequence[Logger]":  # type: ignore[empty-body]
    """Return Lightning loggers, which get a run's hyperparameters, each epoch's losses and metrics, and its end."""


# --- Who looks on: after an error the plugin hears no more of it; `run.json` names it, and the run goes on ------------


@_hookspec
def labkeras_provenance(run: Run) -> Mapping[str, Any]:  # type: ignore[empty-body]
    """Return facts to be written into `run.json` under the plugin's name when a run starts."""


@_hookspec
def labkeras_run_start(run: Run) -> None:
    """Hear that a run starts, or goes on; its folder is there, its data is not read yet."""


@_hookspec
def labkeras_data_ready(data: "RunData", run: Run) -> Mapping[str, Any]:  # type: ignore[empty-body]
    """Return facts about a run's data, to be written into `run.json` under the plugin's name."""


@_hookspec
def labkeras_metrics(step: int, metrics: Mapping[str, Any], run: Run) -> None:
    """Hear of each epoch's losses and metrics, with the number of optimizer steps so far."""


@_hookspec
def labkeras_checkpoint_saved(path: Path, kind: str, metrics: Mapping[str, Any], run: Run) -> None:
    """Hear that a checkpoint was written: `kind` is "last", to go on from, or "best"."""


@_hookspec
def labkeras_classify_failure(error: BaseException, run: Run | None) -> str | None:
    """Return the kind of failure that an error is, a word such as "node_lost", or None; the first answer counts."""


@_hookspec
def labkeras_run_end(run: Run, result: Mapping[str, Any], error: BaseException | None) -> None:
    """Hear that a run ended: with what `result.json` holds, and with the error if one ended it."""


@_hookspec
def labkeras_trial_end(trial: Trial, sweep: Sweep) -> None:
    """Hear, where the sweep is driven, that an attempt at a trial ended."""


@_hookspec
def labkeras_sweep_end(sweep: Sweep, trials: Sequence[Trial], reason: str) -> None:
    """Hear that a sweep ended, for now or for good, and why."""


@_hookspec
def labkeras_report_section(  # type: ignore[empty-body]
    sweep: Sweep, trials: Sequence[Trial], format: str
) -> Sequence[ReportSection]:
    """Return sections for a sweep's report; `format` is "markdown" or "html"."""
