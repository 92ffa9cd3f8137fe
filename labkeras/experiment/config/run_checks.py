"""What is wrong with the keys of a run itself: its name, folder, seed, monitored value, and what `fit` is told."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeGuard

from labkeras.experiment.config.components import BY_SHAPE
from labkeras.experiment.config.node_checks import check_arguments
from labkeras.experiment.config.schema import Parameter
from labkeras.experiment.config.words import nearest
from labkeras.experiment.model.plan import Plan, names_in
from labkeras.experiment.runs.directory import RUNS
from labkeras.registry import providers

__all__ = ["SETTINGS", "check_fit", "check_folders", "check_monitors", "check_settings"]

SETTINGS = {
    "name": Parameter("name", str | None, None, "the folder of the runs below runs/"),
    "run_dir": Parameter("run_dir", str | None, None, "the folder of this run"),
    "sweep_dir": Parameter("sweep_dir", str | None, None, "the folder of a sweep"),
    "resume": Parameter("resume", bool, False, "whether to go on with what is in the folder"),
    "debug": Parameter("debug", str | None, None, "what is only tried"),
    "seed": Parameter("seed", int | None, None, "of weights, data order and dropout"),
    "monitor": Parameter("monitor", str | None, None, "the metric that tells the best epoch"),
    "mode": Parameter("mode", Literal["auto", "max", "min"], "auto"),
    "prefer": Parameter("prefer", list[str] | None, None, "whose components bare names mean, if several plugins do"),
}
"""The keys of a config that are no groups."""

_LEAST = {
    "epochs": 1,
    "batch_size": 1,
    "validation_batch_size": 1,
    "initial_epoch": 0,
    "steps_per_epoch": 1,
    "validation_steps": 1,
    "validation_freq": 1,
}


def check_settings(settings: Mapping[str, Any], faults: list[str]) -> None:
    """Adds what is wrong with the keys that are no groups.

    Args:
        settings: those of `SETTINGS` that the config has.
        faults: sentences are added here.
    """
    found: list[str] = []
    check_arguments(SETTINGS, settings, "", found, "the config")
    faults += [fault.removeprefix(".") for fault in found]
    name, seed = settings.get("name"), settings.get("seed")
    if isinstance(name, str) and (not name.strip(". ") or set(name) & set('/\\:*?"<>|\0')):
        faults.append(f"name={name!r}: expected the name of a folder, without '/'")
    for provider in settings.get("prefer") or []:
        if provider not in providers():
            near = nearest(provider, providers(), "Distributions")
            faults.append(f"prefer={provider!r}: no plugin of this distribution is in use.{near}")
    if isinstance(seed, int) and not isinstance(seed, bool) and not 0 <= seed < 2**32:
        faults.append(f"seed={seed!r}: expected an integer from 0 to 4294967295")


def check_folders(run_dir: Any, sweep_dir: Any, faults: list[str]) -> None:
    """Adds what keeps the folder of a run or a sweep from being made, as far as that can be seen without making it."""
    for key, folder in (("run_dir", run_dir), ("sweep_dir", sweep_dir)):
        if folder is None and key == "run_dir":
            obstacle = _obstacle(RUNS)
            if obstacle is not None:
                faults.append(f"run_dir=None: no folder can be made below {str(RUNS)!r}: {obstacle}")
        elif isinstance(folder, str):
            obstacle = _obstacle(Path(folder)) if folder.strip() else "it is empty"
            if obstacle is not None:
                faults.append(f"{key}={folder!r}: this folder cannot be made or written to: {obstacle}")


def _obstacle(folder: Path) -> str | None:
    """Why a folder cannot be made or written to; the nearest one above it that is there says so."""
    try:
        there = next(above for above in (folder.absolute(), *folder.absolute().parents) if above.exists())
    except (OSError, ValueError) as error:
        return str(error)
    if not there.is_dir():
        return f"{there} is a file"
    return None if os.access(there, os.W_OK | os.X_OK) else f"nobody but its owner may write to {there}"


def check_fit(fit: Any, options: Any, faults: list[str]) -> None:
    """Adds arguments of `fit` and `compile` that are out of range, or that contradict each other.

    Args:
        fit: the group `fit` of a config.
        options: the group `compile`.
        faults: sentences are added here.
    """
    if isinstance(options, Mapping) and options.get("run_eagerly") is True and options.get("jit_compile") is True:
        faults.append("compile.jit_compile=True: contradicts compile.run_eagerly=True. Leave one of the two out")
    if not isinstance(fit, Mapping):
        return
    for key, least in _LEAST.items():
        value = fit.get(key)
        if _is_int(value) and value < least:
            faults.append(f"fit.{key}={value!r}: expected an integer of at least {least}")
    split = fit.get("validation_split")
    if isinstance(split, int | float) and not 0 <= split < 1:
        faults.append(
            f"fit.validation_split={split!r}: expected the fraction of the training data to validate on, in [0, 1)"
        )
    for key in ("validation_steps", "validation_batch_size"):
        if _is_int(fit.get(key)) and not split:
            faults.append(
                f"fit.{key}={fit[key]!r}: contradicts fit.validation_split={split!r}, by which nothing is validated. "
                "Set that to 0.1, say"
            )
    first, epochs = fit.get("initial_epoch"), fit.get("epochs")
    if _is_int(first) and _is_int(epochs) and 1 <= epochs <= first:
        faults.append(
            f"fit.initial_epoch={first!r}: contradicts fit.epochs={epochs!r}, which is the epoch to stop before: none "
            "is left"
        )


def _is_int(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def check_monitors(
    monitored: Mapping[str, Any], metrics: Any, fit: Any, plan: Plan | None, loss: Any, faults: list[str]
) -> None:
    """Adds monitored values that training does not log, as far as that can be told.

    Args:
        monitored: full key → the value that is to be monitored: of the run itself, and of its callbacks.
        metrics, fit, loss: the groups of these names.
        plan: what the model does; None if that is not known.
        faults: sentences are added here.
    """
    if not isinstance(metrics, Mapping) or not isinstance(fit, Mapping):
        return
    split = fit.get("validation_split")
    for key, monitor in monitored.items():
        if not isinstance(monitor, str):
            continue
        if monitor.startswith("val_") and not split:
            faults.append(
                f"{key}={monitor!r}: nothing is validated, since fit.validation_split={split!r}. Set it to 0.1, say, "
                f"or monitor {monitor.removeprefix('val_')!r}."
            )
        elif monitor.startswith("val_") and _first_validation(fit) is not None:
            faults.append(
                f"{key}={monitor!r}: nothing is validated, since fit.validation_freq={fit['validation_freq']!r} and "
                f"there are {_first_validation(fit)} epochs"
            )
        known = None if plan is None else _logged(plan, metrics, loss)
        if known is not None and monitor not in known:
            near = nearest(monitor, known, "Logged")
            faults.append(f"{key}={monitor!r}: no such value is logged.{near}")


def _first_validation(fit: Mapping[str, Any]) -> int | None:
    """The number of epochs, if there are too few for a validation."""
    freq, epochs, first = fit.get("validation_freq"), fit.get("epochs"), fit.get("initial_epoch") or 0
    if _is_int(freq) and _is_int(epochs) and _is_int(first) and epochs - first > 0 and freq > epochs:
        return epochs - first
    return None


def _logged(plan: Plan, metrics: Mapping[str, Any], loss: Any) -> list[str]:
    """The names under which training logs, those of validation included."""
    outputs = list(plan.outputs) if isinstance(plan.outputs, dict) else names_in(plan.outputs)
    names = ["loss"]
    if isinstance(loss, Mapping) and "loss" not in loss and len(loss) > 1:
        names += [f"{output}_loss" for output in loss]
    for name, node in metrics.items():
        if isinstance(node, Mapping) and "metric" not in node and name in outputs:
            prefix = f"{name}_" if len(outputs) > 1 else ""
            names += [f"{prefix}{_name_of(inner, one)}" for inner, one in node.items()]
        else:
            names += [f"{prefix}{_name_of(name, node)}" for prefix in _prefixes(outputs)]
    return [*names, *(f"val_{name}" for name in names)]


def _prefixes(outputs: Iterable[str]) -> list[str]:
    several = list(outputs)
    return ["", *(f"{output}_" for output in several)] if len(several) > 1 else [""]


def _name_of(name: str, node: Any) -> str:
    metric = node.get("metric") if isinstance(node, Mapping) else None
    return str(metric) if metric in BY_SHAPE else str(name)
