"""CosineDecay against Keras's."""

from typing import Any

import keras
import numpy as np
import pytest

from labkeras.errors import InvalidArgumentError
from labkeras.optimizers.schedules import CosineDecay

ARGUMENTS: list[dict[str, Any]] = [
    {},
    {"alpha": 0.1},
    {"warmup_target": 0.9, "warmup_steps": 5},
    {"warmup_target": 0.1, "warmup_steps": 13, "alpha": 0.25},
    {"warmup_target": 0.9, "warmup_steps": 0},
]


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_cosine_decay_has_keras_values(arguments: dict[str, Any]) -> None:
    ours = CosineDecay(0.3, 20, **arguments)
    theirs = keras.optimizers.schedules.CosineDecay(0.3, 20, **arguments)
    steps = list(range(40))
    expected = [float(theirs(step)) for step in steps]
    np.testing.assert_allclose(ours(steps).numpy(), expected, rtol=1e-6, atol=1e-7)


def test_cosine_decay_warms_up_from_a_whole_number() -> None:
    # Keras computes in integers here, and stays at 0.
    assert CosineDecay(0, 10, warmup_target=0.5, warmup_steps=10)(5).item() == 0.25


def test_cosine_decay_names_negative_warmup_steps() -> None:
    with pytest.raises(InvalidArgumentError, match=r"must not be below 0\. Received: warmup_steps=-1"):
        CosineDecay(0.1, 10, warmup_target=0.2, warmup_steps=-1)
