"""On the first lookup: find the plugins, file what each offers, set a broken one aside.

One plugin's fault never stops another one, nor labkeras: it is named in a `PluginWarning` and kept in `problems()`.
"""

import importlib
import threading
import warnings
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from labkeras.errors import PluginError, PluginWarning, did_you_mean
from labkeras.plugins import hookspecs
from labkeras.registry import CORE, KINDS, registry_of

__all__ = ["Plugin", "PluginProblem", "load_plugins", "plugins", "problems", "register_plugin"]

GROUP = "labkeras"
"""The entry-point group in which plugins announce themselves."""


@dataclass(frozen=True)
class Plugin:
    """A plugin that was loaded."""

    distribution: str
    version: str
    name: str
    module: Any


@dataclass(frozen=True)
class PluginProblem:
    """A plugin that was set aside, or a part of one that was, and why."""

    distribution: str
    name: str
    error: str


_plugins: list[Plugin] = []
_problems: list[PluginProblem] = []
_lock = threading.RLock()
_loaded = False


def load_plugins() -> None:
    """Files the core's and all installed plugins' components; does its work once a process."""
    global _loaded
    if _loaded:
        return
    with _lock:
        if _loaded:
            return
        # Set first: a plugin that looks up a name while it is imported must not start this again.
        _loaded = True
        _file(Plugin(CORE, "", "builtins", importlib.import_module("labkeras.builtins")))
        for entry_point in sorted(entry_points(group=GROUP), key=lambda found: (_distribution(found), found.name)):
            _load_one(entry_point)


def plugins() -> list[Plugin]:
    """The plugins that were loaded, without the core."""
    load_plugins()
    return list(_plugins)


def problems() -> list[PluginProblem]:
    """What was set aside, and why."""
    load_plugins()
    return list(_problems)


def register_plugin(module: Any, distribution: str) -> None:
    """Files what a module or object offers through its hooks, as if it were installed.

    Args:
        module: holds functions marked with `hookimpl`.
        distribution: the name to list it under.

    Raises:
        PluginError: if a hook is misspelt or fails.
    """
    load_plugins()
    plugin = Plugin(distribution, "", distribution, module)
    _file(plugin)
    _plugins.append(plugin)


def _load_one(entry_point: EntryPoint) -> None:
    distribution = _distribution(entry_point)
    version = entry_point.dist.version if entry_point.dist is not None else ""
    try:
        plugin = Plugin(distribution, version, entry_point.name, entry_point.load())
        _file(plugin)
    except (Exception, SystemExit) as error:
        reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
        _set_aside(PluginProblem(distribution, entry_point.name, reason))
    else:
        _plugins.append(plugin)


def _file(plugin: Plugin) -> None:
    """Calls the plugin's hooks and files what they return; files nothing if one of them is wrong."""
    # A manager a plugin: pluggy leaves a plugin with a bad hook half registered, and one that raises ends the whole call.
    manager = pluggy.PluginManager("labkeras")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin.module, plugin.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(_misspelt(plugin, str(error))) from error
    offers = [(kind, _offered(manager, kind)) for kind in KINDS]
    try:
        for kind, components in offers:
            for name, component in components.items():
                _warn_if_shadowed(kind, name, plugin)
                registry_of(kind).add(name, component, plugin.distribution)
    except Exception:
        for kind in KINDS:
            registry_of(kind).remove(plugin.distribution)
        raise


def _offered(manager: pluggy.PluginManager, kind: str) -> dict[str, Any]:
    hook = f"labkeras_register_{kind}"
    offered: dict[str, Any] = {}
    for result in getattr(manager.hook, hook)():
        if not hasattr(result, "items"):
            raise PluginError(f"{hook}() must return a mapping from name to component. Received: {result!r}")
        offered.update(result)
    return offered


def _warn_if_shadowed(kind: str, name: str, plugin: Plugin) -> None:
    registry = registry_of(kind)
    others = [entry.provider for entry in registry.entries_named(name) if entry.provider != plugin.distribution]
    if not others:
        return
    meaning = "labkeras's own" if CORE in others else "an error until you say which"
    _set_aside(
        PluginProblem(
            plugin.distribution,
            plugin.name,
            f"the {registry.kind} name {name!r} is also provided by {', '.join(map(repr, others))}; "
            f"{name!r} alone is {meaning}, this one is '{plugin.distribution}/{name}'",
        )
    )


def _set_aside(problem: PluginProblem) -> None:
    _problems.append(problem)
    warnings.warn(f"plugin {problem.name!r} of {problem.distribution!r}: {problem.error}", PluginWarning, stacklevel=2)


def _misspelt(plugin: Plugin, message: str) -> str:
    known = [name for name in hookspecs.__all__ if name.startswith("labkeras_")]
    marked = [name for name in dir(plugin.module) if hasattr(getattr(plugin.module, name, None), "labkeras_impl")]
    hooks = [name for name in marked if name not in known]
    wrong = [f"there is no hook {name!r}.{did_you_mean(name, known)}" for name in hooks]
    return " ".join(wrong) or message


def _distribution(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist is not None else entry_point.value.partition(":")[0]
