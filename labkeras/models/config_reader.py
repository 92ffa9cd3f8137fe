"""Configs → models: layers are made, then called on placeholders in an order in which their inputs are there."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

from labkeras.dtypes import to_torch
from labkeras.errors import LabkerasError, SerializationError
from labkeras.graph.input import InputLayer
from labkeras.graph.symbolic import KerasTensor
from labkeras.models.config import is_functional
from labkeras.models.operations import apply_operation
from labkeras.models.torch_functions import apply_function
from labkeras.models.torch_modules import module_from_config
from labkeras.nest import flatten
from labkeras.serialization import deserialize_keras_object, read_value

__all__ = ["GRAPH_KEYS", "has_graph", "read_graph", "read_layer", "takes_graph"]

GRAPH_KEYS = ("layers", "input_layers", "output_layers")
"""What the config of a functional model has, and no other."""
_OPERATIONS = "keras.src.ops."
_VALUES = ("__bytes__", "__ellipsis__", "__numpy__", "__tensor__", "__tuple__")


def has_graph(config: Mapping[str, Any]) -> bool:
    """Whether a config is that of a functional model."""
    return all(key in config for key in GRAPH_KEYS)


def takes_graph(cls: type) -> bool:
    """Whether a model class is made as `cls(inputs=…, outputs=…, name=…)`: `Model`, or a subclass that keeps to it."""
    parameters = inspect.signature(cls).parameters.values()
    kinds = {parameter.kind for parameter in parameters}
    takes_all = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds
    return takes_all or [parameter.name for parameter in parameters][:3] == ["inputs", "outputs", "name"]


def read_layer(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The layer, or module of torch's, of an entry in a model's `layers`.

    Raises:
        SerializationError: if it is malformed, or names something that is no layer.
    """
    if not isinstance(config, dict):
        raise SerializationError(f"an entry of `layers` must be a mapping. Received: {config!r}")
    if (config.get("module"), config.get("class_name")) == ("labkeras.graph", "TorchModule"):
        return module_from_config(_settings(config))
    entry = {key: value for key, value in config.items() if key not in ("name", "inbound_nodes")}
    if "module" not in entry and "class_name" not in entry:
        raise SerializationError(f"an entry of `layers` must name a class. Received: the keys {sorted(config)}")
    if (entry.get("module"), entry.get("class_name")) == ("keras.layers", "InputLayer"):
        return deserialize_keras_object(entry, custom_objects)
    return deserialize_keras_object(entry, custom_objects, kind="layers")


def read_graph(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> tuple[Any, Any]:
    """The placeholders of the inputs and outputs of a functional model, with the graph between them.

    Args:
        config: what `get_config` of such a model, or of Keras's, returned.
        custom_objects: name → class or function, for layers that are not registered.

    Raises:
        SerializationError: if a layer cannot be made or called, or the calls are circular.
    """
    return _GraphReader(config, custom_objects).read()


class _GraphReader:
    """Keeps the results of each call by its address: name of the operation, and number of its call."""

    def __init__(self, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None) -> None:
        self._config = config
        self._operations: dict[str, Any] = {}
        self._results: dict[tuple[str, int], list[KerasTensor]] = {}
        self._calls: dict[tuple[str, int], dict[str, Any]] = {}
        for entry in _list(config["layers"], "layers"):
            self._read_entry(entry, custom_objects)

    def read(self) -> tuple[Any, Any]:
        for address in self._in_order():
            self._call(*address)
        return self._tensors(self._config["input_layers"]), self._tensors(self._config["output_layers"])

    def _read_entry(self, entry: Any, custom_objects: Mapping[str, Any] | None) -> None:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or name in self._operations:
            raise SerializationError(f"each entry of `layers` must have a name of its own. Received: name={name!r}")
        operation = _operation(entry) or read_layer(entry, custom_objects)
        self._operations[name] = operation
        if isinstance(operation, InputLayer):
            self._results[name, 0] = [operation.output]
            return
        for number, call in enumerate(_list(entry.get("inbound_nodes"), "inbound_nodes")):
            is_call = isinstance(call, dict) and isinstance(call.get("kwargs"), dict)
            if not (is_call and isinstance(call.get("args"), list | tuple)):
                raise SerializationError(
                    f"a call of {name!r} must have `args` and `kwargs`; graphs of older formats are not read. "
                    f"Received: {call!r}"
                )
            self._calls[name, number] = call

    def _in_order(self) -> list[tuple[str, int]]:
        """The calls, each after those whose results it takes and after the earlier calls of its operation."""
        waits: dict[tuple[str, int], set[tuple[str, int]]] = {}
        awaited_by: dict[tuple[str, int], list[tuple[str, int]]] = {}
        for address, call in self._calls.items():
            name, number = address
            needs = {place for place in _addresses(call) if place not in self._results}
            if number:
                needs.add((name, number - 1))
            for place in needs:
                if place not in self._calls:
                    raise SerializationError(
                        f"{name!r} is called on a result of {place[0]!r}, call {place[1]}, which does not exist."
                    )
                awaited_by.setdefault(place, []).append(address)
            waits[address] = needs
        ready = [address for address, needs in waits.items() if not needs]
        for address in ready:  # grows while it is gone through
            for other in awaited_by.get(address, ()):
                waits[other].discard(address)
                if not waits[other]:
                    ready.append(other)
        if len(ready) < len(self._calls):
            stuck = sorted({name for name, number in self._calls.keys() - set(ready)})
            raise SerializationError(f"the calls of these operations wait for each other in a circle: {stuck[:10]}")
        return ready

    def _call(self, name: str, number: int) -> None:
        call = self._calls[name, number]
        args = [self._value(arg) for arg in call["args"]]
        kwargs = {key: self._value(value) for key, value in call["kwargs"].items()}
        operation = self._operations[name]
        try:
            outputs = operation(*args, **_fitting(operation, kwargs, name))
        except SerializationError:
            raise
        except (LabkerasError, TypeError, ValueError, IndexError, KeyError, RuntimeError, OverflowError) as error:
            raise SerializationError(
                f"{name!r} cannot be called as the config says: {type(error).__name__}: {error}"
            ) from error
        self._results[name, number] = _keras_tensors(outputs, name)

    def _value(self, config: Any) -> Any:
        """An argument of a call."""
        if isinstance(config, list | tuple):
            return [self._value(item) for item in config]
        if not isinstance(config, dict):
            return config
        class_name = config.get("class_name")
        if class_name is None:
            return {key: self._value(value) for key, value in config.items()}
        inner = config.get("config")
        if class_name == "__keras_tensor__":
            return self._tensor(_history(config))
        if class_name == "__torch_dtype__" and isinstance(inner, dict):
            return to_torch(inner.get("name"))
        if class_name == "__slice__":
            return read_value(config, self._value)
        if class_name in _VALUES:
            return read_value(config, self._value)
        raise SerializationError(
            f"an argument of a call must be a value or a placeholder. Received: class_name={class_name!r}"
        )

    def _tensor(self, address: tuple[str, int, int]) -> KerasTensor:
        name, number, index = address
        results = self._results.get((name, number), [])
        if not 0 <= index < len(results):
            raise SerializationError(f"there is no result {index} of call {number} of {name!r}.")
        return results[index]

    def _tensors(self, structure: Any) -> Any:
        """A structure of addresses, as placeholders."""
        if isinstance(structure, dict):
            return {key: self._tensors(value) for key, value in structure.items()}
        if not isinstance(structure, list | tuple):
            raise SerializationError(f"inputs and outputs must be [name, number, number]. Received: {structure!r}")
        if len(structure) == 3 and isinstance(structure[0], str):
            name, number, index = _address(structure)
            # Keras counts the calls of a nested functional model from 1 here, and from 0 everywhere else.
            return self._tensor((name, number - is_functional(self._operations.get(name)), index))
        return [self._tensors(value) for value in structure]


def _operation(entry: dict[str, Any]) -> Any:
    """What is called for an entry that is no layer: an operation of Keras's, or a function of torch's."""
    module, class_name = entry.get("module"), entry.get("class_name")
    if isinstance(module, str) and module.startswith(_OPERATIONS):
        if entry.get("registered_name") not in (None, class_name) or not isinstance(class_name, str):
            raise SerializationError(
                f"the config says {module}.{class_name}, and the registered name is "
                f"{entry.get('registered_name')!r}: the names must agree."
            )
        operation = f"{module.removeprefix(_OPERATIONS)}.{class_name}"
        settings = {**_settings(entry), "name": entry["name"]}
        return lambda *args, **kwargs: apply_operation(operation, settings, args, kwargs)
    if (module, class_name) == ("labkeras.graph", "TorchFunction"):
        path = _settings(entry).get("function")
        return lambda *args, **kwargs: apply_function(path, args, kwargs, entry["name"])
    return None


def _settings(entry: dict[str, Any]) -> dict[str, Any]:
    config = entry.get("config")
    if not isinstance(config, dict):
        raise SerializationError(
            f"the config of {entry.get('class_name')!r} must be a mapping. Received: config={config!r}"
        )
    return config


def _fitting(operation: Any, kwargs: dict[str, Any], name: str) -> dict[str, Any]:
    """The keywords that a layer takes: Keras notes a mask and a training flag for layers that need none."""
    spec = getattr(operation, "_call_spec", None)
    if spec is None or spec.takes_any_keyword:
        return kwargs
    unknown = [key for key in kwargs if key not in spec.takes]
    if not set(unknown) <= {"mask", "training"}:
        raise SerializationError(f"{name!r} is called with {unknown}, which it does not take.")
    if "mask" in unknown and any(mask is not None for mask in flatten(kwargs["mask"])):
        warnings.warn(f"the mask that {name!r} is called with is not passed on to the layers within it.", stacklevel=2)
    return {key: value for key, value in kwargs.items() if key in spec.takes}


def _keras_tensors(outputs: Any, name: str) -> list[KerasTensor]:
    tensors = [leaf for leaf in flatten(outputs) if isinstance(leaf, KerasTensor)]
    if not tensors:
        raise SerializationError(f"{name!r} is called on no placeholder, so it is no part of a graph.")
    return tensors


def _addresses(value: Any) -> set[tuple[str, int]]:
    """The calls whose results are among the arguments of a call."""
    found: set[tuple[str, int]] = set()
    pending = [value]
    while pending:
        config = pending.pop()
        if isinstance(config, dict) and config.get("class_name") == "__keras_tensor__":
            found.add(_history(config)[:2])
        elif isinstance(config, dict):
            pending.extend(config.values())
        elif isinstance(config, list | tuple):
            pending.extend(config)
    return found


def _history(config: dict[str, Any]) -> tuple[str, int, int]:
    inner = config.get("config")
    return _address(inner.get("keras_history") if isinstance(inner, dict) else None)


def _address(history: Any) -> tuple[str, int, int]:
    if (
        isinstance(history, list | tuple)
        and len(history) == 3
        and isinstance(history[0], str)
        and all(isinstance(number, int) and not isinstance(number, bool) for number in history[1:])
    ):
        return history[0], history[1], history[2]
    raise SerializationError(f"a placeholder's origin must be [name, number, number]. Received: {history!r}")


def _list(value: Any, key: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise SerializationError(f"`{key}` must be a list. Received: {key}={value!r}")
    return list(value)
