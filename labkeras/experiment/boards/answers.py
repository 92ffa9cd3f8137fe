"""Answers: what a trained model says to samples, and what it would have had to say."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from labkeras import nest
from labkeras.callbacks.board_summaries import array_of
from labkeras.callbacks.model_parts import named_layers
from labkeras.experiment.boards.samples import Samples

__all__ = ["Answers", "Classes", "Numbers", "answers_to", "last_layer"]

_ROWS = 256  # of a batch: what is needed for one is small, and a thousand samples are through in a few
_ALMOST = 1e-2


@dataclass(frozen=True)
class Classes:
    """A classification.

    Args:
        labels: the classes, (count,).
        probabilities: of each class, (count, classes).
        is_one_each: whether there is one label for each sample, and not one for each of its steps or pixels.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    is_one_each: bool

    @property
    def found(self) -> np.ndarray:
        """The most probable class of each."""
        found: np.ndarray = self.probabilities.argmax(axis=-1)
        return found


@dataclass(frozen=True)
class Numbers:
    """A regression: true values beside those that the model gives, both (count,)."""

    true: np.ndarray
    found: np.ndarray


@dataclass(frozen=True)
class Answers:
    """What a model says.

    Args:
        meaning: as classes or numbers; None if it is neither.
        features: what its last layer with weights is given, (samples, size); None if that is no such table.
    """

    meaning: Classes | Numbers | None
    features: np.ndarray | None


def answers_to(samples: Samples, model: Any, loss: Any) -> Answers:
    """Lets a model answer.

    Args:
        samples: what it is asked.
        model: the model, trained.
        loss: with which it was trained; tells probabilities from logits.
    """
    given: list[torch.Tensor] = []
    layer = last_layer(model)
    watch = None if layer is None else layer.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    try:
        outputs = _outputs(samples, model)
    finally:
        if watch is not None:
            watch.remove()
    if outputs is None or not isinstance(samples.y, np.ndarray):
        return Answers(None, None)
    return Answers(_meaning(outputs, samples.y, loss), _features(given, len(outputs)))


def last_layer(model: Any) -> Any:
    """The last layer with weights; None if there is none."""
    layers = [layer for layer in named_layers(model).values() if next(layer.parameters(), None) is not None]
    return layers[-1] if layers else None


def _outputs(samples: Samples, model: Any) -> np.ndarray | None:
    """The model's only output."""
    device = next((weight.device for weight in model.parameters()), None)
    rows = len(nest.flatten(samples.x)[0])
    found = []
    with torch.no_grad():
        for start in range(0, rows, _ROWS):
            part = slice(start, start + _ROWS)
            batch = nest.map_structure(lambda array, part=part: torch.as_tensor(array[part], device=device), samples.x)
            output = model(batch, training=False)
            if not isinstance(output, torch.Tensor):
                return None
            found.append(array_of(output))
    return np.concatenate(found).astype(np.float64)


def _features(given: list[torch.Tensor], rows: int) -> np.ndarray | None:
    tables = [array_of(one) for one in given if isinstance(one, torch.Tensor) and one.ndim == 2]
    if not tables or sum(map(len, tables)) != rows:  # a layer that is called several times in one pass
        return None
    return np.concatenate(tables)


def _meaning(outputs: np.ndarray, y: np.ndarray, loss: Any) -> Classes | Numbers | None:
    if y.dtype.kind not in "biuf":
        return None
    classes = outputs.shape[-1] if outputs.ndim > 1 else 1
    if classes > 1 and y.shape == outputs.shape and _is_one_hot(y):
        return _classes(y.argmax(axis=-1), outputs, loss)
    labels = y[..., 0] if y.ndim == outputs.ndim and y.shape[-1] == 1 else y
    if classes > 1 and labels.shape == outputs.shape[:-1] and bool(np.all(labels == np.rint(labels))):
        return _classes(labels.astype(int), outputs, loss)
    outputs = outputs[..., 0] if classes == 1 and outputs.ndim > 1 else outputs
    if labels.shape != outputs.shape:
        return None
    if "binary" in _name(loss) and set(np.unique(labels)) <= {0, 1}:
        positive = 1 / (1 + np.exp(-outputs)) if _are_logits(loss, outputs) else outputs
        return Classes(labels.reshape(-1).astype(int), _two(positive.reshape(-1)), labels.ndim == 1)
    return Numbers(labels.reshape(-1).astype(np.float64), outputs.reshape(-1))


def _name(loss: Any) -> str:
    """The name of a loss, which may be given as such, as a function or as an object."""
    return (loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)).lower()


def _classes(labels: np.ndarray, outputs: np.ndarray, loss: Any) -> Classes:
    table = outputs.reshape(-1, outputs.shape[-1])
    if _are_logits(loss, table) or np.abs(table.sum(axis=-1) - 1).max(initial=0) > _ALMOST:
        table = np.exp(table - table.max(axis=-1, keepdims=True))
        table /= table.sum(axis=-1, keepdims=True)
    flat = labels.reshape(-1)
    counts = (flat >= 0) & (flat < table.shape[-1])  # others, such as -1, are ignored in training
    return Classes(flat[counts], table[counts].clip(0, 1), labels.ndim == 1 and bool(counts.all()))


def _are_logits(loss: Any, outputs: np.ndarray) -> bool:
    return (
        bool(getattr(loss, "from_logits", False)) or outputs.min(initial=0) < 0 or outputs.max(initial=0) > 1 + _ALMOST
    )


def _is_one_hot(y: np.ndarray) -> bool:
    return bool(np.isin(y, (0, 1)).all() and (y.sum(axis=-1) == 1).all())


def _two(positive: np.ndarray) -> np.ndarray:
    return np.stack([1 - positive, positive], axis=-1).clip(0, 1)
