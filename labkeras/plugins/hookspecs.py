"""Every hook that a plugin may implement.

A plugin is an installed distribution with an entry point in the group `labkeras`:

    [project.entry-points.labkeras]
    example = "labkeras_example"

whose module marks functions of the names below with `@labkeras.hookimpl`. Each returns a mapping from the name under
which a component is used (in Python, in YAML, on the command line) to the component, or to its address "module:Name",
which is then imported only when somebody uses it.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pluggy

__all__ = [
    "hookimpl",
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
]

_Function = TypeVar("_Function", bound=Callable[..., Any])

hookimpl: Callable[[_Function], _Function] = pluggy.HookimplMarker("labkeras")
_hookspec: Callable[[_Function], _Function] = pluggy.HookspecMarker("labkeras")

Components = Mapping[str, Any]
"""name → class or function, or "module:Name" of one."""


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
