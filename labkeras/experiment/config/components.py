"""Components in a config: `{layer: dense, units: 64}`.

Such a mapping is called a node. Its first key says what it is and its value which one; the other keys are arguments.
What a node may hold is read from the component's signature.
"""

import inspect
import re
from collections.abc import Mapping
from typing import Any

from labkeras.errors import ConfigError, UnknownComponentError
from labkeras.experiment.config.hints import to_argument
from labkeras.experiment.config.manifest import schema_for
from labkeras.experiment.config.schema import REQUIRED, Parameter, plain_default
from labkeras.registry import registry_of

__all__ = [
    "BY_SHAPE",
    "GROUPS",
    "KEY_OF_KIND",
    "MISSING",
    "build",
    "complete",
    "defaults_of",
    "node_kind",
    "parameters_of",
    "plain_default",
]

MISSING = "???"
"""What OmegaConf writes for a value that must still be given."""

KEY_OF_KIND = {
    "layers": "layer",
    "callbacks": "callback",
    "metrics": "metric",
    "losses": "loss",
    "optimizers": "optimizer",
    "datasets": "dataset",
    "models": "model",
    "schedules": "schedule",
    "initializers": "initializer",
    "regularizers": "regularizer",
    "constraints": "constraint",
}
"""kind → the key of a node that names a component of it. Of several such keys in a node, the first here counts."""

GROUPS = {
    "callbacks": "callbacks",
    "constraint": "constraints",
    "data": "datasets",
    "initializer": "initializers",
    "layer": "layers",
    "loss": "losses",
    "metrics": "metrics",
    "model": "models",
    "optimizer": "optimizers",
    "regularizer": "regularizers",
    "schedule": "schedules",
}
"""Config group → kind of the components that are its options."""

BY_SHAPE = ("acc", "accuracy", "ce", "crossentropy")
"""Metrics that Keras picks by the shapes of the output: words for `compile`, which take no arguments."""

# Arguments that a config says otherwise: the key of a node is its name, `model.input` is the shape of the input.
_OF_LAYERS = {"name", "input_shape", "batch_shape", "batch_size", "input_dim"}
_NOT_OFFERED = {"layers": _OF_LAYERS, "models": _OF_LAYERS}


def node_kind(value: Any) -> str | None:
    """The kind of component that a mapping describes, or None if it is no node."""
    if not isinstance(value, Mapping):
        return None
    for kind, key in KEY_OF_KIND.items():
        if isinstance(value.get(key), str) and (kind != "models" or value.get("kind") == "subclass"):
            return kind
    return None


def parameters_of(kind: str, name: str) -> dict[str, Parameter]:
    """The arguments of a component, by the key that each has in a node.

    An argument with the name of the node's first key, as in `Bidirectional(layer=…)`, has an underscore behind it:
    `layer_`.

    Raises:
        UnknownComponentError: if nothing has the name, or what has it must be imported to be described, and cannot be.
    """
    if kind == "metrics" and name in BY_SHAPE:
        return {}
    own_key, left_out = KEY_OF_KIND[kind], _NOT_OFFERED.get(kind, {"name"})
    parameters = schema_for(kind, name).parameters
    return {
        f"{key}_" if key == own_key else key: parameter
        for key, parameter in parameters.items()
        if key not in left_out or parameter.required  # an embedding's `input_dim` is its own
    }


def defaults_of(kind: str, name: str) -> dict[str, Any]:
    """The node of a component with all its arguments: their defaults, and `???` for those that must be given."""
    node: dict[str, Any] = {KEY_OF_KIND[kind]: name}
    for key, parameter in parameters_of(kind, name).items():
        default = plain_default(parameter)
        if parameter.required:
            node[key] = MISSING
        elif default is not REQUIRED:
            node[key] = default
    return node


def complete(value: Any, is_whole: bool = False) -> Any:
    """A nested config in which every node has all its arguments.

    A node that names something unknown is left as it is: validation reports it.

    Args:
        value: mappings, lists and plain values.
        is_whole: whether `value` is a whole config, whose own keys (`optimizer`, `loss`) make it no node.
    """
    if isinstance(value, list):
        return [complete(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    completed = {key: complete(item) for key, item in value.items()}
    kind = None if is_whole else node_kind(completed)
    if kind is None:
        return completed
    try:
        defaults = defaults_of(kind, completed[KEY_OF_KIND[kind]])
    except UnknownComponentError:
        return completed
    return defaults | completed


def build(kind: str, node: Mapping[str, Any], path: str, **more: Any) -> Any:
    """The object that a node describes.

    Args:
        kind: what it describes.
        node: the mapping, checked.
        path: where it stands in the config, for errors.
        more: arguments that the config does not hold, such as a layer's name.

    Raises:
        ConfigError: if the component refuses an argument.
    """
    name = node[KEY_OF_KIND[kind]]
    if kind == "metrics" and name in BY_SHAPE:
        return name
    component = registry_of(kind).get(name)
    if kind in ("losses", "metrics") and not inspect.isclass(component):
        return component
    try:
        return component(**_arguments(kind, node, path), **more)
    except (ValueError, TypeError) as error:
        raise ConfigError([f"{_argument_at_fault(node, path, str(error))}: {error}"]) from error


def _argument_at_fault(node: Mapping[str, Any], path: str, message: str) -> str:
    """Where a refused argument stands, and its value, if the refusal names it as our errors do."""
    named = re.search(r"Received: (\w+)=", message)
    return path if named is None or named[1] not in node else f"{path}.{named[1]}={node[named[1]]!r}"


def _arguments(kind: str, node: Mapping[str, Any], path: str) -> dict[str, Any]:
    """What a node gives that is not the default: a class need not accept its base's arguments to be described."""
    arguments = {}
    for key, parameter in parameters_of(kind, node[KEY_OF_KIND[kind]]).items():
        default = plain_default(parameter)
        value = node.get(key, default)
        if value is REQUIRED or (value == default and type(value) is type(default)):
            continue
        arguments[parameter.name] = _built(value, parameter, f"{path}.{key}")
    return arguments


def _built(value: Any, parameter: Parameter, path: str) -> Any:
    kind = node_kind(value)
    if kind is not None:
        return build(kind, value, path)
    if isinstance(value, list):
        return to_argument([_built(item, parameter, path) for item in value], parameter.hint)
    return value
