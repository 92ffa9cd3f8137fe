"""Keras's names in configs ↔ components of the core: modules, kinds, classes and functions."""

import importlib
import inspect
from typing import Any

from labkeras.plugins.manager import load_plugins
from labkeras.registry import CORE, KINDS, Entry, registry_of

__all__ = ["core_component", "core_function", "core_name", "entry_of", "is_core", "kind_of_module", "module_of"]

# Keras module → the kind of the components that it holds.
_KIND_OF_MODULE = {
    "keras.activations": "activations",
    "keras.callbacks": "callbacks",
    "keras.constraints": "constraints",
    "keras.initializers": "initializers",
    "keras.layers": "layers",
    "keras.losses": "losses",
    "keras.metrics": "metrics",
    "keras.optimizers": "optimizers",
    "keras.optimizers.schedules": "schedules",
    "keras.regularizers": "regularizers",
}
_MODULE_OF_KIND = {kind: module for module, kind in _KIND_OF_MODULE.items()}
# Keras writes these classes with the paths of its private modules.
_PRIVATE_MODULES = (
    ("keras.src.optimizers.schedules.", "schedules"),
    ("keras.src.optimizers.", "optimizers"),
    ("keras.src.backend.torch.optimizers.", "optimizers"),
    ("keras.src.losses.", "losses"),
    ("keras.src.metrics.", "metrics"),
)
# Kinds whose functions a config may name; the others are made of classes alone.
_KINDS_OF_FUNCTIONS = ("activations", "losses", "metrics")


def is_core(module: str) -> bool:
    """Whether a module, as a config names it, is one of Keras's: then only components of the core may be meant."""
    return module == "keras" or module.startswith("keras.")


def kind_of_module(module: str) -> str | None:
    """The kind of the components in a module of Keras's, or None if it holds none."""
    if module in _KIND_OF_MODULE:
        return _KIND_OF_MODULE[module]
    return next((kind for prefix, kind in _PRIVATE_MODULES if module.startswith(prefix)), None)


def module_of(entry: Entry) -> str:
    """The module of Keras's that a component of the core is in."""
    return _MODULE_OF_KIND[_plural(entry.kind)]


def core_component(kind: str, name: str) -> Any:
    """The component of the core with a name, its class name as a rule; None if there is none."""
    registry = registry_of(kind)
    registry.names()  # files the core's components
    return next((entry.load() for entry in registry.entries_named(name) if entry.provider == CORE), None)


def core_function(name: str, kind: str | None) -> Any:
    """A function of the core: one that is filed, or one beside the class of its name, as most losses have.

    Args:
        name: its name.
        kind: the kind it must be of; None looks in all kinds that have functions.

    Returns:
        The function, or None if there is none.
    """
    for one in _KINDS_OF_FUNCTIONS if kind is None else (kind,):
        found = core_component(one, name)
        if inspect.isclass(found):
            package = importlib.import_module(f"labkeras.{one}")
            found = getattr(package, name) if name in package.__all__ else None
        if inspect.isfunction(found):
            return found
    return None


def core_name(function: Any, kind: str | None = None) -> str | None:
    """The name by which a config finds a function of the core again; None if it is not one of the core.

    Args:
        function: the function.
        kind: the only kind that counts, such as "activations".
    """
    if not str(function.__module__).startswith("labkeras."):
        return None
    name: str = function.__name__
    return name if core_function(name, kind) is function else None


def entry_of(obj: Any) -> Entry | None:
    """The registry's entry of a class or function, if it has one."""
    load_plugins()
    location = f"{obj.__module__}:{obj.__qualname__}"
    for kind in KINDS:
        for entry in registry_of(kind).entries_named(obj.__name__):
            if entry.address is obj or entry.location == location or _same(entry, obj):
                return entry
    return None


def _same(entry: Entry, obj: Any) -> bool:
    """Whether an entry filed as "package:Name" is `obj`, which lives in a module of that package."""
    package, _, name = entry.location.partition(":")
    return name == obj.__name__ and obj.__module__.startswith(f"{package}.") and entry.load() is obj


def _plural(kind: str) -> str:
    return next(plural for plural in KINDS if registry_of(plural).kind == kind)
