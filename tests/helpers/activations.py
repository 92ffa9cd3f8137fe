"""check_activation: that a function does what Keras's function of the same name does, however it is called."""

from typing import Any

import keras
import numpy as np
import torch
from torch.testing import assert_close

from labkeras import activations
from labkeras.graph.function import Function
from labkeras.graph.symbolic import KerasTensor

TOLERANCE = {torch.float16: 2e-3, torch.bfloat16: 2e-2, torch.float32: 1e-5, torch.float64: 1e-10}


def check_activation(name: str, *args: Any, **kwargs: Any) -> None:
    """Compares an activation with Keras's: values, gradients, types of input, placeholders, `torch.compile`.

    Args:
        name: the name of both functions.
        args, kwargs: what they are called with besides the values.
    """

    def ours(x: Any) -> torch.Tensor:
        return getattr(activations, name)(x, *args, **kwargs)

    def keras_says(x: Any) -> torch.Tensor:
        return getattr(keras.activations, name)(x, *args, **kwargs)

    for dtype in TOLERANCE:
        x = sample(dtype)
        assert_near(ours(x), keras_says(x))
        assert_near(gradient(ours, x), gradient(keras_says, x))
    array = sample(torch.float64).numpy()
    assert_near(ours(array), keras_says(array))
    assert_near(ours(array.tolist()), keras_says(array.astype(np.float32)))
    check_placeholder(ours)
    check_compiled(ours)


def check_placeholder(function: Any) -> None:
    """A placeholder is recorded, keeps its unknown axis, and the graph computes what the function does."""
    x = KerasTensor((None, 8))
    y = function(x)
    values = sample(torch.float32)
    expected = function(values)
    assert isinstance(y, KerasTensor)
    assert (y.shape, y.dtype) == ((None, *expected.shape[1:]), "float32")
    graph = Function(x, y)
    graph.lower({})
    assert graph.forward is not None
    assert_near(graph.forward(None, values), expected)


def check_compiled(function: Any) -> None:
    """torch.compile captures the function whole."""
    torch.compiler.reset()  # it counts how often one piece of code is compiled, and gives up
    x = sample(torch.float32)
    # A backend that generates code would only cost time.
    assert_near(torch.compile(function, fullgraph=True, backend="eager")(x), function(x))


def sample(dtype: torch.dtype) -> torch.Tensor:
    """Values on all sides of the usual thresholds, none of them on one: gradients are not defined there."""
    values = torch.linspace(-7.3, 7.1, 32, dtype=torch.float64)[torch.randperm(32)]
    return values.reshape(4, 8).to(dtype)


def gradient(function: Any, x: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_()
    y = function(x)
    # A weighted sum: the plain sum of a softmax has no gradient.
    (y * torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).reshape(y.shape)).sum().backward()
    assert x.grad is not None
    return x.grad


def assert_near(actual: torch.Tensor, expected: torch.Tensor) -> None:
    tolerance = TOLERANCE[expected.dtype]
    assert_close(actual, expected, rtol=tolerance, atol=tolerance)
