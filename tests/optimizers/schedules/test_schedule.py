"""What every schedule does: tensors in and out, configs, your own schedules."""

from typing import Any

import keras
import numpy as np
import pytest
import torch

from labkeras.errors import SerializationError
from labkeras.optimizers import SGD, schedules
from labkeras.optimizers.schedules import CosineDecay, ExponentialDecay, LearningRateSchedule

ARGUMENTS: list[tuple[str, dict[str, Any]]] = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.9, "staircase": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 9, "warmup_target": 0.5, "warmup_steps": 3}),
]


class Halving(LearningRateSchedule):
    def __call__(self, step: torch.Tensor) -> torch.Tensor:
        return torch.pow(torch.tensor(0.5), step)


def test_a_schedule_takes_numbers_arrays_and_tensors() -> None:
    schedule = ExponentialDecay(1.0, 1, 0.5)
    assert schedule(2).item() == 0.25
    assert schedule(torch.tensor(2)).item() == 0.25
    assert schedule(np.arange(4).reshape(2, 2)).tolist() == [[1.0, 0.5], [0.25, 0.125]]
    assert schedule(torch.tensor([1])).shape == (1,)
    assert schedule(2).dtype == torch.float32


@pytest.mark.parametrize(("name", "arguments"), ARGUMENTS)
def test_keras_reads_the_config_and_writes_the_same(name: str, arguments: dict[str, Any]) -> None:
    ours = getattr(schedules, name)(**arguments)
    theirs = getattr(keras.optimizers.schedules, name)(**arguments)
    assert schedules.serialize(ours) == keras.optimizers.schedules.serialize(theirs)
    assert keras.optimizers.schedules.deserialize(schedules.serialize(ours)).get_config() == theirs.get_config()
    read = schedules.deserialize(keras.optimizers.schedules.serialize(theirs))
    assert type(read) is type(ours)
    assert read.get_config() == ours.get_config()


def test_an_optimizer_follows_a_schedule_of_your_own() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = SGD(Halving())
    for _ in range(3):
        optimizer.apply([torch.ones(1)], [weight])
    assert weight.item() == -1.75
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_a_subclass_that_overrides_call_is_obeyed() -> None:
    class Doubled(ExponentialDecay):
        def __call__(self, step: Any) -> torch.Tensor:
            return 2 * super().__call__(step)

    assert SGD(Doubled(0.5, 1, 0.1)).learning_rate.item() == 1.0


def test_the_config_of_something_else_is_refused() -> None:
    with pytest.raises(SerializationError, match="where a schedule belongs"):
        schedules.deserialize({"module": "keras.optimizers", "class_name": "SGD", "config": {}})


def test_a_schedule_without_a_formula_says_what_to_override() -> None:
    with pytest.raises(NotImplementedError, match="LearningRateSchedule must override `__call__` or `rate`"):
        LearningRateSchedule()(0)
    with pytest.raises(NotImplementedError, match="Halving must override `get_config`"):
        Halving().get_config()


@pytest.mark.parametrize("schedule", [CosineDecay, lambda start, steps: ExponentialDecay(start, steps, 0.5)])
def test_decay_steps_must_be_positive(schedule: Any) -> None:
    with pytest.raises(ValueError, match=r"`decay_steps` must be above 0\. Received: decay_steps=0"):
        schedule(0.1, 0)
