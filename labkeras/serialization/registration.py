"""What a config may name beside the core: registered classes and functions, scopes; and the base class of each kind."""

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from labkeras.errors import InvalidArgumentError
from labkeras.registry import CORE, KINDS, Entry, registry_of
from labkeras.serialization.names import entry_of

__all__ = [
    "CustomObjectScope",
    "active_scopes",
    "base_of",
    "custom_object_scope",
    "custom_objects",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "plugin_entry",
    "register_base",
    "register_keras_serializable",
    "register_special",
    "special",
]

_Object = TypeVar("_Object")

_registered: dict[str, Any] = {}
_registered_names: dict[Any, str] = {}
_specials: dict[tuple[str, str], Any] = {}
_bases: dict[str, type] = {}


class _Scopes(threading.local):
    """The scopes that this thread is in, the outermost first."""

    def __init__(self) -> None:
        self.stack: list[Mapping[str, Any]] = []


_scopes = _Scopes()


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[_Object], _Object]:
    """A decorator that lets a class or function of yours be saved and loaded by name.

    Args:
        package: the first half of the registered name.
        name: the second half; the class's or function's own name unless given.

    Returns:
        The decorator, which returns what it is given.

    Example:
        >>> @register_keras_serializable("my_group")
        ... class Swish:
        ...     def get_config(self):
        ...         return {}
        >>> get_registered_name(Swish)
        'my_group>Swish'
    """

    def decorate(target: _Object) -> _Object:
        if inspect.isclass(target) and not hasattr(target, "get_config"):
            raise InvalidArgumentError(
                f"a class that is registered must have `get_config`. Received: {target.__name__}, which has none"
            )
        registered_name = f"{package}>{name or target.__name__}"  # type: ignore[attr-defined]
        _registered[registered_name] = target
        _registered_names[target] = registered_name
        return target

    return decorate


def register_special(module: str, class_name: str, maker: Any) -> None:
    """Teaches `deserialize_keras_object` a class that is no component: `keras.Sequential`, `keras.DTypePolicy`, …

    Args:
        module: the module as a config names it.
        class_name: the class as a config names it.
        maker: the class; or a function that makes the object from the whole config.
    """
    _specials[module, class_name] = maker


def special(module: str, class_name: str) -> Any:
    """What `register_special` was given for a module and class, or None."""
    return _specials.get((module, class_name))


def register_base(kind: str, base: type) -> None:
    """Names the class that every component of a kind derives from, so that a config cannot put another thing there."""
    _bases[kind] = base


def base_of(kind: str | None) -> type | None:
    """The class that every component of a kind derives from, if there is one."""
    return None if kind is None else _bases.get(kind)


def get_registered_name(obj: Any) -> str:
    """The name a class or function is saved under: "package>Name" if registered or a plugin's, else its own name.

    Example:
        >>> get_registered_name(dict)
        'dict'
    """
    if obj in _registered_names:
        return _registered_names[obj]
    entry = entry_of(obj)
    if entry is not None and entry.provider not in (CORE, "user"):
        return f"{entry.provider}>{obj.__name__}"
    return str(obj.__name__)


def get_registered_object(name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The class or function of a registered name: in `custom_objects`, the scopes, the registered ones, the plugins.

    Args:
        name: "package>Name", or a bare name.
        custom_objects: name → class or function, looked up first.

    Returns:
        The class or function, or None if nothing bears the name.
    """
    for table in (custom_objects or {}, *reversed(active_scopes()), _registered):
        if name in table:
            return table[name]
    entry = plugin_entry(name)
    return None if entry is None else entry.load()


def plugin_entry(name: str) -> Entry | None:
    """The entry of a plugin's component by its registered name, "distribution>Name"."""
    provider, separator, bare = name.partition(">")
    if not separator or provider == CORE:
        return None
    for kind in KINDS:
        for entry in registry_of(kind).entries():
            if entry.provider == provider and entry.location.rpartition(":")[2] == bare:
                return entry
    return None


def get_custom_objects() -> dict[str, Any]:
    """The registered classes and functions by registered name; changes to it take effect."""
    return _registered


@contextmanager
def custom_object_scope(custom_objects: Mapping[str, Any] | None) -> Iterator[None]:
    """Within it, `custom_objects` are found when a config names them.

    Args:
        custom_objects: name → class or function.

    Example:
        >>> with custom_object_scope({"Swish": dict}):
        ...     get_registered_object("Swish")
        <class 'dict'>
    """
    _scopes.stack.append(custom_objects or {})
    try:
        yield
    finally:
        _scopes.stack.pop()


CustomObjectScope = custom_object_scope


def custom_objects() -> dict[str, Any]:
    """What `custom_object_scope`s make available right now, the innermost winning."""
    merged: dict[str, Any] = {}
    for scope in active_scopes():
        merged.update(scope)
    return merged


def active_scopes() -> list[Mapping[str, Any]]:
    """The scopes that this thread is in, the outermost first."""
    return _scopes.stack
