"""The core, as its own first plugin: everything that the packages below list in `__all__`.

A new layer needs no line here. Nothing is imported: each component is offered by its address.
"""

import importlib

from labkeras.naming import to_snake_case
from labkeras.plugins.hookspecs import hookimpl

# Base classes and the functions that every package has; not components.
_NOT_COMPONENTS = {
    "Callback",
    "CallbackList",
    "Constraint",
    "History",
    "Initializer",
    "Input",
    "InputLayer",
    "InputSpec",
    "Layer",
    "LearningRateSchedule",
    "Loss",
    "Metric",
    "Optimizer",
    "Regularizer",
    "deserialize",
    "get",
    "schedules",
    "serialize",
}

# Names that the rule of snake case would misspell.
_SPELLED = {"TerminateOnNaN": "terminate_on_nan"}


@hookimpl
def labkeras_register_activations() -> dict[str, str]:
    """The core\'s activations."""
    return _functions("labkeras.activations")


@hookimpl
def labkeras_register_initializers() -> dict[str, str]:
    """The core\'s initializers."""
    return _classes("labkeras.initializers")


@hookimpl
def labkeras_register_regularizers() -> dict[str, str]:
    """The core\'s regularizers."""
    return _classes("labkeras.regularizers")


@hookimpl
def labkeras_register_constraints() -> dict[str, str]:
    """The core\'s constraints."""
    return _classes("labkeras.constraints")


@hookimpl
def labkeras_register_layers() -> dict[str, str]:
    """The core\'s layers."""
    return _classes("labkeras.layers")


@hookimpl
def labkeras_register_losses() -> dict[str, str]:
    """The core\'s losses."""
    return _classes("labkeras.losses")


@hookimpl
def labkeras_register_metrics() -> dict[str, str]:
    """The core\'s metrics."""
    return _classes("labkeras.metrics")


@hookimpl
def labkeras_register_optimizers() -> dict[str, str]:
    """The core\'s optimizers."""
    # Keras's names of optimizers are their class names in lower case: "rmsprop", "adamw".
    return {name.replace("_", ""): address for name, address in _classes("labkeras.optimizers").items()}


@hookimpl
def labkeras_register_schedules() -> dict[str, str]:
    """The core\'s schedules."""
    return _classes("labkeras.optimizers.schedules")


@hookimpl
def labkeras_register_callbacks() -> dict[str, str]:
    """The core\'s callbacks."""
    return _classes("labkeras.callbacks")


@hookimpl
def labkeras_register_datasets() -> dict[str, str]:
    """The core\'s datasets."""
    package = importlib.import_module("labkeras.datasets")
    return {name: f"labkeras.datasets.{name}:load_data" for name in package.__all__}


def _classes(package: str) -> dict[str, str]:
    """snake_case name → "package:Name", for the classes in a package's `__all__`; its `ALIASES` are names as well.

    An alias that is in `__all__` too is a second name of a class in Python alone: one component stays one.
    """
    module = importlib.import_module(package)
    aliases: dict[str, str] = getattr(module, "ALIASES", {})
    names = [name for name in module.__all__ if name not in _NOT_COMPONENTS | aliases.keys() and name[0].isupper()]
    offered = {_SPELLED.get(name) or to_snake_case(name): f"{package}:{name}" for name in names}
    lookup_names = {alias: name for alias, name in aliases.items() if alias not in module.__all__}
    return offered | {alias: f"{package}:{name}" for alias, name in lookup_names.items()}


def _functions(package: str) -> dict[str, str]:
    """name → "package:name", for the functions in a package's `__all__`."""
    module = importlib.import_module(package)
    return {name: f"{package}:{name}" for name in module.__all__ if name not in _NOT_COMPONENTS}
