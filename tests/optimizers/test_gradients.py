"""Clips at the edges, against Keras's."""

from typing import Any

import keras
import numpy as np
import pytest
import torch

from labkeras.optimizers.batch import Batch
from labkeras.optimizers.gradients import clipped

LIMITS: list[dict[str, Any]] = [
    {"clipnorm": 2.0},
    {"global_clipnorm": 2.0},
    {"clipvalue": 0.5},
    {"clipnorm": 0.0},
    {"clipvalue": -1.0},
    {},
]
GRADIENTS = {
    "ordinary": ([3.0, 4.0], [0.1, -0.2]),
    "zero": ([0.0, 0.0], [0.0, 0.0]),
    "infinite": ([np.inf, 1.0], [0.1, 0.2]),
    "not a number": ([np.nan, 1.0], [0.1, 0.2]),
}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("kind", GRADIENTS)
def test_clips_are_those_of_keras(limit: dict[str, Any], kind: str) -> None:
    grads = [torch.tensor(values) for values in GRADIENTS[kind]]
    before = [grad.clone() for grad in grads]
    limits = {"clipnorm": None, "global_clipnorm": None, "clipvalue": None, **limit}
    ((_, ours),) = clipped([(Batch({}, [], [], [], []), grads)], **limits)
    theirs = keras.optimizers.SGD(**limit)._clip_gradients(grads)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, equal_nan=True)
    for one, other in zip(grads, before, strict=True):
        torch.testing.assert_close(one, other, equal_nan=True)
