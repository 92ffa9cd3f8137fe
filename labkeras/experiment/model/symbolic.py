"""What a model would do to a batch, found out without memory for weights, without data and without random numbers.

Layers are made on torch's device "meta", which has shapes and no values, and called on placeholders one by one. What a
layer said is kept: of many models that differ in one layer, only what depends on that layer is worked out again.
"""

import random
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from labkeras import nest
from labkeras.config import floatx
from labkeras.datasets.spec import ArraySpec, DataSpec
from labkeras.errors import ConfigError, LabkerasError
from labkeras.experiment.config.components import build
from labkeras.experiment.config.words import nearest
from labkeras.experiment.model.plan import Plan, Step, Takes, names_in
from labkeras.graph.input import Input
from labkeras.graph.symbolic import KerasTensor
from labkeras.naming import names_kept

__all__ = ["Outcome", "Row", "Symbols", "TensorSpec", "Weight", "is_inconclusive", "untouched"]

_ARGUMENTS_OF_STEPS = ("from", "call", "repeat", "after")


@dataclass(frozen=True)
class TensorSpec:
    """A tensor without values.

    Args:
        shape: sizes of its axes, the batch first; None where unknown.
        dtype: data type of its values.
    """

    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class Weight:
    """A weight without values.

    Args:
        shape: sizes of its axes.
        dtype: data type of its values.
        trainable: whether training changes it.
    """

    shape: tuple[int, ...]
    dtype: str
    trainable: bool


@dataclass(frozen=True)
class Row:
    """One call of a layer.

    Args:
        name: the name of the step.
        layer: the name of the component.
        path: where the config has it.
        outputs: what the call returns: a `TensorSpec`, or several in lists and dicts; None if that cannot be told.
        weights: of the layer; none at its second call.
    """

    name: str
    layer: str
    path: str
    outputs: Any
    weights: tuple[Weight, ...]


@dataclass(frozen=True)
class Outcome:
    """What a model does to a batch.

    Args:
        rows: the calls of layers in order; one row for the whole of a subclassed model.
        inputs: name → what goes in, as far as that is known.
        outputs: what comes out, as `Row.outputs`.
        faults: why it cannot be built or called, a sentence each.
    """

    rows: tuple[Row, ...]
    inputs: Mapping[str, TensorSpec]
    outputs: Any
    faults: tuple[str, ...]


@contextmanager
def untouched(device: str = "meta") -> Iterator[None]:
    """Within it, what is made takes no memory; after it, random numbers and automatic names go on as if nothing was.

    Args:
        device: where tensors are made: "meta" has shapes and no values.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    with names_kept(), warnings.catch_warnings(), torch.device(device), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_rng_state(states[2])


def is_inconclusive(error: BaseException | None) -> bool:
    """Whether something failed only because there are no values, which tells nothing about real ones."""
    while error is not None:
        # NotImplementedError is what torch raises for an operation that has no form without values. Errors of ours only
        # repeat what torch says, beside names that may be anything.
        if not isinstance(error, LabkerasError) and (
            isinstance(error, NotImplementedError) or re.search(r"\bmeta\b", str(error))
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


class Symbols:
    """Builds and calls models without values, and remembers what each layer did."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, tuple[Weight, ...], str | None]] = {}

    def outcome(self, model: Mapping[str, Any], plan: Plan | None, data: DataSpec | None) -> Outcome:
        """What a model does to a batch of a data set.

        Args:
            model: the group `model` of a config, in which `check_model` found nothing wrong.
            plan: what `check_model` returned.
            data: what the data set gives, if that is known.
        """
        if plan is None:
            return self._subclassed(model, data)
        faults: list[str] = []
        inputs = _inputs(plan, data, faults)
        known: dict[str, Any] = dict(inputs)
        rows: list[Row] = []
        histories: dict[str, list[Any]] = {}
        nodes = {step.name: step for step in plan.steps}
        for step in plan.steps:
            takes = _gathered(step.takes, known)
            if takes is None:
                continue
            maker = nodes[step.calls]
            history = histories.setdefault(step.calls, [])
            history.append(takes)
            outputs, weights, fault = self._called(maker, history)
            if fault is not None:
                faults.append(fault if step is maker else fault.replace(maker.path, step.path, 1))
            if outputs is not None:
                known[step.name] = outputs
            _check_vocabulary(step, maker, inputs, plan, data, faults)
            is_first = len(history) == 1
            rows.append(Row(step.name, str(maker.node.get("layer")), step.path, outputs, weights if is_first else ()))
        return Outcome(tuple(rows), inputs, _gathered(plan.outputs, known), tuple(faults))

    def _called(self, step: Step, history: list[Any]) -> tuple[Any, tuple[Weight, ...], str | None]:
        """Results of the last of some calls of one layer, its weights, and why it cannot be made or called."""
        node = {key: value for key, value in step.node.items() if key not in _ARGUMENTS_OF_STEPS}
        key = repr((step.name, node, history))
        if key not in self._known:
            with untouched():
                self._known[key] = _made_and_called(step, node, history)
        return self._known[key]

    def _subclassed(self, model: Mapping[str, Any], data: DataSpec | None) -> Outcome:
        node = {key: value for key, value in model.items() if key != "kind"}
        inputs = {} if data is None else _of_data(data)
        key = repr((node, inputs))
        if key not in self._known:
            with untouched():
                self._known[key] = _built_and_called(node, data, inputs)
        outputs, weights, fault = self._known[key]
        row = Row(str(node["model"]), str(node["model"]), "model", outputs, weights)
        return Outcome((row,), inputs, outputs, () if fault is None else (fault,))


def _made_and_called(step: Step, node: Mapping[str, Any], history: list[Any]) -> Any:
    try:
        layer = build("layers", node, step.path, name=step.name)
        for takes in history:
            if isinstance(takes, dict):
                outputs = layer(**{name: _placeholder(spec) for name, spec in takes.items()})
            else:
                outputs = layer(nest.map_structure(_placeholder, takes))
        return nest.map_structure(_spec_of, outputs), _weights(layer), None
    except ConfigError as error:
        return None, (), error.faults[0]
    except Exception as error:
        if is_inconclusive(error):
            return None, (), None
        return None, (), f"{step.path}: {_words(error)}"


def _built_and_called(node: Mapping[str, Any], data: DataSpec | None, inputs: Mapping[str, TensorSpec]) -> Any:
    try:
        model = build("models", node, "model")
        if data is None:
            return None, _weights(model), None
        x: Any = {name: _placeholder(spec) for name, spec in inputs.items()}
        outputs = model(next(iter(x.values())) if isinstance(data.x, ArraySpec) else x)
        return nest.map_structure(_spec_of, outputs), _weights(model), None
    except ConfigError as error:
        return None, (), error.faults[0]
    except Exception as error:
        if is_inconclusive(error):
            return None, (), None
        return None, (), f"model: {_words(error)}"


def _words(error: Exception) -> str:
    """What an error says; of one that is not ours also its type, since its words alone may say little."""
    return str(error) if isinstance(error, LabkerasError) else f"{type(error).__name__}: {error}"


def _placeholder(spec: TensorSpec) -> KerasTensor:
    return KerasTensor(spec.shape, spec.dtype)


def _spec_of(placeholder: Any) -> Any:
    if not hasattr(placeholder, "shape"):
        return placeholder
    return TensorSpec(tuple(placeholder.shape), str(placeholder.dtype).removeprefix("torch."))


def _weights(layer: Any) -> tuple[Weight, ...]:
    return tuple(
        Weight(tuple(one.shape), str(one.dtype).removeprefix("torch."), bool(one.requires_grad))
        for one in layer.weights
    )


# --- inputs ---------------------------------------------------------------------------------------------------------


def _inputs(plan: Plan, data: DataSpec | None, faults: list[str]) -> dict[str, TensorSpec]:
    """What goes into a model: as the model says, or, where it says nothing, as the data does."""
    if not plan.inputs:
        return {} if data is None else {"input": next(iter(_of_data(data).values()))}
    inputs = {}
    for name, arguments in plan.inputs.items():
        path = "model.input" if plan.kind == "sequential" else f"model.inputs.{name}"
        try:
            with untouched():
                inputs[name] = _spec_of(Input(**arguments))
        except LabkerasError as error:
            faults.append(f"{path}: {error}")
            continue
        given = _given_to(name, plan, data, path, faults)
        if given is not None and not _goes_into(given.shape, inputs[name].shape[1:]):
            faults.append(
                f"{path}.shape={list(inputs[name].shape[1:])}: the data has samples of the shape {list(given.shape)}"
            )
    return inputs


def _given_to(name: str, plan: Plan, data: DataSpec | None, path: str, faults: list[str]) -> ArraySpec | None:
    """The array of the data set that goes into one input."""
    if data is None:
        return None
    if isinstance(data.x, ArraySpec):
        if len(plan.inputs) <= 1:
            return data.x
        faults.append(f"{path}: the model has {len(plan.inputs)} inputs, and the data is one array")
        return None
    if plan.kind == "sequential" and len(data.x) == 1:
        return next(iter(data.x.values()))
    if name not in data.x:
        faults.append(f"{path}: the data has no array of this name.{nearest(name, data.x, 'Arrays')}")
    return data.x.get(name)


def _of_data(data: DataSpec) -> dict[str, TensorSpec]:
    arrays = {"input": data.x} if isinstance(data.x, ArraySpec) else data.x
    # Whole numbers reach layers as they are, which some take (words) and some cast.
    return {name: TensorSpec((None, *one.shape), _type_of(one)) for name, one in arrays.items()}


def _type_of(array: ArraySpec) -> str:
    return array.dtype if array.dtype in ("int32", "int64") else floatx()


def _goes_into(given: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> bool:
    """Whether samples of a shape go into an input; a last axis of size 1 may be there or not, as in Keras."""
    if len(given) == len(wanted) + 1 and given[-1] == 1:
        given = given[:-1]
    if len(given) == len(wanted) - 1 and wanted[-1] == 1:
        wanted = wanted[:-1]
    return len(given) == len(wanted) and all(
        a == b or a is None or b is None for a, b in zip(given, wanted, strict=True)
    )


def _gathered(takes: Takes, known: Mapping[str, Any]) -> Any:
    """What a step takes or a model returns, in its structure; None if any of it is unknown."""
    if any(name not in known for name in names_in(takes)):
        return None
    if isinstance(takes, str):
        return known[takes]
    if isinstance(takes, dict):
        return {key: known[name] for key, name in takes.items()}
    return [known[name] for name in takes]


def _check_vocabulary(
    step: Step, maker: Step, inputs: Mapping[str, TensorSpec], plan: Plan, data: DataSpec | None, faults: list[str]
) -> None:
    """Whether the numbers of words that the data holds are rows of an embedding; on a GPU the fault has no words."""
    rows = maker.node.get("input_dim")
    if maker.node.get("layer") != "embedding" or not isinstance(step.takes, str) or step.takes not in inputs:
        return
    given = _given_to(step.takes, plan, data, step.path, [])
    if given is not None and given.classes is not None and isinstance(rows, int) and rows < given.classes:
        faults.append(
            f"{maker.path}.input_dim={rows!r}: the data holds numbers from 0 to {given.classes - 1}, so at least "
            f"{given.classes} is needed"
        )
