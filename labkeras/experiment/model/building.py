"""The model that the group `model` of a config describes."""

from collections.abc import Mapping
from typing import Any

from labkeras.errors import ConfigError, LabkerasError
from labkeras.experiment.config.components import build
from labkeras.experiment.model.plan import Plan, Step, check_model
from labkeras.graph.input import Input
from labkeras.models import Model, Sequential

__all__ = ["build_model"]


def build_model(model: Mapping[str, Any]) -> Model:
    """Makes a model; its layers are named as their keys in the config.

    Args:
        model: the group `model` of a config, without interpolations (`labkeras.experiment.model.plan` says what it may
        hold).

    Raises:
        ConfigError: naming everything that is wrong, or the layer that refuses its inputs.

    Example:
        >>> layers = {"out": {"layer": "dense", "units": 3}}
        >>> build_model({"kind": "sequential", "input": {"shape": [4]}, "layers": layers}).output_shape
        (None, 3)
    """
    faults: list[str] = []
    plan = check_model(model, faults)
    if faults:
        raise ConfigError(faults)
    if plan is None:
        return build("models", {key: value for key, value in model.items() if key != "kind"}, "model")  # type: ignore[no-any-return]
    return _sequential(plan, model.get("name")) if plan.kind == "sequential" else _functional(plan, model.get("name"))


def _sequential(plan: Plan, name: str | None) -> Model:
    model = Sequential(name=name)
    for arguments in plan.inputs.values():
        model.add(_input(arguments, "model.input", None))
    layers = _layers(plan)
    for step in plan.steps:
        try:
            model.add(layers[step.name])
        except LabkerasError as error:
            raise ConfigError([f"{step.path}: {error}"]) from error
    return model


def _functional(plan: Plan, name: str | None) -> Model:
    tensors: dict[str, Any] = {
        key: _input(arguments, f"model.inputs.{key}", key) for key, arguments in plan.inputs.items()
    }
    inputs = dict(tensors)
    layers = _layers(plan)
    for step in plan.steps:
        tensors[step.name] = _called(layers[step.calls], step, tensors)
    outputs = _gathered(plan.outputs, tensors)
    # One input needs no name, nor does one output: the data is then an array, not a dict of one.
    alone = next(iter(inputs.values())) if len(inputs) == 1 else inputs
    return Model(alone, outputs, name=name)


def _layers(plan: Plan) -> dict[str, Any]:
    """The layers by their names; what any of them refuses is raised together."""
    layers: dict[str, Any] = {}
    faults: list[str] = []
    for step in plan.steps:
        if step.calls == step.name:
            try:
                layers[step.name] = build("layers", step.node, step.path, name=step.name)
            except ConfigError as error:
                faults += error.faults
    if faults:
        raise ConfigError(faults)
    return layers


def _input(arguments: Mapping[str, Any], path: str, name: str | None) -> Any:
    try:
        return Input(**arguments, name=name)
    except LabkerasError as error:
        raise ConfigError([f"{path}: {error}"]) from error


def _called(layer: Any, step: Step, tensors: Mapping[str, Any]) -> Any:
    try:
        if isinstance(step.takes, dict):
            return layer(**_gathered(step.takes, tensors))
        return layer(_gathered(step.takes, tensors))
    except LabkerasError as error:
        raise ConfigError([f"{step.path}: {error}"]) from error


def _gathered(takes: str | list[str] | dict[str, str], tensors: Mapping[str, Any]) -> Any:
    if isinstance(takes, str):
        return tensors[takes]
    if isinstance(takes, dict):
        return {key: tensors[name] for key, name in takes.items()}
    return [tensors[name] for name in takes]
