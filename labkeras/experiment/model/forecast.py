"""What a run will be: its layers with their shapes and weights, and about how much memory it takes; nothing is run."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from labkeras import nest
from labkeras.datasets.spec import ArraySpec, DataSpec
from labkeras.dtypes import to_torch
from labkeras.experiment.config.components import build
from labkeras.experiment.config.validation import checked
from labkeras.experiment.model.plan import check_model
from labkeras.experiment.model.rehearsal import Rehearsal
from labkeras.experiment.model.symbolic import Outcome, Row, TensorSpec, Weight, is_inconclusive, untouched

__all__ = ["Forecast", "Memory", "forecast"]

_BATCH_SIZE = 32  # where `fit` is told none


@dataclass(frozen=True)
class Memory:
    """About how many bytes training takes, beside what Python and torch take for themselves.

    Args:
        weights: the model's.
        gradients: of the weights that are trained.
        optimizer: what the optimizer keeps for each of them; None if that cannot be told.
        activations: the results of all layers for one batch, which the backward pass needs; without what layers keep
            beside their results.
    """

    weights: int
    gradients: int
    optimizer: int | None
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + (self.optimizer or 0) + self.activations


@dataclass(frozen=True)
class Forecast:
    """What a run will be.

    Args:
        rows: the calls of layers, in order.
        outputs: what the model gives: a `TensorSpec`, or several in lists and dicts; None if that cannot be told.
        batch_size: samples in a batch.
        samples: samples to train on, those for validation left out; None if the data set does not say.
        memory: about how much it takes.
    """

    rows: tuple[Row, ...]
    outputs: Any
    batch_size: int
    samples: int | None
    memory: Memory

    @property
    def parameters(self) -> int:
        """The number of values in all weights."""
        return sum(math.prod(weight.shape) for row in self.rows for weight in row.weights)

    @property
    def trainable(self) -> int:
        """The number of values in the weights that are trained."""
        return sum(math.prod(weight.shape) for row in self.rows for weight in row.weights if weight.trainable)

    @property
    def batches(self) -> int | None:
        """The number of batches in an epoch; None if the data set does not say how many samples it has."""
        return None if self.samples is None else -(-self.samples // self.batch_size)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        layers = [
            {
                "name": row.name,
                "layer": row.layer,
                "path": row.path,
                "output": _plain(row.outputs),
                "parameters": sum(math.prod(weight.shape) for weight in row.weights),
                "trainable": sum(math.prod(weight.shape) for weight in row.weights if weight.trainable),
            }
            for row in self.rows
        ]
        parts = ("weights", "gradients", "optimizer", "activations", "total")
        return {
            "layers": layers,
            "outputs": _plain(self.outputs),
            "parameters": self.parameters,
            "trainable": self.trainable,
            "batch_size": self.batch_size,
            "samples": self.samples,
            "batches": self.batches,
            "memory_bytes": {part: getattr(self.memory, part) for part in parts},
        }


def forecast(config: Any) -> Forecast:
    """What the run of a config will be.

    Args:
        config: what `compose` returned, or a plain mapping of the same form.

    Raises:
        ConfigError: naming everything that is wrong with it.

    Example:
        >>> forecast(compose(["experiment=digits_mlp"])).parameters
        17226
    """
    values = checked(config)
    plan = check_model(values["model"], [], values["model"]) if isinstance(values["model"], Mapping) else None
    outcome, data = Rehearsal().outcome(values, plan, [])
    fit = values["fit"]
    batch_size = fit.get("batch_size") or _BATCH_SIZE
    rows = None if data is None or data.rows is None else int(data.rows * (1.0 - (fit.get("validation_split") or 0)))
    memory = _memory(outcome, data, values["optimizer"], batch_size)
    return Forecast(outcome.rows, outcome.outputs, batch_size, rows, memory)


def _memory(outcome: Outcome, data: DataSpec | None, optimizer: Mapping[str, Any], batch_size: int) -> Memory:
    weights = [weight for row in outcome.rows for weight in row.weights]
    trained = [weight for weight in weights if weight.trainable]
    sizes = _sizes(data)
    results = [spec for row in outcome.rows for spec in nest.flatten(row.outputs) if isinstance(spec, TensorSpec)]
    tensors = [*outcome.inputs.values(), *results]
    return Memory(
        weights=_bytes_of(weights),
        gradients=_bytes_of(trained),
        optimizer=_bytes_kept(optimizer, trained),
        activations=sum(_count(one.shape, batch_size, sizes) * to_torch(one.dtype).itemsize for one in tensors),
    )


def _bytes_of(weights: Iterable[Weight]) -> int:
    return sum(math.prod(weight.shape) * to_torch(weight.dtype).itemsize for weight in weights)


def _bytes_kept(node: Mapping[str, Any], trained: Sequence[Weight]) -> int | None:
    """What an optimizer keeps for some weights, found by giving it weights without values."""
    with untouched():
        try:
            optimizer = build("optimizers", node, "optimizer")
            optimizer.build([torch.nn.Parameter(torch.empty(one.shape, dtype=to_torch(one.dtype))) for one in trained])
        except Exception as error:
            if is_inconclusive(error):
                return None
            raise
        kept = [value for slots in optimizer.state.values() for value in slots.values()]
        return sum(value.numel() * value.element_size() for value in kept if isinstance(value, torch.Tensor))


def _sizes(data: DataSpec | None) -> tuple[int | None, ...]:
    """The sizes of the axes of the data, the batch first."""
    if data is None:
        return ()
    array = data.x if isinstance(data.x, ArraySpec) else next(iter(data.x.values()))
    return (None, *array.shape)


def _count(shape: Sequence[int | None], batch_size: int, sizes: Sequence[int | None]) -> int:
    """The values in a tensor; an axis of unknown size is as long as that of the data in its place, or 1."""
    count = 1
    for axis, size in enumerate(shape):
        of_data = sizes[axis] if axis < len(sizes) else None
        count *= batch_size if axis == 0 and size is None else size if size is not None else of_data or 1
    return count


def _plain(structure: Any) -> Any:
    if isinstance(structure, TensorSpec):
        return {"shape": list(structure.shape), "dtype": structure.dtype}
    if isinstance(structure, dict):
        return {key: _plain(value) for key, value in structure.items()}
    return [_plain(one) for one in structure] if isinstance(structure, list | tuple) else structure
