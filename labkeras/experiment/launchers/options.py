"""What `launcher` in a config may hold, and the launcher that it asks for."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labkeras.errors import ConfigError, did_you_mean
from labkeras.experiment.config.node_checks import check_arguments
from labkeras.experiment.config.schema import schema_of
from labkeras.experiment.launchers.launcher import Launcher

__all__ = ["KINDS", "check_launcher", "make_launcher"]

KINDS = {
    "inprocess": "labkeras.experiment.launchers.in_process:InProcess",
    "local": "labkeras.experiment.launchers.local:Local",
    "joblib": "labkeras.experiment.launchers.joblib:Joblib",
    "submitit": "labkeras.experiment.launchers.submitit:Submitit",
    "ray": "labkeras.experiment.launchers.ray:Ray",
}
"""`launcher.kind` → the class; its constructor's arguments are the other keys."""

_KIND = "kind"
_SWEEP = "sweep_dir"  # an argument that a config does not give


def check_launcher(values: Any) -> list[str]:
    """What is wrong with the `launcher` of a config, a sentence each.

    Args:
        values: the mapping, resolved.

    Example:
        >>> check_launcher({"kind": "local", "workers": 0})
        ['launcher.workers=0: expected an integer of at least 1 or null (how many trials run at once)']
    """
    if not isinstance(values, Mapping):
        return [f"launcher={values!r}: expected a mapping; choose an option of the group, as in `launcher=local`"]
    kind = values.get(_KIND)
    if kind not in KINDS:
        near = did_you_mean(str(kind), KINDS) or f" Known: {', '.join(KINDS)}."
        return [f"launcher.{_KIND}={kind!r}: there is no such launcher.{near}"]
    faults: list[str] = []
    given = {key: value for key, value in values.items() if key != _KIND}
    parameters = dict(schema_of(_class_of(kind)).parameters)
    parameters.pop(_SWEEP, None)
    check_arguments(parameters, given, "launcher", faults, f"the launcher {kind!r}")
    return faults


def make_launcher(values: Mapping[str, Any], sweep_dir: Path) -> Launcher:
    """The launcher that a config asks for.

    Args:
        values: the `launcher` of a config, resolved.
        sweep_dir: the sweep's folder, where those of a cluster keep their files.

    Raises:
        ConfigError: naming all faults; also if it needs a library that is not installed.
    """
    faults = check_launcher(values)
    if faults:
        raise ConfigError(faults)
    launcher = _class_of(values[_KIND])
    given = {key: value for key, value in values.items() if key != _KIND}
    if _SWEEP in schema_of(launcher).parameters:
        given[_SWEEP] = sweep_dir
    made: Launcher = launcher(**given)
    return made


def _class_of(kind: str) -> Any:
    module, _, name = KINDS[kind].partition(":")
    return getattr(importlib.import_module(module), name)
