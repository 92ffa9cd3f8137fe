"""Comparing initializers with Keras's: what is exact exactly, what is random by its distribution."""

import json
from typing import Any

import keras
import numpy as np
import torch

from labkeras import initializers

# Shapes of kernels of which the fans differ, with enough values that statistics say something.
SHAPES = [(400, 500), (3, 3, 200, 100), (200_000,), (5, 40, 1000)]


def check_config(name: str, *args: Any, **kwargs: Any) -> None:
    """Our config and Keras's are equal, each side reads the other's, and what it makes has the same config again."""
    ours = getattr(initializers, name)(*args, **kwargs)
    theirs = getattr(keras.initializers, name)(*args, **kwargs)
    config = json.loads(json.dumps(initializers.serialize(ours)))
    assert config == json.loads(json.dumps(keras.initializers.serialize(theirs)))
    assert type(keras.initializers.deserialize(config)) is type(theirs)
    for again in (initializers.deserialize(config), initializers.get(config), ours.clone()):
        assert type(again) is type(ours)
        assert initializers.serialize(again) == initializers.serialize(ours)


def assert_same_distribution(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Two samples have the same mean, spread, deciles and bounds, as nearly as samples of their size do."""
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    a, b = ours.double().numpy().ravel(), theirs.double().numpy().ravel()
    spread = b.std()
    # The standard error of a mean is spread / √n; deciles err by less than twice as much, bounds by more.
    error = 5 * np.sqrt(2 / a.size)
    assert abs(a.mean() - b.mean()) < error * spread
    assert abs(a.std() / spread - 1) < error
    deciles = np.linspace(0.1, 0.9, 9)
    assert np.abs(np.quantile(a, deciles) - np.quantile(b, deciles)).max() < 2 * error * spread


def assert_bounded(values: torch.Tensor, low: float, high: float) -> None:
    """The values reach to both bounds, and not beyond but for rounding."""
    slack = 1e-2 if values.dtype.itemsize == 2 else 1e-6
    margin = slack * max(abs(low), abs(high))
    assert low - margin <= values.min().item() <= low + 2e-3 * (high - low) + margin
    assert high - 2e-3 * (high - low) - margin <= values.max().item() <= high + margin
