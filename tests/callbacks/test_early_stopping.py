import inspect
import operator
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from labkeras import Input
from labkeras.callbacks import CallbackList, EarlyStopping, LambdaCallback
from labkeras.errors import InvalidArgumentError
from labkeras.layers import Dense
from labkeras.models import Sequential
from labkeras.optimizers import SGD
from tests.helpers.fake_model import FakeModel, run_fit

VALUES = [5.0, 4.0, 4.1, 3.95, 3.94, 4.5, 3.9, 4.0, 4.2, 4.3, 4.4, 4.5]


def outcome(callback: Any, lists: Any, values: list[float], name: str = "val_loss") -> tuple[Any, ...]:
    """How many epochs were run, the weights at the end, and what the callback says about it; twice, in two fits."""
    seen: list[Any] = []
    for _ in range(2):
        model = FakeModel()
        epochs = run_fit(lists([callback], model=model), model, [{"loss": 1.0, name: value} for value in values])
        seen += [epochs, float(model.weight[0]), callback.stopped_epoch, callback.best, callback.best_epoch]
    return tuple(seen)


@pytest.mark.parametrize("values", [VALUES, VALUES[::-1], [float("nan"), 2.0, 1.0, 1.0], [2.0, float("nan"), 1.0, 3.0]])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"patience": 2},
        {"patience": 3, "min_delta": 0.06},
        {"patience": 3, "min_delta": -0.06},
        {"patience": 2, "baseline": 3.92},
        {"patience": 2, "baseline": 3.92, "restore_best_weights": True},
        {"patience": 1, "start_from_epoch": 4},
        {"patience": 2, "restore_best_weights": True},
        {"patience": 100, "restore_best_weights": True},
        {"patience": 2, "mode": "max", "restore_best_weights": True},
        {"patience": 0, "mode": "min", "min_delta": 0.5},
    ],
)
def test_stops_and_restores_where_keras_does(arguments: dict[str, Any], values: list[float]) -> None:
    theirs = outcome(keras.callbacks.EarlyStopping(**arguments), keras.callbacks.CallbackList, values)
    ours = outcome(EarlyStopping(**arguments), CallbackList, values)
    np.testing.assert_equal(ours, theirs)


def test_same_arguments_as_keras() -> None:
    ours, theirs = (
        inspect.signature(EarlyStopping).parameters,
        inspect.signature(keras.callbacks.EarlyStopping).parameters,
    )
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]


@pytest.mark.parametrize(("direction", "values", "stop"), [("up", [1, 2, 1], 3), ("down", [3, 2, 3], 3)])
def test_direction_comes_from_the_metric(direction: str, values: list[float], stop: int) -> None:
    model = FakeModel()
    container = SimpleNamespace(name="compile_metrics", metrics=[SimpleNamespace(name="score", direction=direction)])
    model.metrics = [container]
    callback = EarlyStopping("val_score")
    assert run_fit(CallbackList([callback], model=model), model, [{"val_score": value} for value in values]) == stop
    assert callback.best == 2


def test_direction_of_one_of_several_outputs_comes_from_its_metric() -> None:
    model = FakeModel()
    model.metrics = [SimpleNamespace(name="score", direction="up")]
    callback = EarlyStopping("val_head_score")
    run_fit(CallbackList([callback], model=model), model, [{"val_head_score": value} for value in (1, 2, 1)])
    assert callback.best == 2


def test_loss_of_one_of_several_outputs_is_to_be_small() -> None:
    callback, model = EarlyStopping("val_head_loss"), FakeModel()
    run_fit(CallbackList([callback], model=model), model, [{"val_head_loss": value} for value in (2, 1, 3)])
    assert callback.best == 1


def test_unknown_direction_is_an_error() -> None:
    model = FakeModel()
    with pytest.raises(InvalidArgumentError, match=r"pass mode='max' or mode='min'\. Received: monitor='val_score'"):
        run_fit(CallbackList([EarlyStopping("val_score")], model=model), model, [{"val_score": 1.0}])


def test_missing_value_is_a_warning_with_the_names_there_are() -> None:
    callback, model = EarlyStopping(), FakeModel()
    with pytest.warns(UserWarning, match=r"'val_loss', which is not available\. Available metrics are: acc, loss"):
        run_fit(CallbackList([callback], model=model), model, [{"loss": 1.0, "acc": 0.5}])


def test_unknown_mode_is_a_warning_and_becomes_auto_as_in_keras() -> None:
    with pytest.warns(UserWarning, match="Received: mode='lowest'"):
        assert EarlyStopping(mode="lowest").mode == "auto"  # type: ignore[arg-type]


def test_weights_that_are_views_are_copied() -> None:
    class Views(FakeModel):
        def get_weights(self) -> list[np.ndarray]:
            return [self.weight[:]]

    model = Views()
    callbacks = CallbackList([EarlyStopping(restore_best_weights=True, patience=5)], model=model)
    run_fit(callbacks, model, [{"val_loss": value} for value in (3.0, 1.0, 2.0)])
    assert model.weight[0] == 4


def test_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    model = FakeModel()
    callbacks = CallbackList([EarlyStopping(verbose=1, restore_best_weights=True)], model=model)
    run_fit(callbacks, model, [{"val_loss": value} for value in (1.0, 2.0, 3.0)])
    assert capsys.readouterr().out == "Epoch 2: early stopping\nRestoring the model's weights of the best epoch, 1.\n"


def test_fit_ends_early_and_gives_a_real_model_its_best_weights_back() -> None:
    model = Sequential([Input((1,)), Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(SGD(0.25), "mse", metrics=["accuracy"])
    kernels: list[float] = []
    note = LambdaCallback(on_epoch_end=lambda epoch, logs: kernels.append(float(model.get_weights()[0].item())))
    # Training pulls the kernel from 1 to 3, validation wants 2: it gets better, then worse.
    x = np.ones((4, 1), "float32")
    history = model.fit(
        x,
        3 * x,
        epochs=10,
        batch_size=4,
        verbose=0,
        validation_data=(x, 2 * x),
        callbacks=[note, EarlyStopping(patience=1, restore_best_weights=True)],
    )
    assert history.epoch == [0, 1]
    np.testing.assert_allclose(model.get_weights()[0], kernels[0])
    assert kernels[1] > kernels[0]


def test_direction_of_a_compiled_metric_is_known() -> None:
    model = Sequential([Input((1,)), Dense(1)])
    model.compile("sgd", "mse", metrics=["accuracy", "mae"])
    x = np.ones((4, 1), "float32")
    best = EarlyStopping("val_accuracy", patience=9), EarlyStopping("val_mae", patience=9)
    model.fit(x, x, epochs=2, verbose=0, validation_data=(x, x), callbacks=list(best))
    assert [callback.monitor_op for callback in best] == [operator.gt, operator.lt]
