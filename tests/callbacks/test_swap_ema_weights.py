from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from labkeras.callbacks import EarlyStopping, LambdaCallback, ModelCheckpoint, SwapEMAWeights
from labkeras.errors import InvalidArgumentError
from labkeras.models import load_model
from labkeras.optimizers import SGD
from tests.helpers.keras_pairs import OURS, classifier, sample_data

X, Y = sample_data()


def averaging_model(**arguments: Any) -> Any:
    model = classifier(OURS)
    optimizer = SGD(0.1, **{"use_ema": True, "ema_momentum": 0.9, **arguments})
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def averages(model: Any) -> list[np.ndarray]:
    return [model.optimizer.state[weight]["average"].numpy().copy() for weight in model.trainable_variables]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_an_early_stop_leaves_the_averages_in_the_model() -> None:
    model = averaging_model()
    model.fit(
        X,
        Y,
        epochs=5,
        callbacks=[
            SwapEMAWeights(swap_on_epoch=True),
            LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 2)),
        ],
        verbose=0,
    )
    assert same(model.get_weights(), averages(model))


def test_a_checkpoint_after_it_saves_the_averages(tmp_path: Any) -> None:
    model = averaging_model()
    path = tmp_path / "{epoch}.keras"
    seen: list[list[np.ndarray]] = []
    callbacks = [
        SwapEMAWeights(swap_on_epoch=True),
        ModelCheckpoint(path),
        LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(averages(model))),
    ]
    model.fit(X, Y, epochs=2, callbacks=callbacks, verbose=0)
    for epoch, values in enumerate(seen, 1):
        assert same(load_model(tmp_path / f"{epoch}.keras").get_weights(), values)
    assert not same(*seen)


def test_training_is_the_same_with_and_without_it() -> None:
    start = classifier(OURS).get_weights()
    ends = []
    for callbacks in ([], [SwapEMAWeights()], [SwapEMAWeights(swap_on_epoch=True)]):
        model = averaging_model()
        model.set_weights(start)
        model.fit(X, Y, epochs=3, shuffle=False, validation_data=(X, Y), callbacks=callbacks, verbose=0)
        ends.append(model.get_weights() + averages(model))
    assert same(ends[0], ends[1])
    assert same(ends[0], ends[2])


def test_before_the_first_step_there_are_no_averages_to_use() -> None:
    model = averaging_model()
    without = model.evaluate(X, Y, verbose=0)
    assert model.evaluate(X, Y, callbacks=[SwapEMAWeights()], verbose=0) == without
    model.optimizer.build(model.trainable_variables)
    assert model.evaluate(X, Y, callbacks=[SwapEMAWeights()], verbose=0) == without


def test_only_those_of_several_optimizers_that_average_are_used_through_a_scaling_one_too() -> None:
    model = averaging_model()
    model.fit(X, Y, epochs=1, verbose=0)
    inner, other = model.optimizer, SGD(0.1)
    swap = SwapEMAWeights()
    several = SimpleNamespace(optimizers=[other, inner])
    swap.set_model(SimpleNamespace(optimizer=SimpleNamespace(inner_optimizer=several)))
    model.set_weights([weight + 1 for weight in model.get_weights()])
    before = model.get_weights()
    swap.on_predict_begin()
    assert same(model.get_weights(), averages(model))
    swap.on_predict_end()
    assert same(model.get_weights(), before)


@pytest.mark.parametrize("optimizer", [SGD(), SimpleNamespace(optimizers=[SGD(), SGD()])])
def test_an_optimizer_without_averages_is_refused(optimizer: Any) -> None:
    swap = SwapEMAWeights()
    swap.set_model(SimpleNamespace(optimizer=optimizer))
    with pytest.raises(InvalidArgumentError, match=r"`use_ema=True` is set on .*Received: optimizer="):
        swap.on_test_begin()


def test_the_best_epoch_is_that_of_the_averages() -> None:
    model = averaging_model()
    stopping = EarlyStopping("loss", mode="max", patience=9, restore_best_weights=True)
    model.fit(X, Y, epochs=3, callbacks=[SwapEMAWeights(swap_on_epoch=True), stopping], verbose=0)
    assert stopping.best_epoch == 0
    assert same(model.get_weights(), stopping.best_weights or [])
