"""Configs → objects. What a config names is looked up in closed tables, never imported."""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from labkeras.errors import SerializationError, did_you_mean
from labkeras.registry import KINDS, registry_of
from labkeras.serialization.names import core_component, core_function, is_core, kind_of_module
from labkeras.serialization.registration import (
    active_scopes,
    base_of,
    custom_object_scope,
    get_registered_object,
    plugin_entry,
    special,
)
from labkeras.serialization.shared_objects import read_objects
from labkeras.serialization.values import excerpt, read_value

__all__ = ["deserialize_keras_object", "resolve"]

# What a config may make where the place names no kind: parts of models, and nothing that acts by itself.
_KINDS_OF_PARTS = frozenset(KINDS) - {"callbacks", "datasets"}
# Kinds that a plain function can be one of.
_KINDS_OF_FUNCTIONS = ("activations", "constraints", "initializers", "losses", "metrics", "regularizers")


def deserialize_keras_object(
    config: Any,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool | None = True,
    *,
    kind: str | None = None,
) -> Any:
    """The object, or nested structure, that a config describes.

    Args:
        config: what `serialize_keras_object`, or Keras, wrote.
        custom_objects: name → class or function, for names that are not registered.
        safe_mode: True, or None, which means the same: labkeras never runs code that a config holds.
        kind: the only kind of component that may be made here, such as "layers"; None allows each.

    Raises:
        SerializationError: if the config is malformed, names something unknown, or something of another kind.

    Example:
        >>> deserialize_keras_object({"class_name": "__slice__", "config": {"start": 1, "stop": 3, "step": None}})
        slice(1, 3, None)
    """
    if safe_mode is not None and safe_mode is not True:
        raise SerializationError(
            "labkeras never runs code from a file, so there is no unsafe mode. Register the function with "
            "`labkeras.saving.register_keras_serializable()`, or pass it in `custom_objects`. "
            f"Received: safe_mode={safe_mode!r}"
        )
    try:
        return _Reader(custom_objects or {}).read(config, kind)
    except RecursionError:
        raise SerializationError("the config is nested too deeply to be read, or contains itself.") from None


def resolve(identifier: Any, kind: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The component that an identifier means, for the `get` functions: `losses.get("mse")`.

    Args:
        identifier: a name (of the registry, of `custom_objects` or registered), or a config.
        kind: the kind of component, such as "losses".
        custom_objects: name → class or function, looked up first.

    Returns:
        For a name, the class or function that bears it, not yet called; for a config, the object.

    Raises:
        UnknownComponentError: for a name that nothing bears.
        SerializationError: for a config that cannot be read, or anything else; for a name that is of another kind.
    """
    if isinstance(identifier, str):
        found = get_registered_object(identifier, custom_objects)
        if found is None:
            return registry_of(kind).get(identifier)
        _check_kind(found, plugin_entry(identifier), kind, identifier)
        return found
    if isinstance(identifier, Mapping):
        return deserialize_keras_object(dict(identifier), custom_objects, kind=kind)
    raise SerializationError(f"{_a(kind)} cannot be made from this. Received: {identifier!r}")


class _Reader:
    """Reads one config; remembers shared objects by their id."""

    def __init__(self, custom_objects: Mapping[str, Any]) -> None:
        self._custom_objects = custom_objects
        scope = read_objects()
        self._shared: dict[Any, Any] = {} if scope is None else scope

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
            raise SerializationError(f"`class_name` must be a string. Received: class_name={excerpt(class_name)}")
        for name in ("module", "registered_name"):
            if not isinstance(config.get(name), str | None):
                raise SerializationError(f"`{name}` must be a string or null. Received: {name}={excerpt(config[name])}")
        if class_name.startswith("__"):
            return read_value(config, lambda inner: self.read(inner, None))
        if class_name == "function":
            return self._function(config, kind)
        shared_id = config.get("shared_object_id")
        if shared_id is None:
            return self._make(config, kind)
        if isinstance(shared_id, bool) or not isinstance(shared_id, int):
            raise SerializationError(f"`shared_object_id` must be an integer. Received: {excerpt(shared_id)}")
        if shared_id not in self._shared:
            self._shared[shared_id] = config, self._make(config, kind)
        first, obj = self._shared[shared_id]
        if _names(first) != _names(config):
            raise SerializationError(
                f"two objects share the id {shared_id}, but one is said to be {_names(first)}, "
                f"the other {_names(config)}."
            )
        return _checked(obj, kind, config)

    def _function(self, config: dict[str, Any], kind: str | None) -> Any:
        """A function. Keras writes its name, registered or plain, as `config`, and nothing of use beside it."""
        name, module = config.get("config"), config.get("module")
        if not isinstance(name, str):
            raise SerializationError(f"the name of a function must be a string. Received: config={excerpt(name)}")
        found = None
        if module is None or not is_core(module):
            found = self._custom(name) or self._custom(config.get("registered_name"))
            if found is not None and not callable(found):
                raise SerializationError(f"{name!r} is no function. Received: {excerpt(found)}")
        elif kind_of_module(module) not in (kind, None) and kind is not None:
            raise SerializationError(_unknown(config, name, kind))
        if found is None and (module in (None, "builtins") or is_core(module)):
            found = core_function(name, kind or (None if module is None else kind_of_module(module)))
        if found is None:
            raise SerializationError(_unknown(config, name, kind))
        if kind is not None and kind not in _KINDS_OF_FUNCTIONS:
            raise SerializationError(_makes_another(name, "function", kind))
        return found

    def _make(self, config: dict[str, Any], kind: str | None) -> Any:
        """An object of a class: the core's if the module is one of Keras's, else a registered one."""
        module, class_name, registered_name = config.get("module"), config["class_name"], config.get("registered_name")
        if module is not None and is_core(module):
            if registered_name not in (None, class_name):
                raise SerializationError(
                    f"the config says {module}.{class_name}, which has no registered name, but names "
                    f"{registered_name!r}: the names must agree."
                )
            return self._make_of_core(config, kind)
        cls = self._custom_class(config, kind)
        if cls is None and module is None and kind is not None:  # as old configs and hand-written ones have it
            return self._make_of_core(config, kind)
        if cls is None:
            raise SerializationError(_unknown(config, registered_name or class_name, kind))
        if not inspect.isclass(cls):
            return cls
        return self._from_config(cls, config, kind)

    def _make_of_core(self, config: dict[str, Any], kind: str | None) -> Any:
        module, class_name = config.get("module"), config["class_name"]
        maker = _special(module, class_name) if module is not None else None
        if maker is not None and not inspect.isclass(maker):
            with custom_object_scope(self._custom_objects):
                return _checked(_attempt(maker, config, class_name), kind, config)
        if maker is not None:
            return self._from_config(maker, config, kind)
        own_kind = kind if module is None else kind_of_module(module)
        if own_kind is None:
            raise SerializationError(_unknown(config, class_name, kind))
        if own_kind not in (_KINDS_OF_PARTS if kind is None else (kind,)):
            raise SerializationError(_of_another_kind(class_name, own_kind, kind))
        cls = core_component(own_kind, class_name)
        if not inspect.isclass(cls):
            raise SerializationError(_unknown(config, class_name, own_kind))
        return self._from_config(cls, config, kind)

    def _custom_class(self, config: dict[str, Any], kind: str | None) -> Any:
        """The user's or a plugin's class for a config, or None; it must be the one that the config says it is."""
        class_name, registered_name = config["class_name"], config.get("registered_name")
        for key in dict.fromkeys(name for name in (registered_name, class_name) if name is not None):
            found = self._custom(key)
            if found is None:
                continue
            # A scanner that reads `class_name` must see the class that is made, not another one.
            if class_name not in (getattr(found, "__name__", None), key):
                raise SerializationError(
                    f"the config says {config.get('module')}.{class_name}, but {key!r} is {found.__module__}."
                    f"{found.__name__}: the names must agree."
                )
            _check_kind(found, plugin_entry(key), kind, class_name)
            return found
        return None

    def _custom(self, name: str | None) -> Any:
        return None if name is None else get_registered_object(name, self._custom_objects)

    def _from_config(self, cls: Any, config: dict[str, Any], kind: str | None) -> Any:
        class_name, inner = config["class_name"], config.get("config")
        if inner is not None and not isinstance(inner, dict):
            raise SerializationError(f"the config of {class_name!r} must be a mapping. Received: {excerpt(inner)}")
        _check_base(cls, kind, class_name)
        if not hasattr(cls, "from_config"):
            raise SerializationError(
                f"the class {class_name!r} has no `from_config`, so it cannot be made from a config."
            )
        with custom_object_scope(self._custom_objects):
            obj = _checked(_attempt(cls.from_config, dict(inner or {}), class_name), kind, config)
            build_config = config.get("build_config")
            if build_config and hasattr(obj, "build_from_config"):
                _attempt(obj.build_from_config, _plain(build_config, class_name), class_name)
            compile_config = config.get("compile_config")
            if compile_config and hasattr(obj, "compile_from_config"):
                _attempt(obj.compile_from_config, compile_config, class_name)
        return obj


def _attempt(make: Any, config: Any, class_name: str) -> Any:
    """`make(config)`, any error of which is reported as a fault of the config."""
    try:
        return make(config)
    except (SerializationError, RecursionError):
        raise
    except Exception as error:
        raise SerializationError(
            f"{class_name!r} could not be made from its config: {type(error).__name__}: {error}. "
            f"Received: config={excerpt(config)}"
        ) from error


def _plain(build_config: Any, class_name: str) -> Any:
    """A build config: shapes and other plain values. Nothing in it is ever made into an object."""
    pending = [build_config]
    while pending:
        value = pending.pop()
        if isinstance(value, dict) and "class_name" in value and "config" in value:
            raise SerializationError(
                f"the build config of {class_name!r} holds an object, where only shapes belong. "
                f"Received: {excerpt(value)}"
            )
        pending.extend(value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ())
    return build_config


def _special(module: str, class_name: str) -> Any:
    found = special(module, class_name)
    if found is None and (kind_of_module(module) is None or class_name == "InputLayer"):
        # By name: models stand above this package, and file themselves when they are imported.
        importlib.import_module("labkeras.models.sequential")
        found = special(module, class_name)
    return found


def _checked(obj: Any, kind: str | None, config: dict[str, Any]) -> Any:
    base = base_of(kind)
    if base is not None and not isinstance(obj, base):
        raise SerializationError(_makes_another(config["class_name"], type(obj).__name__, str(kind)))
    return obj


def _check_base(cls: type, kind: str | None, name: str) -> None:
    """Before an object is made: whether its class is of the kind that belongs here."""
    base = base_of(kind)
    if base is not None and not issubclass(cls, base):
        raise SerializationError(_makes_another(name, cls.__name__, str(kind)))


def _check_kind(found: Any, entry: Any, kind: str | None, name: str) -> None:
    if entry is not None:
        own_kind = next(plural for plural in KINDS if registry_of(plural).kind == entry.kind)
        if own_kind != kind and (kind is not None or own_kind not in _KINDS_OF_PARTS):
            raise SerializationError(_of_another_kind(name, own_kind, kind))
    if inspect.isclass(found):
        _check_base(found, kind, name)
    elif kind is not None and kind not in _KINDS_OF_FUNCTIONS:
        raise SerializationError(_makes_another(name, "function", kind))


def _names(config: dict[str, Any]) -> str:
    return f"{config.get('module')}.{config['class_name']} ({config.get('registered_name')})"


def _makes_another(name: str, made: str, kind: str) -> str:
    return f"the config {name!r} makes a {made}, where {_a(kind)} belongs."


def _of_another_kind(name: str, own: str, kind: str | None) -> str:
    wanted = "a part of a model" if kind is None else _a(kind)
    return f"the config names {_a(own)}, {name!r}, where {wanted} belongs."


def _a(kind: str) -> str:
    noun = registry_of(kind).kind
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


# Layers of Keras's that run or open what a file brings along.
_NEVER_READ = {
    "Lambda": "it holds a function, often as bytecode, and labkeras never runs code from a file: make it a layer",
    "TFSMLayer": "it runs a SavedModel of TensorFlow's that lies elsewhere",
    "TorchModuleWrapper": "it holds a pickled module, and unpickling runs code: put the module into the model as it is",
}


def _unknown(config: dict[str, Any], name: str, kind: str | None) -> str:
    if is_core(str(config.get("module"))) and name in _NEVER_READ:
        return f"the layer {name!r} of Keras is not read: {_NEVER_READ[name]}."
    known = [name for one in (KINDS if kind is None else (kind,)) for name in registry_of(one).names()]
    known += [str(key) for scope in active_scopes() for key in scope]
    return (
        f"nothing is registered under the name {name!r} (module {config.get('module')!r}).{did_you_mean(name, known)} "
        "Register your own class with `labkeras.saving.register_keras_serializable()`, pass it in `custom_objects`, or "
        "install the plugin that provides it."
    )
