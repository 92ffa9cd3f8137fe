"""An example for each component: overrides that use it, and compose as they stand."""

import re
from collections.abc import Mapping
from typing import Any

from labkeras.experiment.config.components import BY_SHAPE, KEY_OF_KIND, parameters_of, plain_default
from labkeras.experiment.config.hints import choices_of, fits
from labkeras.experiment.config.schema import REQUIRED, Parameter

__all__ = ["as_override", "example_of", "node_of"]

# Values for arguments that must be given: by name, else the first of the others that fits.
_CELL = {"layer": "lstm_cell", "units": 8}
_BY_NAME: dict[str, Any] = {
    "activation": "relu",
    "boundaries": [100],
    "cell": _CELL,
    "cells": [_CELL],
    "decay_rate": 0.9,
    "decay_steps": 1000,
    "equation": "abc,cd->abd",
    "initial_learning_rate": 0.01,
    "inner_optimizer": {"optimizer": "adam"},
    "input_dim": 20,
    "layer": {"layer": "dense", "units": 8},
    "learning_rate": 0.001,
    "output_shape": [None, 8],
    "rate": 0.2,
    "target_shape": [64],
    "units": 64,
    "values": [0.01, 0.001],
}
_OTHERS: tuple[Any, ...] = (0.5, 2, [2], "relu")
_WORDS = ("null", "true", "false", "nan", "inf")  # strings that Hydra takes for something else unless quoted
_MERGING = ("add", "average", "concatenate", "maximum", "minimum", "multiply", "subtract")
_FUNCTIONS = ("fn", "function", "func", "schedule")  # arguments that only Python can give


def example_of(kind: str, name: str) -> list[str]:
    """Overrides after `labkeras train` that use a component; none if only Python can say what it must be given.

    Args:
        kind: one of the kinds of the registry.
        name: its name there.

    Example:
        >>> example_of("optimizers", "sgd")
        ['optimizer=sgd', 'optimizer.learning_rate=0.01']
    """
    if kind == "activations":
        return [f"model.layers.h1.activation={name}"]
    if any(key in _FUNCTIONS and one.required for key, one in parameters_of(kind, name).items()):
        return []
    if kind in ("initializers", "regularizers", "constraints"):
        return [f"model.layers.h1.kernel_{KEY_OF_KIND[kind]}={as_override(node_of(kind, name))}"]
    if kind == "layers":
        return _of_a_layer(name)
    if kind == "schedules":
        return [f"optimizer.learning_rate={as_override(node_of(kind, name))}"]
    if kind == "metrics" and name in BY_SHAPE:
        return [f"metrics={name}"]
    return _of_an_option(kind, name)


def node_of(kind: str, name: str) -> dict[str, Any]:
    """The node of a component with what must be given, as YAML has it.

    Example:
        >>> node_of("layers", "dense")
        {'layer': 'dense', 'units': 64}
    """
    required = {key: one for key, one in parameters_of(kind, name).items() if one.required}
    return {KEY_OF_KIND[kind]: name, **{key: _value(one) for key, one in required.items()}}


def as_override(value: Any) -> str:
    """A plain value as Hydra's overrides write it: `{layer: dense, units: 64}`."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {as_override(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_override, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str) and (value.lower() in _WORDS or not re.fullmatch(r"[A-Za-z_][\w/-]*", value)):
        escaped = value.replace('"', '\\"')
        return f'"{escaped}"'
    return str(value)


def _of_an_option(kind: str, name: str) -> list[str]:
    bare = name.rpartition("/")[2]
    group, path = {
        "callbacks": ("callbacks", f"callbacks.{bare}"),
        "metrics": ("metrics", f"metrics.{bare}"),
        "datasets": ("data", "data"),
    }.get(kind, (KEY_OF_KIND[kind], KEY_OF_KIND[kind]))
    choice = {"callbacks": f"[best_model,{name}]", "metrics": f"[accuracy,{name}]"}.get(kind, name)
    parameters = parameters_of(kind, name)
    given = {key: _value(parameter) for key, parameter in parameters.items() if parameter.required}
    return [f"{group}={choice}", *(f"{path}.{key}={as_override(value)}" for key, value in _shown(given, parameters))]


def _shown(given: dict[str, Any], parameters: Mapping[str, Parameter]) -> list[tuple[str, Any]]:
    """What must be given, or, if nothing must, the first argument with a number for a default."""
    if given:
        return list(given.items())
    numbers = [(key, plain_default(one)) for key, one in parameters.items() if _is_number(one.default)]
    return numbers[:1]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _of_a_layer(name: str) -> list[str]:
    """A layer more, where a model has images, sequences or numbers; a merging layer in place of another one."""
    bare, node = name.rpartition("/")[2], node_of("layers", name)
    if bare in _MERGING:
        return ["model=residual_cnn", f"model.nodes.block.nodes.sum.layer={name}"]
    if bare.endswith("attention"):
        inputs = {"query": "scale", "value": "scale"}
        return ["model=residual_cnn", f"+model.nodes.new={as_override({**node, 'from': inputs, 'after': 'scale'})}"]
    if bare.endswith(("_cell", "_cells")):
        node = {"layer": "rnn", "cell": node}
    if "3d" in bare:
        return []  # no model that ships has such inputs
    model, after = ("cnn", "drop") if "2d" in bare else ("mlp", "scale")
    return [f"model={model}", f"+model.layers.new={as_override({**node, 'after': after})}"]


def _value(parameter: Parameter) -> Any:
    choices = choices_of(parameter.hint)
    candidates = [_BY_NAME.get(parameter.name, REQUIRED), *choices, *_OTHERS]
    return next(value for value in candidates if value is not REQUIRED and fits(value, parameter.hint))
