from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import torch

from labkeras.callbacks import LearningRateScheduler, ReduceLROnPlateau
from labkeras.errors import InvalidArgumentError, InvalidTypeError
from labkeras.optimizers import SGD
from labkeras.optimizers.schedules import ExponentialDecay
from tests.helpers.fake_model import FakeModel


def with_rate(callback: Any, rate: float) -> Any:
    callback.set_model(FakeModel())
    callback.model.optimizer.learning_rate = rate
    return callback


@pytest.mark.parametrize("returned", [0.25, np.float32(0.25), np.float64(0.25), torch.tensor(0.25)])
def test_schedule_may_return_any_float(returned: Any) -> None:
    scheduler = with_rate(LearningRateScheduler(lambda epoch, rate: returned), 1.0)
    scheduler.on_epoch_begin(0)
    assert scheduler.model.optimizer.learning_rate == 0.25


@pytest.mark.parametrize("returned", [None, "0.1", 1, np.array([0.1]), torch.tensor([0.1])])
def test_schedule_must_return_a_float(returned: Any) -> None:
    ours = with_rate(LearningRateScheduler(lambda epoch, rate: returned), 1.0)
    with pytest.raises(InvalidArgumentError, match=r"should be a float\. Received: "):
        ours.on_epoch_begin(0)
    theirs = keras.callbacks.LearningRateScheduler(lambda epoch, rate: returned)
    theirs.set_model(SimpleNamespace(optimizer=SimpleNamespace(learning_rate=np.float32(1.0))))
    with pytest.raises(ValueError, match="should be a float"):
        theirs.on_epoch_begin(0)


def test_schedule_of_the_epoch_alone_is_called_with_it() -> None:
    scheduler = with_rate(LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1)), 1.0)
    scheduler.on_epoch_begin(1)
    assert scheduler.model.optimizer.learning_rate == 0.25


def test_a_type_error_within_the_schedule_is_not_hidden() -> None:
    def wrong(epoch: int, rate: float | None = None) -> float:
        return rate + "1"  # type: ignore[operator, return-value]

    with pytest.raises(TypeError, match="unsupported operand"):
        with_rate(LearningRateScheduler(wrong), 1.0).on_epoch_begin(0)


def test_schedule_must_be_a_function() -> None:
    with pytest.raises(InvalidTypeError, match=r"Received: schedule=0\.1"):
        LearningRateScheduler(0.1)  # type: ignore[arg-type]


def test_an_optimizer_without_learning_rate_is_refused() -> None:
    scheduler = LearningRateScheduler(lambda epoch: 0.1)
    scheduler.set_model(SimpleNamespace(optimizer=SimpleNamespace()))
    with pytest.raises(InvalidArgumentError, match='must have a "learning_rate" attribute'):
        scheduler.on_epoch_begin(0)


def test_a_schedule_of_the_optimizer_cannot_be_overridden() -> None:
    scheduler, plateau = LearningRateScheduler(lambda epoch: 0.1), ReduceLROnPlateau("loss", patience=0, mode="min")
    for callback in (scheduler, plateau):
        callback.set_model(SimpleNamespace(optimizer=SGD(ExponentialDecay(0.1, 10, 0.9)), metrics=[]))
    with pytest.raises(TypeError, match="schedule"):
        scheduler.on_epoch_begin(0)
    plateau.on_epoch_end(0, {"loss": 1.0})
    with pytest.raises(TypeError, match="schedule"):
        plateau.on_epoch_end(1, {"loss": 1.0})


def test_each_of_several_optimizers_gets_its_learning_rate() -> None:
    callback: Any
    for callback in (
        LearningRateScheduler(lambda epoch, rate: rate / 2),
        ReduceLROnPlateau("loss", factor=0.5, patience=0, mode="min"),
    ):
        inner = [SGD(0.5, name="slow"), SGD(1.0, name="fast")]
        callback.set_model(SimpleNamespace(optimizer=SimpleNamespace(optimizers=inner), metrics=[]))
        for epoch in range(2):
            callback.on_epoch_begin(epoch)
            logs = {"loss": 1.0}
            callback.on_epoch_end(epoch, logs)
        assert [float(one.learning_rate) for one in inner] in ([0.125, 0.25], [0.25, 0.5])
        assert list(logs) == ["loss", "learning_rate_slow", "learning_rate_fast"]


def test_verbose_says_what_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    scheduler = with_rate(LearningRateScheduler(lambda epoch: 0.25, verbose=1), 1.0)
    scheduler.on_epoch_begin(2)
    plateau = with_rate(ReduceLROnPlateau("loss", factor=0.5, patience=0, verbose=1, mode="min"), 1.0)
    for epoch in range(2):
        plateau.on_epoch_end(epoch, {"loss": 1.0})
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 3: LearningRateScheduler setting learning rate to 0.25.",
        "Epoch 2: ReduceLROnPlateau reducing learning rate to 0.5.",
    ]


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_factor_must_be_below_one(factor: float) -> None:
    with pytest.raises(InvalidArgumentError, match=f"below 1. Received: factor={factor}"):
        ReduceLROnPlateau(factor=factor)


def test_a_value_that_is_missing_is_named() -> None:
    plateau = with_rate(ReduceLROnPlateau(), 1.0)
    with pytest.warns(UserWarning, match=r"watches 'val_loss', which is not available.*loss, learning_rate"):
        plateau.on_epoch_end(0, {"loss": 1.0})


def test_training_again_starts_the_waiting_anew_and_a_state_takes_it_up() -> None:
    plateau = with_rate(ReduceLROnPlateau("loss", patience=2, mode="min", factor=0.5, cooldown=3), 1.0)
    for epoch in range(3):
        plateau.on_epoch_end(epoch, {"loss": 1.0})
    state = plateau.state_dict()
    assert state == {"best": 1.0, "cooldown_counter": 3, "wait": 0}
    plateau.on_train_begin()
    assert plateau.state_dict() == {"best": None, "cooldown_counter": 0, "wait": 0}
    plateau.load_state_dict(state)
    assert plateau.in_cooldown()
