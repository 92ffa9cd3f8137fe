"""On the first lookup: find the plugins, file what each offers, set a broken one aside.

One plugin's fault never stops another one, nor labkeras: it is named in a `PluginWarning` and kept in `problems()`.

A command that only shows names does not import a plugin whose names it remembers (`labkeras.plugins.cache`): they are
filed as they were last time, and the plugin is loaded when a component of anybody's is.
"""

import importlib
import inspect
import threading
import warnings
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from labkeras.errors import LabkerasError, PluginError, PluginWarning, did_you_mean
from labkeras.plugins import hookspecs
from labkeras.plugins.cache import PluginCache, cache_of, is_remembering
from labkeras.registry import CORE, KINDS, Entry, registry_of

__all__ = [
    "Plugin",
    "PluginProblem",
    "cache_of_provider",
    "find_plugins",
    "load_plugins",
    "plugins",
    "problems",
    "register_plugin",
]

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
    """What is wrong with a plugin.

    Args:
        distribution: the distribution that it comes with.
        name: the name of its entry point.
        error: what is wrong.
        set_aside: whether nothing of the plugin is used.
    """

    distribution: str
    name: str
    error: str
    set_aside: bool = False

    def __str__(self) -> str:
        fate = "is set aside" if self.set_aside else "has a fault"
        return f"the plugin {self.name!r} of {self.distribution!r} {fate}: {self.error}"


_HOOKS = [name for name in hookspecs.__all__ if name.startswith("labkeras_")]

_plugins: list[Plugin] = []
_problems: list[PluginProblem] = []
_lock = threading.RLock()
_loading = False
_found = False
_remembered: list[tuple[EntryPoint, list[tuple[str, Entry]]]] = []
_caches: dict[str, set[PluginCache]] = {}  # by distribution


def find_plugins() -> None:
    """Files the core's and all installed plugins' components, as they are or as they are remembered; works once."""
    global _found, _loading
    if _found:
        return
    # Other threads wait here until all is filed. A plugin that looks up a name while it is imported is let through, and
    # finds what is filed by then.
    with _lock:
        if _found or _loading:
            return
        _loading = True
        try:
            _file(Plugin(CORE, "", "builtins", importlib.import_module("labkeras.builtins")))
            for entry_point in sorted(entry_points(group=GROUP), key=lambda found: (_distribution(found), found.name)):
                if not (is_remembering() and _file_remembered(entry_point)):
                    _load_one(entry_point)
            _found = True
        finally:
            _loading = False
    # Last: where warnings are errors, the first one ends this.
    for problem in _problems:
        _warn(problem)


def load_plugins() -> None:
    """Files the core's and all installed plugins' components, and imports the plugins; does its work once a process."""
    find_plugins()
    if not _remembered:
        return
    with _lock:
        known = len(_problems)
        while _remembered:
            entry_point, filed = _remembered.pop()
            for kind, entry in filed:
                registry_of(kind).discard(entry)
            _load_one(entry_point)
    for problem in _problems[known:]:
        _warn(problem)


def cache_of_provider(distribution: str) -> list[PluginCache]:
    """Where what a distribution's components take can be remembered; a file for each of its plugins."""
    return list(_caches.get(distribution, ()))


def plugins() -> list[Plugin]:
    """The plugins that were loaded, without the core."""
    load_plugins()
    return list(_plugins)


def problems() -> list[PluginProblem]:
    """What is wrong with plugins: those that were set aside, and those that do not work in all their parts."""
    find_plugins()  # what is remembered was without fault
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
    known = len(_problems)
    _file(plugin)
    _plugins.append(plugin)
    for problem in _problems[known:]:
        _warn(problem)


def _load_one(entry_point: EntryPoint) -> None:
    distribution = _distribution(entry_point)
    version = entry_point.dist.version if entry_point.dist is not None else ""
    try:
        plugin = Plugin(distribution, version, entry_point.name, entry_point.load())
        filed, faults = _file(plugin)
    except (Exception, SystemExit) as error:
        reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
        _problems.append(PluginProblem(distribution, entry_point.name, reason, set_aside=True))
    else:
        _plugins.append(plugin)
        if is_remembering() and not faults:
            _remember(entry_point, filed)


def _remember(entry_point: EntryPoint, filed: list[tuple[str, Entry]]) -> None:
    cache = cache_of(entry_point)
    # Of what lies in another package nobody would see that it has changed.
    if cache is None or any(entry.location.partition(".")[0].partition(":")[0] != cache.package for _, entry in filed):
        return
    _caches.setdefault(_distribution(entry_point), set()).add(cache)
    offers = [[kind, entry.name, entry.location] for kind, entry in filed]
    if cache.read().get("offers") != offers:
        cache.write(offers=offers, components={})


def _file_remembered(entry_point: EntryPoint) -> bool:
    """Files what a plugin offered last time; whether that is known."""
    cache = cache_of(entry_point)
    offers = cache.read().get("offers") if cache is not None else None
    if cache is None or not isinstance(offers, list):
        return False
    distribution = _distribution(entry_point)
    filed: list[tuple[str, Entry]] = []
    problems: list[PluginProblem] = []
    plugin = Plugin(distribution, "", entry_point.name, None)
    try:
        for kind, name, location in offers:
            if not isinstance(location, str):
                raise TypeError
            problems += _shadowed(kind, name, plugin)
            filed.append((kind, registry_of(kind).add(name, location, distribution)))
            filed[-1][1].is_remembered = True
    except (LabkerasError, TypeError, ValueError):  # not of the form in which it is written
        for kind, entry in filed:
            registry_of(kind).discard(entry)
        return False
    _remembered.append((entry_point, filed))
    _problems.extend(problems)
    _caches.setdefault(distribution, set()).add(cache)
    return True


def _file(plugin: Plugin) -> tuple[list[tuple[str, Entry]], list[PluginProblem]]:
    """Calls the plugin's hooks and files what they return; files nothing if one of them is wrong.

    Returns:
        What was filed, by kind, and what is wrong with the plugin itself.
    """
    # A manager a plugin: pluggy leaves a plugin with a bad hook half registered, and one that raises ends the whole
    # call.
    manager = pluggy.PluginManager("labkeras")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin.module, plugin.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(_misspelt(plugin, str(error))) from error
    offers = [(kind, _offered(manager, kind)) for kind in KINDS]
    filed: list[tuple[str, Entry]] = []
    faults = _unmarked(plugin)
    problems = list(faults)
    try:
        for kind, components in offers:
            for name, component in components.items():
                problems += _shadowed(kind, name, plugin)
                filed.append((kind, registry_of(kind).add(name, component, plugin.distribution)))
    except Exception:
        for kind, entry in filed:
            registry_of(kind).discard(entry)
        raise
    _problems.extend(problem for problem in problems if problem not in _problems)
    return filed, faults


def _offered(manager: pluggy.PluginManager, kind: str) -> dict[str, Any]:
    hook = f"labkeras_register_{kind}"
    offered: dict[str, Any] = {}
    for result in getattr(manager.hook, hook)():
        if not hasattr(result, "items"):
            raise PluginError(f"{hook}() must return a mapping from name to component. Received: {result!r}")
        offered.update(result)
    return offered


def _unmarked(plugin: Plugin) -> list[PluginProblem]:
    """Functions called like hooks that nothing calls, since they lack the mark."""
    forgotten = [
        name
        for name, value in vars(plugin.module).items()
        if name.startswith("labkeras_") and inspect.isfunction(value) and not hasattr(value, "labkeras_impl")
    ]
    return [
        PluginProblem(
            plugin.distribution,
            plugin.name,
            f"{name}() is not marked with `@labkeras.hookimpl`, so it is not called.{_near_hook(name)}",
        )
        for name in forgotten
    ]


def _shadowed(kind: str, name: str, plugin: Plugin) -> list[PluginProblem]:
    """What to say of a name that another distribution provides as well."""
    registry = registry_of(kind)
    others = [entry.provider for entry in registry.entries_named(name) if entry.provider != plugin.distribution]
    if not others:
        return []
    meaning = "labkeras's own" if CORE in others else "an error until you say which"
    sentence = (
        f"the {registry.kind} name {name!r} is also provided by {', '.join(map(repr, others))}; "
        f"{name!r} alone is {meaning}, this one is '{plugin.distribution}/{name}'"
    )
    return [PluginProblem(plugin.distribution, plugin.name, sentence)]


def _warn(problem: PluginProblem) -> None:
    warnings.warn(str(problem), PluginWarning, stacklevel=3)


def _misspelt(plugin: Plugin, message: str) -> str:
    marked = [name for name in dir(plugin.module) if hasattr(getattr(plugin.module, name, None), "labkeras_impl")]
    wrong = [f"there is no hook {name!r}.{_near_hook(name)}" for name in marked if name not in _HOOKS]
    return " ".join(wrong) or message


def _near_hook(name: str) -> str:
    return "" if name in _HOOKS else did_you_mean(name, _HOOKS)


def _distribution(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist is not None else entry_point.value.partition(":")[0]
