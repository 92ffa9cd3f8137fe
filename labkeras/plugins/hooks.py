"""How hooks are called: those that take part in what is done, and those that look on.

An error of the first kind is raised, and names the plugin. A plugin whose observer fails hears no more of anything, in
this process; who runs something goes on, and writes down which plugins those are (`set_aside`).
"""

import warnings
from collections.abc import Iterator
from typing import Any

from labkeras.errors import LabkerasError, PluginError, PluginWarning
from labkeras.plugins import manager

__all__ = ["ask", "first_answer", "observe", "observe_first", "set_aside"]

_set_aside: dict[str, dict[str, str]] = {}


def ask(hook: str, **arguments: Any) -> list[tuple[str, Any]]:
    """What plugins answer, each with its name, in the order of their calls; those that answer None are left out.

    Raises:
        PluginError: if one fails, from its error; errors of labkeras's own are raised as they are.

    Example:
        >>> ask("labkeras_config_searchpath")
        [('labkeras-kan', ['pkg://labkeras_kan.conf'])]
    """
    return list(_answers(hook, arguments))


def first_answer(hook: str, **arguments: Any) -> Any:
    """The first answer that is not None, or None; raises as `ask` does."""
    return next((answer for _, answer in _answers(hook, arguments)), None)


def observe(hook: str, **arguments: Any) -> list[tuple[str, Any]]:
    """Tells all plugins; raises nothing, but warns of a plugin that fails, which from then on is not told any more.

    Returns:
        What they answer, as from `ask`.
    """
    return list(_heard(hook, arguments))


def observe_first(hook: str, **arguments: Any) -> Any:
    """The first answer that is not None, or None; fails as `observe` does."""
    return next((answer for _, answer in _heard(hook, arguments)), None)


def set_aside() -> list[dict[str, str]]:
    """Plugins that are not told any more what happens: "plugin", "hook" and "error" of each."""
    return list(_set_aside.values())


def _answers(hook: str, arguments: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for plugin, function, names in manager.implementations(hook):
        try:
            answer = function(**{name: arguments[name] for name in names})
        except LabkerasError:
            raise
        except Exception as error:
            raise PluginError(_sentence(plugin, hook, error)) from error
        if answer is not None:
            yield plugin, answer


def _heard(hook: str, arguments: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for plugin, function, names in manager.implementations(hook):
        if plugin in _set_aside:
            continue
        try:
            answer = function(**{name: arguments[name] for name in names})
        except Exception as error:  # whatever it is: what is looked at goes on
            _set_aside[plugin] = {"plugin": plugin, "hook": hook, "error": f"{type(error).__name__}: {error}"}
            warnings.warn(f"{_sentence(plugin, hook, error)}. It is set aside.", PluginWarning, stacklevel=4)
            continue
        if answer is not None:
            yield plugin, answer


def _sentence(plugin: str, hook: str, error: Exception) -> str:
    return f"{hook}() of the plugin {plugin!r} failed: {type(error).__name__}: {error}"
