"""Whether losses and metrics can compare what a model gives with what a data set holds; neither is there yet."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from labkeras import losses as loss_functions
from labkeras import metrics as metric_classes
from labkeras.datasets.spec import Arrays, ArraySpec
from labkeras.dtypes import to_torch
from labkeras.errors import ConfigError, LabkerasError
from labkeras.experiment.config.components import KEY_OF_KIND, build, node_kind
from labkeras.experiment.model.symbolic import TensorSpec, is_inconclusive, untouched

__all__ = ["Comparisons"]

_BATCH, _UNKNOWN = 6, 5  # sizes for what has none; different ones, so that the two are not taken for each other
_MOST_VALUES = 1_000_000
# Losses that take the number of a class in place of a vector.
_SPARSE = ("SparseCategoricalCrossentropy",)
_BINARY = ("BinaryCrossentropy", "BinaryFocalCrossentropy")
# Losses whose targets need not have the shape of the outputs.
_OF_OTHER_SHAPES = (*_SPARSE, "CTC")


class Comparisons:
    """Applies losses and metrics to outputs and targets that have shapes alone, each pair once."""

    def __init__(self) -> None:
        self._known: dict[str, list[str]] = {}

    def faults(self, loss: Any, metrics: Any, outputs: Any, targets: Arrays | None) -> list[str]:
        """What is wrong, a sentence each.

        Args:
            loss: the group `loss` of a config, in which `check_node` found nothing wrong.
            metrics: the group `metrics`, likewise.
            outputs: what the model gives: a `TensorSpec`, or several in a list or dict.
            targets: what the data set holds; None if that is not known.
        """
        found: list[str] = []
        for kind, path, node, output in [*_losses(loss), *_metrics(metrics)]:
            for spec, target in _pairs(output, outputs, targets):
                found += self._tried(kind, path, node, spec, target)
        return found

    def _tried(self, kind: str, path: str, node: Mapping[str, Any], output: TensorSpec, target: ArraySpec) -> list[str]:
        key = repr((kind, path, node, output, target))
        if key not in self._known:
            faults: list[str] = []
            # A few values are faster than none, for which torch loads a compiler; but they may be at fault themselves.
            for device in ("cpu", "meta") if _count(output, target) <= _MOST_VALUES else ("meta",):
                with untouched(device):
                    faults = _faults(kind, path, node, output, target)
                if not faults:
                    break
            self._known[key] = faults
        return self._known[key]


def _losses(loss: Any) -> list[tuple[str, str, Any, str | None]]:
    """Each loss: its kind, where it stands, its node, and the output that it is for."""
    if not isinstance(loss, Mapping):
        return []
    if node_kind(loss) == "losses":
        return [("losses", "loss", loss, None)]
    return [("losses", f"loss.{name}", node, name) for name, node in loss.items() if node_kind(node) == "losses"]


def _metrics(metrics: Any) -> list[tuple[str, str, Any, str | None]]:
    found: list[tuple[str, str, Any, str | None]] = []
    for name, node in (metrics or {}).items():
        if node_kind(node) == "metrics":
            found.append(("metrics", f"metrics.{name}", node, None))
        elif isinstance(node, Mapping):
            found += [("metrics", f"metrics.{name}.{inner}", one, name) for inner, one in node.items()]
    return found


def _pairs(name: str | None, outputs: Any, targets: Arrays | None) -> list[tuple[TensorSpec, ArraySpec]]:
    """The outputs that are meant, with their targets, as far as both are known."""
    if isinstance(outputs, TensorSpec):
        target = targets if isinstance(targets, ArraySpec) else (targets or {}).get(name or "")
        return [] if target is None else [(outputs, target)]
    if not isinstance(outputs, dict) or not isinstance(targets, Mapping):
        return []
    names = [name] if name is not None else list(outputs)
    return [
        (outputs[one], targets[one]) for one in names if isinstance(outputs.get(one), TensorSpec) and one in targets
    ]


def _faults(kind: str, path: str, node: Mapping[str, Any], output: TensorSpec, target: ArraySpec) -> list[str]:
    name = node[KEY_OF_KIND[kind]]
    wanted = (None, *target.shape)
    try:
        made = build(kind, node, path)
        y = _values(TensorSpec(_known(wanted, output.shape), target.dtype))
        y_pred = _values(TensorSpec(_known(output.shape, wanted), output.dtype))
        if kind == "metrics":
            metric_classes.metric_for(made, wanted, output.shape).update_state(y, y_pred)
            return []
        loss = loss_functions.loss_for(made, wanted, output.shape)
        fault = _misfit(loss, output, target)
        if fault is None and loss is not None:
            loss(y, y_pred)
    except ConfigError as error:
        return list(error.faults)
    except Exception as error:
        if is_inconclusive(error):
            return []
        said = str(error) if isinstance(error, LabkerasError) else f"{type(error).__name__}: {error}"
        fault = f"cannot be applied to outputs of the shape {output.shape} and targets of the shape {wanted}: {said}"
    return [] if fault is None else [f"{path}={name!r}: {fault}"]


def _known(shape: tuple[int | None, ...], other: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """A shape, whose unknown axes after the batch have the sizes of the other one: the steps of sequences, say."""
    sizes = [*other[1 : len(shape)], *[None] * (len(shape) - len(other))]
    return (*shape[:1], *(b if a is None else a for a, b in zip(shape[1:], sizes, strict=True)))


def _values(spec: TensorSpec) -> torch.Tensor:
    """Some values that are numbers of classes, or probabilities."""
    dtype = to_torch(spec.dtype)
    return torch.full(_sizes(spec.shape), 0.5 if dtype.is_floating_point else 0, dtype=dtype)


def _sizes(shape: Sequence[int | None]) -> list[int]:
    first, *others = shape or (None,)
    return [_BATCH if first is None else first, *(_UNKNOWN if size is None else size for size in others)]


def _count(output: TensorSpec, target: ArraySpec) -> int:
    return math.prod(_sizes(output.shape)) + math.prod(_sizes((None, *target.shape)))


def _misfit(loss: Any, output: TensorSpec, target: ArraySpec) -> str | None:
    """What torch does without a word: it compares labels with too few scores, and repeats what has too few axes."""
    kind = type(loss).__name__ if type(loss).__module__.startswith("labkeras.losses") else ""
    scores = output.shape[-1]
    if kind in _SPARSE and scores is not None and target.classes is not None and target.classes > scores:
        return (
            f"the labels have {target.classes} classes, from 0 to {target.classes - 1}, and the output of the shape "
            f"{output.shape} has scores for {scores}"
        )
    if kind in _BINARY and target.classes is not None and target.classes > 2:
        return f"its targets are 0 or 1, and the labels have {target.classes} classes, from 0 to {target.classes - 1}"
    if kind and kind not in _OF_OTHER_SHAPES and not _alike(output.shape, (None, *target.shape)):
        return f"the output of the shape {output.shape} is compared with targets of the shape {(None, *target.shape)}"
    return None


def _alike(first: tuple[int | None, ...], second: tuple[int | None, ...]) -> bool:
    """Whether two shapes are the same, but for a last axis of size 1."""
    if len(first) == len(second) + 1 and first[-1] == 1:
        first = first[:-1]
    if len(second) == len(first) + 1 and second[-1] == 1:
        second = second[:-1]
    return len(first) == len(second) and all(a == b or None in (a, b) for a, b in zip(first, second, strict=True))
