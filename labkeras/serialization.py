"""Objects ↔ configs: `{"module", "class_name", "config", "registered_name"}`, as Keras 3 writes and reads them.

A config is data from a stranger. No module is ever imported because a config names it: a class or function is looked up
in the registries (the core's by Keras's module and class name, a plugin's and the user's by `registered_name`), and
what is found must be of the kind that the place asks for.
"""

import importlib
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from labkeras.errors import InvalidArgumentError, SerializationError, did_you_mean
from labkeras.plugins.manager import load_plugins
from labkeras.registry import CORE, KINDS, Entry, registry_of

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "custom_objects",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "register_base",
    "register_keras_serializable",
    "register_special",
    "resolve",
    "serialize_keras_object",
]

_Object = TypeVar("_Object")

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
# What is named by a class of its own kind and made by another module: module and class name → (package, attribute).
_SPECIAL: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {}

_registered: dict[str, Any] = {}
_registered_names: dict[Any, str] = {}
_scopes = threading.local()


def register_special(module: str, class_name: str, from_config: Callable[[dict[str, Any]], Any]) -> None:
    """Teaches `deserialize_keras_object` a class that is no component: `keras.Sequential`, `keras.DTypePolicy`, …

    Args:
        module: the module as a config names it.
        class_name: the class as a config names it.
        from_config: makes the object from the whole config.
    """
    _SPECIAL[module, class_name] = from_config


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[_Object], _Object]:
    """A decorator that lets a class or function of yours be saved and loaded by name.

    Args:
        package: the first half of the registered name.
        name: the second half; the class's or function's own name unless given.

    Returns:
        The decorator, which returns what it is given.

    Example:
        >>> @register_keras_serializable("my_group")
        ... class Swish: ...
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


def get_registered_name(obj: Any) -> str:
    """The name a class or function is saved under: "package>Name" if registered or a plugin's, else its own name."""
    if obj in _registered_names:
        return _registered_names[obj]
    entry = _entry_of(obj)
    if entry is not None and entry.provider not in (CORE, "user"):
        return f"{entry.provider}>{obj.__name__}"
    return str(obj.__name__)


def get_registered_object(name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The class or function of a registered name: in `custom_objects`, the scopes, the registered ones, the plugins.

    Returns:
        The class or function, or None if nothing bears the name.
    """
    for table in (custom_objects or {}, *reversed(_active_scopes()), _registered):
        if name in table:
            return table[name]
    provider, separator, bare = name.partition(">")
    if not separator:
        return None
    for kind in KINDS:
        for entry in registry_of(kind).entries():
            if entry.provider == provider and entry.provider != CORE and entry.location.rpartition(":")[2] == bare:
                return entry.load()
    return None


def get_custom_objects() -> dict[str, Any]:
    """The registered classes and functions by registered name; changes to it take effect."""
    return _registered


@contextmanager
def custom_object_scope(objects: Mapping[str, Any]) -> Iterator[None]:
    """Within it, `objects` (name → class or function) are found when a config names them."""
    scopes = _active_scopes()
    scopes.append(objects)
    try:
        yield
    finally:
        scopes.pop()


CustomObjectScope = custom_object_scope


def custom_objects() -> dict[str, Any]:
    """What `custom_object_scope`s make available right now, the innermost winning."""
    merged: dict[str, Any] = {}
    for scope in _active_scopes():
        merged.update(scope)
    return merged


def serialize_keras_object(obj: Any) -> Any:
    """Any object that has `get_config`, or a nested structure of plain values, as a config that JSON can hold.

    Raises:
        SerializationError: for an object that cannot be found again by name, such as a lambda.
    """
    if obj is None or isinstance(obj, str | bool | int | float):
        return obj
    if isinstance(obj, list):
        return [serialize_keras_object(item) for item in obj]
    if isinstance(obj, tuple):
        return tuple(serialize_keras_object(item) for item in obj)
    if isinstance(obj, Mapping):
        return {str(key): serialize_keras_object(value) for key, value in obj.items()}
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, slice):
        parts = {name: serialize_keras_object(getattr(obj, name)) for name in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": obj.dtype.name}}
    if inspect.isfunction(obj) or inspect.isbuiltin(obj):
        return _serialize_function(obj)
    if hasattr(obj, "__keras_serialize__"):
        return obj.__keras_serialize__()
    if hasattr(obj, "get_config"):
        return _serialize_instance(obj)
    if hasattr(obj, "detach") and hasattr(obj, "numpy"):
        array = obj.detach().cpu().numpy()
        return {"class_name": "__tensor__", "config": {"value": array.tolist(), "dtype": array.dtype.name}}
    raise SerializationError(
        f"an object of type {type(obj).__name__} cannot be written to a config: give its class `get_config` and "
        f"`from_config`. Received: {obj!r}"
    )


def deserialize_keras_object(
    config: Any,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
    *,
    kind: str | None = None,
) -> Any:
    """The object, or nested structure, that a config describes.

    Args:
        config: what `serialize_keras_object`, or Keras, wrote.
        custom_objects: name → class or function, for names that are not registered.
        safe_mode: must stay True: labkeras never runs code that a config holds.
        kind: the only kind of component that may be made here, such as "layers"; None allows each.

    Raises:
        SerializationError: if the config is malformed, names something unknown, or something of another kind.
    """
    if not safe_mode:
        raise SerializationError(
            "`safe_mode=False` is not supported: labkeras never runs code from a file. Register the function with "
            "`labkeras.saving.register_keras_serializable()` and pass it in `custom_objects` instead."
        )
    return _Reader(custom_objects or {}).read(config, kind)


def resolve(identifier: Any, kind: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The component that an identifier means, for the `get` functions: `losses.get("mse")`.

    Args:
        identifier: a name (of the registry, of `custom_objects` or registered), or a config.
        kind: the kind of component, such as "losses".
        custom_objects: name → class or function, looked up first.

    Returns:
        For a name, the class or function that bears it, not yet called; for a config, the object.
    """
    if isinstance(identifier, str):
        found = get_registered_object(identifier, custom_objects)
        return found if found is not None else registry_of(kind).get(identifier)
    if isinstance(identifier, Mapping):
        return deserialize_keras_object(dict(identifier), custom_objects, kind=kind)
    raise SerializationError(f"a {registry_of(kind).kind} cannot be made from this. Received: {identifier!r}")


def _serialize_function(function: Any) -> Any:
    if function.__name__ == "<lambda>":
        raise SerializationError(
            "a lambda cannot be saved: nothing finds it again by name. Make it a named function and register it with "
            f"`labkeras.saving.register_keras_serializable()`. Received: {function!r}"
        )
    if _is_beside_a_class(function):
        return {
            "module": "builtins",
            "class_name": "function",
            "config": function.__name__,
            "registered_name": "function",
        }
    entry = _entry_of(function)
    if entry is not None and entry.provider == CORE and entry.kind in ("activation", "loss", "metric"):
        module = _MODULE_OF_KIND[_plural(entry.kind)]
        name = function.__name__
        return {"module": module, "class_name": "function", "config": name, "registered_name": name}
    return {
        "module": function.__module__,
        "class_name": "function",
        "config": function.__name__,
        "registered_name": get_registered_name(function),
    }


def _is_beside_a_class(function: Any) -> bool:
    """Whether this is a function of the core that is filed by its class only, such as `losses.mean_squared_error`."""
    if not str(function.__module__).startswith("labkeras."):
        return False
    packages = (importlib.import_module(f"labkeras.{kind}") for kind in ("losses", "metrics"))
    return any(getattr(package, function.__name__, None) is function for package in packages)


def _serialize_instance(obj: Any) -> dict[str, Any]:
    cls = type(obj)
    module, class_name, registered_name = _public_name(cls)
    config = {
        "module": module,
        "class_name": class_name,
        "config": serialize_keras_object(obj.get_config()),
        "registered_name": registered_name,
    }
    for part in ("build_config", "compile_config"):
        describe = getattr(obj, f"get_{part}", None)
        if describe is not None and (described := describe()) is not None:
            config[part] = serialize_keras_object(described)
    return config


def _public_name(cls: type) -> tuple[str, str, str | None]:
    """module, class_name and registered_name of a class as a config names them."""
    public = getattr(cls, "_keras_public_name", None)
    if public is not None and "_keras_public_name" in vars(cls):
        return public[0], public[1], None
    entry = _entry_of(cls)
    if entry is not None and entry.provider == CORE:
        return _MODULE_OF_KIND[_plural(entry.kind)], cls.__name__, None
    return cls.__module__, cls.__name__, get_registered_name(cls)


def _plural(kind: str) -> str:
    return next(plural for plural in KINDS if registry_of(plural).kind == kind)


def _entry_of(obj: Any) -> Entry | None:
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


class _Reader:
    """Reads one config; remembers shared objects by their id."""

    def __init__(self, custom_objects: Mapping[str, Any]) -> None:
        self._custom_objects = custom_objects
        self._shared: dict[int, Any] = {}

    def read(self, config: Any, kind: str | None) -> Any:
        if config is None or isinstance(config, str | bool | int | float):
            return config
        if isinstance(config, list | tuple):
            return [self.read(item, kind) for item in config]
        if not isinstance(config, dict):
            return config
        if "class_name" not in config:
            return {key: self.read(value, kind) for key, value in config.items()}
        return self._read_object(config, kind)

    def _read_object(self, config: dict[str, Any], kind: str | None) -> Any:
        class_name = config["class_name"]
        if not isinstance(class_name, str):
            raise SerializationError(f"`class_name` must be a string. Received: class_name={class_name!r}")
        if class_name.startswith("__"):
            return self._read_value(class_name, config)
        if class_name == "function":
            return self._function(config, kind)
        shared_id = config.get("shared_object_id")
        if shared_id in self._shared:
            return self._checked(self._shared[shared_id], kind, config)
        obj = self._make(config, kind)
        if shared_id is not None:
            self._shared[shared_id] = obj
        return obj

    def _read_value(self, class_name: str, config: dict[str, Any]) -> Any:
        if class_name == "__tuple__":
            return tuple(self.read(item, None) for item in config["items"])
        inner = config.get("config", {})
        if class_name == "__slice__":
            return slice(*(self.read(inner[part], None) for part in ("start", "stop", "step")))
        if class_name == "__ellipsis__":
            return Ellipsis
        if class_name in ("__numpy__", "__tensor__"):
            return np.array(inner["value"], dtype=inner["dtype"])
        if class_name == "__bytes__":
            return str(inner["value"]).encode("utf-8")
        raise SerializationError(
            f"a config of the type {class_name!r} is not read: it can hold code, or is unknown. Register what it stands for "
            "with `labkeras.saving.register_keras_serializable()`."
        )

    def _function(self, config: dict[str, Any], kind: str | None) -> Any:
        name, registered_name = config.get("config"), config.get("registered_name")
        # Keras writes `registered_name: "function"`, and the name that was registered as `config`.
        found = self._custom(registered_name, name) or self._custom(name, name)
        if found is None:
            module_kind = _kind_of_config(config, kind)
            if module_kind is None or (kind is not None and module_kind != kind):
                raise SerializationError(_unknown(config, str(registered_name or name), kind))
            found = _core_function(module_kind, str(name), config)
        return found

    def _make(self, config: dict[str, Any], kind: str | None) -> Any:
        module, class_name = str(config.get("module")), config["class_name"]
        inner = config.get("config")
        registered_name = config.get("registered_name")
        cls = self._custom(registered_name, class_name)
        if cls is not None:
            _check_names_agree(config, cls)
            if inspect.isfunction(cls):
                return cls
            return self._checked(self._from_config(cls, config, inner), kind, config)
        special = _SPECIAL.get((module, class_name))
        if special is not None:
            with custom_object_scope(self._custom_objects):
                return self._checked(special(config), kind, config)
        module_kind = _kind_of_config(config, kind)
        if module_kind is None:
            raise SerializationError(_unknown(config, str(registered_name or class_name), kind))
        if kind is not None and module_kind != kind:
            raise SerializationError(
                f"the config names a {registry_of(module_kind).kind}, {class_name!r}, where a "
                f"{registry_of(kind).kind} belongs."
            )
        return self._from_config(_core_component(module_kind, class_name, config), config, inner)

    def _custom(self, registered_name: Any, name: Any) -> Any:
        """The user's or a plugin's class for a config, or None; it must be the one that the config says it is."""
        if registered_name is not None:
            found = get_registered_object(str(registered_name), self._custom_objects)
            if found is not None:
                return found
        for table in (self._custom_objects, *reversed(_active_scopes())):
            if name in table:
                return table[name]
        return None

    def _from_config(self, cls: Any, config: dict[str, Any], inner: Any) -> Any:
        if not isinstance(inner, dict):
            raise SerializationError(f"the config of {config['class_name']!r} must be a mapping. Received: {inner!r}")
        with custom_object_scope(self._custom_objects):
            try:
                obj = cls.from_config(dict(inner))
            except SerializationError:
                raise
            except (TypeError, ValueError, KeyError, AttributeError) as error:
                raise SerializationError(
                    f"{config['class_name']!r} could not be made from its config: {type(error).__name__}: {error}. "
                    f"Received: config={inner!r}"
                ) from error
            build_config = config.get("build_config")
            if build_config and hasattr(obj, "build_from_config"):
                obj.build_from_config(self.read(build_config, None))
            compile_config = config.get("compile_config")
            if compile_config and hasattr(obj, "compile_from_config"):
                obj.compile_from_config(compile_config)
        return obj

    def _checked(self, obj: Any, kind: str | None, config: dict[str, Any]) -> Any:
        base = _BASES.get(kind) if kind is not None else None
        if base is not None and not isinstance(obj, base):
            raise SerializationError(
                f"the config {config.get('registered_name') or config['class_name']!r} makes a {type(obj).__name__}, "
                f"where a {registry_of(str(kind)).kind} belongs."
            )
        return obj


def _check_names_agree(config: dict[str, Any], found: Any) -> None:
    """A scanner that reads `module` and `class_name` must see the class that is made, not another one."""
    module, class_name = str(config.get("module")), config["class_name"]
    if class_name != found.__name__ or (_kind_of(module) is not None and not found.__module__.startswith(module)):
        raise SerializationError(
            f"the config says {module}.{class_name}, but {config.get('registered_name')!r} is "
            f"{found.__module__}.{found.__name__}: the names must agree."
        )


_BASES: dict[str, type] = {}


def register_base(kind: str, base: type) -> None:
    """Names the class that every component of a kind derives from, so that a config cannot put another thing there."""
    _BASES[kind] = base


def _kind_of(module: str) -> str | None:
    if module in _KIND_OF_MODULE:
        return _KIND_OF_MODULE[module]
    return next((kind for prefix, kind in _PRIVATE_MODULES if module.startswith(prefix)), None)


def _kind_of_config(config: dict[str, Any], expected: str | None) -> str | None:
    """The kind that a config names; `expected` where it names none, as old configs and Keras's functions do."""
    module = config.get("module")
    return expected if module in (None, "builtins") else _kind_of(str(module))


def _core_component(kind: str, name: str, config: dict[str, Any]) -> Any:
    registry = registry_of(kind)
    registry.names()  # files the core's components
    for entry in registry.entries_named(name):
        if entry.provider == CORE:
            return entry.load()
    raise SerializationError(_unknown(config, name, kind))


def _core_function(kind: str, name: str, config: dict[str, Any]) -> Any:
    """A function of the core: one that is filed, or one beside the class of its name, as most losses have."""
    found = _core_component(kind, name, config)
    if inspect.isclass(found):
        package = importlib.import_module(f"labkeras.{kind}")
        found = getattr(package, name) if name in package.__all__ else None
        if not inspect.isfunction(found):
            raise SerializationError(_unknown(config, name, kind))
    return found


def _unknown(config: dict[str, Any], name: str, kind: str | None) -> str:
    known = registry_of(kind).names() if kind is not None else [name for k in KINDS for name in registry_of(k).names()]
    return (
        f"nothing is registered under the name {name!r} (module {config.get('module')!r}).{did_you_mean(name, known)} "
        "Register your own class with `labkeras.saving.register_keras_serializable()`, pass it in `custom_objects`, or "
        "install the plugin that provides it."
    )


def _active_scopes() -> list[Mapping[str, Any]]:
    if not hasattr(_scopes, "stack"):
        _scopes.stack = []
    stack: list[Mapping[str, Any]] = _scopes.stack
    return stack
