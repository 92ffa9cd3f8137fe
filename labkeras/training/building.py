"""Building: the weights of layers that wait for data, made before anything is trained."""

from typing import Any

import torch

from labkeras.errors import DataError
from labkeras.nest import map_structure
from labkeras.training.data import Batches
from labkeras.training.steps import own_method

__all__ = ["build", "build_on_first_batch"]


def build_on_first_batch(model: Any, batches: Batches) -> None:
    """Makes the weights of layers that wait for data, by calling the model on the batch that training begins with.

    Raises:
        DataError: if there are no batches.
    """
    # What does not know its length may be empty; a DataLoader is not begun twice to find out.
    may_be_empty = batches.steps is None and batches.loader is None
    if not _waits_for_data(model) and not may_be_empty:
        return
    first = batches.peek()
    if first is None:
        raise DataError("there are no batches to work on: the data is empty. Received: an iterable that yields nothing")
    build(model, first[0])


def build(model: Any, x: Any) -> None:
    """Makes the weights of layers that wait for data, by calling the model on a batch."""
    if _waits_for_data(model):
        # The batch is still to be trained on: a layer that works in place must not have changed it by then.
        copy = map_structure(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, x)
        with torch.no_grad():
            model(copy, training=False)


def _waits_for_data(model: Any) -> bool:
    # A subclassed model that is built may still hold layers that its first call builds. One that has only a
    # `train_step`, such as a GAN, cannot be called.
    can_be_called = model._has_graph or own_method(type(model), "call") or hasattr(model, "add")
    return can_be_called and not (model.built and (model._called or model._has_graph))
