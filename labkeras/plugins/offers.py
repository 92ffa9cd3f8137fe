"""What a plugin's module offers: the hooks that it implements, and what those return that only add names."""

import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pluggy

from labkeras.errors import PluginError, did_you_mean
from labkeras.plugins import hookspecs
from labkeras.plugins.subjects import Subcommand
from labkeras.registry import KINDS

__all__ = ["HOOKS", "Offer", "offer_of"]

HOOKS = tuple(name for name in hookspecs.__all__ if name.startswith("labkeras_"))
"""The names of all hooks."""

_PACKAGE = "pkg://"


@dataclass
class Offer:
    """What a plugin adds.

    Args:
        components: kind → name → component, or its address.
        folders: of config files; they exist.
        subcommands: by name.
        hooks: that it implements, without those that file components: -1 for one that is to be called first, 1 last.
        faults: what is wrong with the plugin, without keeping it from being used.
    """

    components: dict[str, dict[str, Any]] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)
    subcommands: dict[str, Subcommand] = field(default_factory=dict)
    hooks: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def offer_of(module: Any, name: str) -> Offer:
    """Asks a plugin what it adds.

    Args:
        module: holds functions marked with `hookimpl`.
        name: the plugin's.

    Raises:
        PluginError: if a hook is misspelt, is marked as what hooks here cannot be, or returns something else than it
            must.
        Exception: whatever a hook raises.
    """
    needed = getattr(module, "LABKERAS_API", hookspecs.API)
    if not isinstance(needed, int) or needed > hookspecs.API:
        raise PluginError(
            f"it was written for version {needed!r} of labkeras's hooks, and this labkeras has version "
            f"{hookspecs.API}: upgrade labkeras, or install an older version of the plugin"
        )
    # A manager of its own: pluggy leaves a plugin with a bad hook half registered, and one that raises ends the call
    # for all.
    manager = pluggy.PluginManager("labkeras")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(_misspelt(module, str(error))) from error
    _check_no_wrappers(manager, module)
    offer = Offer(hooks=_implemented(manager), faults=_unmarked(module))
    for kind in KINDS:
        hook = f"labkeras_register_{kind}"
        offer.components[kind] = _mapping(hook, getattr(manager.hook, hook)())
    for folders in manager.hook.labkeras_config_searchpath():
        if isinstance(folders, str) or not hasattr(folders, "__iter__"):
            raise PluginError(f"labkeras_config_searchpath() must return a list of folders. Received: {folders!r}")
        offer.folders += [_folder(folder) for folder in folders]
    offer.subcommands = _mapping("labkeras_add_subcommands", manager.hook.labkeras_add_subcommands())
    for verb, subcommand in offer.subcommands.items():
        if not isinstance(subcommand, Subcommand) or subcommand.function.count(":") != 1:
            raise PluginError(
                "labkeras_add_subcommands() must return a mapping from name to "
                f'`labkeras.plugins.subjects.Subcommand(summary, "module:function")`. Received: {verb!r}: '
                f"{subcommand!r}"
            )
    return offer


def _implemented(manager: pluggy.PluginManager) -> dict[str, int]:
    return {
        hook: one.trylast - one.tryfirst
        for hook in HOOKS
        if not hook.startswith("labkeras_register_")
        for one in getattr(manager.hook, hook).get_hookimpls()
    }


def _mapping(hook: str, results: list[Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for result in results:
        if not isinstance(result, Mapping):
            raise PluginError(f"{hook}() must return a mapping from name to what it adds. Received: {result!r}")
        merged.update(result)
    return merged


def _folder(address: str | Path) -> Path:
    """The folder that an address names."""
    if not str(address).startswith(_PACKAGE):
        folder = Path(address)
    else:
        package, *parts = str(address).removeprefix(_PACKAGE).split(".")
        spec = importlib.util.find_spec(package)
        places = list(spec.submodule_search_locations or ()) if spec is not None else []
        found = [folder for place in places if (folder := Path(place, *parts)).is_dir()]
        folder = found[0] if found else Path(package, *parts)
    if not folder.is_dir():
        raise PluginError(
            "labkeras_config_searchpath() names a folder that does not exist; if it is in the package, see that it is "
            f"installed with it. Received: {str(address)!r}"
        )
    return folder.resolve()


def _check_no_wrappers(manager: pluggy.PluginManager, module: Any) -> None:
    for name in HOOKS:
        for implementation in getattr(manager.hook, name).get_hookimpls():
            if implementation.hookwrapper or implementation.wrapper:
                raise PluginError(f"{name}() is marked as a wrapper, which hooks of labkeras cannot be")


def _unmarked(module: Any) -> list[str]:
    """Functions called like hooks that nothing calls, since they lack the mark."""
    return [
        f"{name}() is not marked with `@labkeras.hookimpl`, so it is not called.{_near(name)}"
        for name, value in vars(module).items()
        if name.startswith("labkeras_") and inspect.isfunction(value) and not hasattr(value, "labkeras_impl")
    ]


def _misspelt(module: Any, message: str) -> str:
    marked = [name for name in dir(module) if hasattr(getattr(module, name, None), "labkeras_impl")]
    wrong = [f"there is no hook {name!r}.{_near(name)}" for name in marked if name not in HOOKS]
    return " ".join(wrong) or message


def _near(name: str) -> str:
    return "" if name in HOOKS else did_you_mean(name, HOOKS)
