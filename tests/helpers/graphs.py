"""check_graph: that a function gives a functional model what it gives tensors."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import torch
from torch.testing import assert_close

from labkeras import Input, Model
from labkeras.nest import flatten

__all__ = ["check_graph"]


def check_graph(
    function: Callable[..., Any], *shapes: tuple[int, ...], dtype: str = "float32", batch: int = 3
) -> Model:
    """Builds a model of `function`, compares it with the function itself, and does so with its copies.

    Args:
        function: takes as many tensors as there are shapes; returns a tensor or a list or tuple of them.
        shapes: shapes of the inputs without the batch.
        dtype: their data type.
        batch: samples to try it with.
    """
    inputs = [Input(shape, dtype=dtype) for shape in shapes]
    outputs = function(*inputs)
    model = Model(inputs, outputs)
    values = [_values((batch, *shape), dtype) for shape in shapes]
    expected = flatten(function(*values))
    for placeholder, tensor in zip(flatten(outputs), expected, strict=True):
        assert placeholder.dtype == str(tensor.dtype).removeprefix("torch.")
        assert len(placeholder.shape) == tensor.ndim
        assert all(said in (None, size) for said, size in zip(placeholder.shape, tensor.shape, strict=True))
    for twin in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        for ours, tensor in zip(flatten(twin(values)), expected, strict=True):
            assert_close(ours, tensor, equal_nan=True)
    return model


def _values(shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    if dtype == "float32":
        return torch.rand(shape) + 0.1
    return torch.randint(1, 5, shape, dtype=getattr(torch, dtype))
