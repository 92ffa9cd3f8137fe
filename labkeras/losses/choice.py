"""What `compile(loss=…)` means: a `Loss` for whatever was given, with the choice behind "crossentropy"."""

from collections.abc import Sequence
from typing import Any

from labkeras.losses.lookup import get
from labkeras.losses.loss import Loss
from labkeras.losses.probabilistic import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from labkeras.losses.wrapper import LossFunctionWrapper
from labkeras.naming import to_snake_case
from labkeras.ops.ranks import is_binary_or_sparse_categorical

__all__ = ["loss_for", "resolve_crossentropy"]

_CROSSENTROPY = ("crossentropy", "ce")


def loss_for(identifier: Any, y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None]) -> Loss | None:
    """The loss that an identifier means for one output of a model.

    Args:
        identifier: whatever `get` takes, or "crossentropy" ("ce"), which chooses by the shapes.
        y_true_shape: the shape of the targets, batch axis included.
        y_pred_shape: the shape of the predictions, batch axis included.

    Returns:
        A `Loss`, or None for None: an output may have no loss. A function is wrapped, under the name that was given, or
        its own.

    Example:
        >>> loss_for("mse", (None, 1), (None, 1)).name
        'mse'
    """
    if str(identifier).lower() in _CROSSENTROPY:
        return resolve_crossentropy(str(identifier), y_true_shape, y_pred_shape)
    loss = get(identifier)
    if loss is None or isinstance(loss, Loss):
        return loss
    return LossFunctionWrapper(loss, name=identifier if isinstance(identifier, str) else _name_of(loss))


def resolve_crossentropy(
    name: str, y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None]
) -> BinaryCrossentropy | CategoricalCrossentropy | SparseCategoricalCrossentropy:
    """The cross-entropy that fits: binary for one score a sample, sparse for class numbers, else categorical.

    Args:
        name: the name that the loss gets.
        y_true_shape: the shape of the targets, batch axis included.
        y_pred_shape: the shape of the predictions, batch axis included.
    """
    is_binary, is_sparse = is_binary_or_sparse_categorical(y_true_shape, y_pred_shape)
    if is_binary:
        return BinaryCrossentropy(name=name)
    return SparseCategoricalCrossentropy(name=name) if is_sparse else CategoricalCrossentropy(name=name)


def _name_of(function: Any) -> str:
    if hasattr(function, "name"):
        return str(function.name)
    return to_snake_case(getattr(function, "__name__", type(function).__name__))
