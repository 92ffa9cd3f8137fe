"""On the first lookup: find the plugins, file what each offers, set a broken one aside.

One plugin's fault never stops another one, nor labkeras: it is named in a `PluginWarning` and kept in `problems()`.
A plugin that somebody names, with `-p` or in `LABKERAS_PLUGINS`, must work.

A command that only shows names does not import a plugin whose names it remembers (`labkeras.plugins.cache`): they are
filed as they were last time, and the plugin is loaded when a component of anybody's is.
"""

import importlib
import importlib.util
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from labkeras.errors import LabkerasError, PluginError, PluginWarning, did_you_mean
from labkeras.plugins import hookspecs
from labkeras.plugins.cache import PluginCache, cache_of, is_remembering
from labkeras.plugins.choice import NAMED, Choice, add_to_choice
from labkeras.plugins.installed import check_version, distribution_of, names_of, version_of
from labkeras.plugins.offers import HOOKS, Offer, offer_of
from labkeras.plugins.subjects import Subcommand
from labkeras.registry import CORE, KINDS, Entry, registry_of

__all__ = [
    "Plugin",
    "PluginProblem",
    "cache_of_provider",
    "config_folders",
    "find_plugins",
    "hook_order",
    "implementations",
    "known_plugins",
    "left_out",
    "load_plugins",
    "plugins",
    "problems",
    "register_plugin",
    "registered",
    "subcommands",
    "use_plugins",
]

GROUP = "labkeras"
"""The entry-point group in which plugins announce themselves."""


@dataclass(frozen=True)
class Plugin:
    """A plugin that was loaded.

    Args:
        distribution: that it comes with; of a module that is not installed, the module's name.
        version: of the distribution; empty if it is not installed.
        name: of its entry point, or the module's.
        module: that has the hooks.
        is_local: whether it was named, and is not installed.
    """

    distribution: str
    version: str
    name: str
    module: Any
    is_local: bool = False


@dataclass(frozen=True)
class PluginProblem:
    """What is wrong with a plugin, or why it is not used.

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


@dataclass
class _Filed:
    """What was filed of one plugin."""

    plugin: Plugin
    entries: list[tuple[str, Entry]]
    offer: Offer


_hooks = pluggy.PluginManager("labkeras")
_hooks.add_hookspecs(hookspecs)
_plugins: list[Plugin] = []
_filed: list[_Filed] = []
_problems: list[PluginProblem] = []
_left_out: list[PluginProblem] = []
_lock = threading.RLock()
_loading = False
_found = False
_remembered: list[tuple[EntryPoint, _Filed]] = []
_caches: dict[str, set[PluginCache]] = {}  # by distribution


def find_plugins() -> None:
    """Files the core's and all plugins' components, as they are or as they are remembered; works once.

    Raises:
        PluginError: if a plugin that was named cannot be loaded.
    """
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
            if not _filed:
                _file(Plugin(CORE, "", "builtins", importlib.import_module("labkeras.builtins")))
            _find_installed()
            _found = True
        finally:
            _loading = False
    # Last: where warnings are errors, the first one ends this.
    for problem in _problems:
        _warn(problem)


def load_plugins() -> None:
    """Files the core's and all plugins' components, and imports the plugins; does its work once a process."""
    find_plugins()
    if not _remembered:
        return
    with _lock:
        known = len(_problems)
        while _remembered:
            entry_point, filed = _remembered.pop()
            _take_back(filed)
            _load_one(entry_point, is_named=False)
    for problem in _problems[known:]:
        _warn(problem)


def use_plugins(words: list[str]) -> None:
    """Adds to the plugins that are used; to be called before names are looked up.

    Args:
        words: modules or names of plugins; with "no:" before it, one that is not to be used.
    """
    global _found
    if words:
        add_to_choice(words)
        _found = False


def cache_of_provider(distribution: str) -> list[PluginCache]:
    """Where what a distribution's components take can be remembered; a file for each of its plugins."""
    return list(_caches.get(distribution, ()))


def plugins() -> list[Plugin]:
    """The plugins that were loaded, without the core."""
    load_plugins()
    return list(_plugins)


def known_plugins() -> list[Plugin]:
    """The plugins without the core; of those that are only remembered, the module is None."""
    find_plugins()
    return [filed.plugin for filed in _filed if filed.plugin.distribution != CORE]


def problems() -> list[PluginProblem]:
    """What is wrong with plugins: those that were set aside, and those that do not work in all their parts."""
    find_plugins()  # what is remembered was without fault
    return list(_problems)


def left_out() -> list[PluginProblem]:
    """Installed plugins that are not used because somebody said so."""
    find_plugins()
    return list(_left_out)


def config_folders() -> list[Path]:
    """The folders of config files that plugins add."""
    find_plugins()
    return [folder for filed in _filed for folder in filed.offer.folders]


def subcommands() -> dict[str, Subcommand]:
    """The verbs that plugins add to the command line; of two of one name, the first."""
    find_plugins()
    found: dict[str, Subcommand] = {}
    for filed in _filed:
        found = filed.offer.subcommands | found
    return found


def implementations(hook: str) -> list[tuple[str, Callable[..., Any], tuple[str, ...]]]:
    """Who implements a hook, in the order of the calls: plugin, function, names of the arguments that it takes.

    Plugins are called in the order of their names; those that are marked `tryfirst` come before, `trylast` after all
    others.
    """
    load_plugins()
    found = getattr(_hooks.hook, hook).get_hookimpls()  # in the order in which they were registered
    found = sorted(found, key=lambda one: (not one.tryfirst, one.trylast))
    return [(one.plugin_name, one.function, one.argnames) for one in found]


def hook_order() -> dict[str, list[str]]:
    """Hook → the plugins that implement it, in the order of the calls; without the hooks that file components."""
    find_plugins()
    order: dict[str, list[str]] = {}
    for hook in HOOKS:
        found = [filed for filed in _filed if hook in filed.offer.hooks]
        if found:
            found.sort(key=lambda filed: filed.offer.hooks[hook])
            order[hook] = [_name_in_hooks(filed.plugin) for filed in found]
    return order


def register_plugin(module: Any, distribution: str) -> None:
    """Files what a module or object offers through its hooks, as if it were installed.

    Args:
        module: holds functions marked with `hookimpl`.
        distribution: the name to list it under.

    Raises:
        PluginError: if a hook is misspelt or fails.
    """
    load_plugins()
    known = len(_problems)
    _file(Plugin(distribution, "", distribution, module, is_local=True))
    for problem in _problems[known:]:
        _warn(problem)


@contextmanager
def registered(module: Any, distribution: str) -> Iterator[None]:
    """Within it, what a module offers is there, as from `register_plugin`; after it no more.

    Args:
        module: holds functions marked with `hookimpl`.
        distribution: the name to list it under.
    """
    load_plugins()
    before = len(_filed), list(_problems)
    try:
        register_plugin(module, distribution)
        yield
    finally:
        for filed in _filed[before[0] :]:
            _take_back(filed)
        _problems[:] = before[1]


# --- finding --------------------------------------------------------------------------------------------------------


def _find_installed() -> None:
    choice = Choice.of_environment()
    _left_out.clear()
    found = sorted(entry_points(group=GROUP), key=lambda one: (distribution_of(one), one.name))
    for entry_point in found:
        reason = choice.why_not(*names_of(entry_point))
        if reason is not None:
            _left_out.append(PluginProblem(distribution_of(entry_point), entry_point.name, reason, set_aside=True))
        elif not _is_filed(entry_point) and not (is_remembering() and _file_remembered(entry_point)):
            _load_one(entry_point, is_named=bool(set(names_of(entry_point)) & set(choice.named)))
    installed = {name: one for one in found for name in names_of(one)}
    for name in choice.named:
        if name not in installed and name not in {filed.plugin.name for filed in _filed}:
            _load_local(name, sorted(installed))


def _load_local(name: str, installed: list[str]) -> None:
    """Files a module that is named, wherever it is found: in the current folder at last."""
    try:
        if importlib.util.find_spec(name.partition(".")[0]) is None and os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        module = importlib.import_module(name)
    except Exception as error:
        hint = f".{did_you_mean(name, installed)}" if isinstance(error, ModuleNotFoundError) else ""
        raise PluginError(
            f"the plugin {name!r}, named with -p or in {NAMED}, cannot be imported: {type(error).__name__}: {error}"
            f"{hint}"
        ) from error
    try:
        _file(Plugin(name, str(getattr(module, "__version__", "")), name, module, is_local=True))
    except PluginError as error:
        raise PluginError(f"the plugin {name!r}, named with -p or in {NAMED}, cannot be used: {error}") from error


def _load_one(entry_point: EntryPoint, is_named: bool) -> None:
    distribution = distribution_of(entry_point)
    try:
        check_version(entry_point)
        plugin = Plugin(distribution, version_of(entry_point), entry_point.name, entry_point.load())
        filed = _file(plugin)
    except (Exception, SystemExit) as error:
        reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
        if is_named:
            raise PluginError(
                f"the plugin {entry_point.name!r} of {distribution!r}, which is named with -p or in {NAMED}, cannot be "
                f"used: {reason}"
            ) from error
        _problems.append(PluginProblem(distribution, entry_point.name, reason, set_aside=True))
    else:
        if is_remembering() and not filed.offer.faults:
            _remember(entry_point, filed)


def _is_filed(entry_point: EntryPoint) -> bool:
    known = {(filed.plugin.distribution, filed.plugin.name) for filed in _filed}
    aside = {(problem.distribution, problem.name) for problem in _problems if problem.set_aside}
    return (distribution_of(entry_point), entry_point.name) in known | aside


# --- filing ---------------------------------------------------------------------------------------------------------


def _file(plugin: Plugin) -> _Filed:
    """Files what a plugin offers; nothing, if any of it is wrong."""
    offer = offer_of(plugin.module, plugin.name)
    problems = [PluginProblem(plugin.distribution, plugin.name, fault) for fault in offer.faults]
    filed = _Filed(plugin, [], offer)
    try:
        for kind, components in offer.components.items():
            for name, component in components.items():
                problems += _shadowed(kind, name, plugin)
                filed.entries.append((kind, registry_of(kind).add(name, component, plugin.distribution)))
        _hooks.register(plugin.module, _name_in_hooks(plugin))
    except Exception as error:
        _take_back(filed)
        if isinstance(error, ValueError) and not isinstance(error, LabkerasError):  # pluggy's
            raise PluginError(f"its module is a plugin already: {error}") from error
        raise
    _filed.append(filed)
    if plugin.distribution != CORE:
        _plugins.append(plugin)
    _problems.extend(problem for problem in problems if problem not in _problems)
    return filed


def _take_back(filed: _Filed) -> None:
    """Takes out what was filed of a plugin."""
    for kind, entry in filed.entries:
        registry_of(kind).discard(entry)
    if filed in _filed:
        _filed.remove(filed)
    if filed.plugin in _plugins:
        _plugins.remove(filed.plugin)
    name = _name_in_hooks(filed.plugin)
    if _hooks.get_plugin(name) is filed.plugin.module and _hooks.has_plugin(name):
        _hooks.unregister(name=name)


def _name_in_hooks(plugin: Plugin) -> str:
    """A name that no other plugin has: the distribution's, unless that has several."""
    same = plugin.name == plugin.distribution or plugin.distribution.endswith(f"-{plugin.name}")
    return plugin.distribution if same else f"{plugin.distribution}:{plugin.name}"


def _remember(entry_point: EntryPoint, filed: _Filed) -> None:
    cache = cache_of(entry_point)
    # Of what lies in another package nobody would see that it has changed.
    if cache is None or any(_package(entry.location) != cache.package for _, entry in filed.entries):
        return
    _caches.setdefault(distribution_of(entry_point), set()).add(cache)
    offers = [[kind, entry.name, entry.location] for kind, entry in filed.entries]
    adds = {
        "folders": list(map(str, filed.offer.folders)),
        "subcommands": {name: [one.summary, one.function] for name, one in filed.offer.subcommands.items()},
        "hooks": filed.offer.hooks,
    }
    known = cache.read()
    if known.get("offers") != offers or known.get("adds") != adds:
        cache.write(offers=offers, adds=adds, components={})


def _package(location: str) -> str:
    return location.partition(".")[0].partition(":")[0]


def _file_remembered(entry_point: EntryPoint) -> bool:
    """Files what a plugin offered last time; whether that is known."""
    cache = cache_of(entry_point)
    known = cache.read() if cache is not None else {}
    offers, adds = known.get("offers"), known.get("adds")
    if cache is None or not isinstance(offers, list) or not isinstance(adds, dict):
        return False
    distribution = distribution_of(entry_point)
    problems: list[PluginProblem] = []
    filed = _Filed(Plugin(distribution, version_of(entry_point), entry_point.name, None), [], Offer())
    try:
        for kind, name, location in offers:
            if not isinstance(location, str) or kind not in KINDS:
                raise TypeError
            problems += _shadowed(kind, name, filed.plugin)
            filed.entries.append((kind, registry_of(kind).add(name, location, distribution)))
            filed.entries[-1][1].is_remembered = True
        filed.offer.folders = [folder for one in adds["folders"] if (folder := Path(one)).is_dir()]
        filed.offer.subcommands = {name: Subcommand(*map(str, one)) for name, one in adds["subcommands"].items()}
        filed.offer.hooks = {hook: int(place) for hook, place in adds["hooks"].items() if hook in HOOKS}
    except (LabkerasError, TypeError, ValueError, KeyError, AttributeError):  # not of the form in which it is written
        _take_back(filed)
        return False
    _remembered.append((entry_point, filed))
    _filed.append(filed)
    _problems.extend(problems)
    _caches.setdefault(distribution, set()).add(cache)
    return True


def _shadowed(kind: str, name: str, plugin: Plugin) -> list[PluginProblem]:
    """What to say of a name that another distribution provides as well."""
    registry = registry_of(kind)
    others = [entry.provider for entry in registry.entries_named(name) if entry.provider != plugin.distribution]
    if not others:
        return []
    meaning = "labkeras's own" if CORE in others else "an error unless one is preferred"
    sentence = (
        f"the {registry.kind} name {name!r} is also provided by {', '.join(map(repr, others))}; "
        f"{name!r} alone is {meaning}, this one is '{plugin.distribution}/{name}'"
    )
    return [PluginProblem(plugin.distribution, plugin.name, sentence)]


def _warn(problem: PluginProblem) -> None:
    warnings.warn(str(problem), PluginWarning, stacklevel=3)
