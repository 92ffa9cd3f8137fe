"""ExponentialDecay against Keras's."""

from typing import Any

import keras
import numpy as np
import pytest

from labkeras.optimizers.schedules import ExponentialDecay


@pytest.mark.parametrize("staircase", [False, True])
@pytest.mark.parametrize(("decay_steps", "decay_rate"), [(10, 0.5), (7, 0.96), (1000, 1.1)])
def test_exponential_decay_has_keras_values(decay_steps: int, decay_rate: float, staircase: bool) -> None:
    arguments: dict[str, Any] = {"decay_steps": decay_steps, "decay_rate": decay_rate, "staircase": staircase}
    ours = ExponentialDecay(0.3, **arguments)
    theirs = keras.optimizers.schedules.ExponentialDecay(0.3, **arguments)
    steps = [0, 1, 6, 7, 8, 9, 10, 11, 20, 999, 1000, 1001, 2500]
    expected = [float(theirs(step)) for step in steps]
    np.testing.assert_allclose(ours(steps).numpy(), expected, rtol=2e-5)
