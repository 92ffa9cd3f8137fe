"""The parts of a model that have weights, each with its place in a file: the same places as in Keras 3's files.

Keras goes through the attributes of a model by name, lists and dicts among them, and notes each layer where it meets it
first.
"""

import contextlib
import functools
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from labkeras.graph.input import InputLayer
from labkeras.layers.layer import Layer
from labkeras.models.model import Model
from labkeras.models.sequential import Sequential
from labkeras.naming import to_snake_case
from labkeras.optimizers.loss_scale_optimizer import LossScaleOptimizer

__all__ = ["parts"]


def parts(model: Any, skipped: Iterable[Any] = ()) -> Iterator[tuple[str, Any]]:
    """Place and part, for the model itself (""), its layers, and its optimizer: "layers/dense_1", "optimizer".

    Args:
        model: a model or layer.
        skipped: parts to leave out, with all that is in them.

    Example:
        >>> [place for place, _ in parts(torch.nn.Linear(2, 2))]
        ['']
    """
    yield from _walk(model, "", {id(part): part for part in skipped})


def _walk(part: Any, place: str, seen: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    if id(part) in seen:
        return
    seen[id(part)] = part
    yield place, part
    for name, value in _attributes(part):
        inner = f"{place}/{name}" if place else name
        if _has_state(value):
            yield from _walk(value, inner, seen)
        elif isinstance(value, list | tuple | dict):
            yield from _walk_container(value, inner, seen, set())


def _walk_container(container: Any, place: str, seen: dict[int, Any], opened: set[int]) -> Iterator[tuple[str, Any]]:
    """The parts in a list, tuple or dict: called by their classes, as their own names differ from run to run."""
    if id(container) in opened:
        return
    opened.add(id(container))
    counts: dict[str, int] = {}
    for value in container.values() if isinstance(container, dict) else container:
        if _has_state(value):
            yield from _walk(value, f"{place}/{_numbered(to_snake_case(_class_name(value)), counts)}", seen)
        elif isinstance(value, list | tuple | dict):
            yield from _walk_container(value, f"{place}/{_numbered('container', counts)}", seen, opened)


def _numbered(name: str, counts: dict[str, int]) -> str:
    counts[name] = counts.get(name, -1) + 1
    return f"{name}_{counts[name]}" if counts[name] else name


def _class_name(part: Any) -> str:
    """The name of a part's class, as Keras has it."""
    keras_name = getattr(part, "_keras_name", None)
    return type(part).__name__ if keras_name is None else str(keras_name[1])


def _has_state(value: Any) -> bool:
    """Whether something has a place in a file. Metrics have none: they start anew."""
    if isinstance(value, torch.nn.Module):
        return not (hasattr(value, "update_state") and hasattr(value, "reset_state"))
    return isinstance(value, InputLayer) or (
        isinstance(value, torch.optim.Optimizer) and hasattr(value, "load_own_variables")
    )


def _attributes(part: Any) -> Iterator[tuple[str, Any]]:
    """What a layer's class, or its `__init__`, has beyond that of every layer; nothing of a module of torch's."""
    if isinstance(part, LossScaleOptimizer):
        yield "inner_optimizer", part.inner_optimizer
    if not isinstance(part, Layer):
        return
    has_graph = isinstance(part, Model) and (part._function is not None or isinstance(part, Sequential))
    if has_graph:
        yield "layers", part.layers
    names = set(dir(part)) - _common(
        Sequential if isinstance(part, Sequential) else Model if isinstance(part, Model) else Layer
    )
    if isinstance(part, Model):
        names |= {"optimizer"} if has_graph else {"layers", "optimizer"}
    # Private ones last, as in Keras.
    for name in sorted(names, key=lambda name: f"~{name}" if name.startswith("_") else name):
        if not name.startswith("__"):
            with contextlib.suppress(Exception):  # a property that cannot be read yet
                yield name, getattr(part, name)


@functools.cache
def _common(cls: Any) -> frozenset[str]:
    """The attributes that every object of a class has."""
    return frozenset(dir(cls(name="any")))
