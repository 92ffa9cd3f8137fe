"""The full sequence of hook calls, with their arguments, compared with Keras's in the same process."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

from tests.helpers.keras_pairs import OURS, classifier, pair, sample_data

HOOKS = sorted(name for name in dir(keras.callbacks.Callback) if name.startswith("on_"))
# They stand for the newer names, through which they are called as well.
HOOKS = [name for name in HOOKS if name not in ("on_batch_begin", "on_batch_end")]
X, Y = sample_data()
VX, VY = sample_data(1)

Calls = list[tuple[Any, ...]]
Act = Callable[[Any, str, int | None, Any], None]


def recorder(package: Any, calls: Calls, label: str = "", act: Act | None = None) -> Any:
    """A callback that notes each call of a hook, and then acts as `act(callback, hook, number, logs)` says."""

    def noting(hook: str) -> Any:
        def call(self: Any, *args: Any, logs: Any = None) -> None:
            number, logs = (
                (args[0], args[1] if len(args) > 1 else logs)
                if args and isinstance(args[0], int)
                else (
                    None,
                    args[0] if args else logs,
                )
            )
            calls.append((label, hook, number, None if logs is None else {name: copied(logs[name]) for name in logs}))
            if act is not None:
                act(self, hook, number, logs)

        return call

    return type("Recorder", (package.callbacks.Callback,), {hook: noting(hook) for hook in HOOKS})()


def copied(value: Any) -> Any:
    return np.array(value.detach() if hasattr(value, "detach") else value, dtype="float64")


def compare(run: Callable[[Any, Any, Calls], Any], make: Callable[[Any], Any] = classifier, **compiling: Any) -> Calls:
    """Runs the same with both packages and compares all calls; returns them."""
    arguments = {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], **compiling}
    ours, theirs = pair(make, **arguments)
    seen: list[Calls] = [[], []]
    results = [
        run(package, model, calls) for package, model, calls in ((OURS, ours, seen[0]), (keras, theirs, seen[1]))
    ]
    assert [call[:3] for call in seen[0]] == [call[:3] for call in seen[1]]
    for mine, other in zip(*seen, strict=True):
        assert_same_logs(mine, other)
    if hasattr(results[0], "history"):
        assert_same_logs((results[0].history,), (results[1].history,))
        assert results[0].epoch == results[1].epoch
    return seen[0]


def assert_same_logs(mine: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    if other[-1] is None:
        assert mine[-1] is None, mine
        return
    assert list(mine[-1]) == list(other[-1]), (mine[:-1], list(mine[-1]), list(other[-1]))
    for name, value in other[-1].items():
        np.testing.assert_allclose(mine[-1][name], value, rtol=1e-5, atol=1e-5, err_msg=f"{mine[:-1]} {name}")


def fit(package: Any, model: Any, calls: Calls, *data: Any, **arguments: Any) -> Any:
    arguments = {"epochs": 2, "batch_size": 16, "shuffle": False, "verbose": 0, **arguments}
    arguments.setdefault("callbacks", [recorder(package, calls)])
    return model.fit(*(data or (X, Y)), **arguments)


def batches(count: int = 4) -> Iterator[tuple[Any, Any]]:
    while True:
        for start in range(0, count * 10, 10):
            yield X[start : start + 10], Y[start : start + 10]


# --- fit --------------------------------------------------------------------------------------------------------------

FITS: dict[str, dict[str, Any]] = {
    "plain": {},
    "progress bar": {"verbose": 1},
    "a line an epoch": {"verbose": 2},
    "validation": {"validation_data": (VX, VY)},
    "validation in its own batches": {"validation_data": (VX, VY), "validation_batch_size": 7},
    "validation steps": {"validation_data": (VX, VY), "validation_steps": 2},
    "validation every second epoch": {"validation_data": (VX, VY), "validation_freq": 2, "epochs": 5},
    "validation after named epochs": {"validation_data": (VX, VY), "validation_freq": [1, 4], "epochs": 5},
    "validation split": {"validation_split": 0.3},
    "steps per epoch": {"steps_per_epoch": 2, "epochs": 3},
    "class weights": {"class_weight": {0: 1.0, 1: 3.0, 2: 0.5}},
    "sample weights": {"sample_weight": np.linspace(0.1, 2.0, len(X)).astype("float32")},
    "initial epoch": {"initial_epoch": 3, "epochs": 5},
    "no epoch": {"initial_epoch": 5, "epochs": 5},
    "less than no epoch": {"initial_epoch": 7, "epochs": 5},
    "one batch": {"batch_size": 64},
}


@pytest.mark.parametrize("case", FITS)
def test_fit_calls_the_hooks_as_keras_does(case: str) -> None:
    calls = compare(lambda package, model, calls: fit(package, model, calls, **FITS[case]))
    assert calls[0][1] == "on_train_begin"
    assert calls[-1][1] == "on_train_end"


def test_fit_of_a_generator_calls_the_hooks_as_keras_does() -> None:
    def run(package: Any, model: Any, calls: Calls) -> Any:
        return fit(package, model, calls, batches(), batch_size=None, steps_per_epoch=3, validation_data=(VX, VY))

    compare(run)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras's; it does not know that this is all
def test_fit_of_a_generator_that_ends_calls_the_hooks_as_keras_does() -> None:
    def run(package: Any, model: Any, calls: Calls) -> Any:
        finite = ((X[start : start + 10], Y[start : start + 10]) for start in (0, 10, 20))
        return fit(package, model, calls, finite, batch_size=None, epochs=1)

    compare(run)


def test_no_metrics_and_a_model_of_several_outputs_log_as_keras_does() -> None:
    compare(lambda package, model, calls: fit(package, model, calls, validation_data=(VX, VY)), metrics=None)

    def make(package: Any) -> Any:
        inputs = package.Input((6,))
        outputs = [
            package.layers.Dense(3, activation="softmax", name="kind")(inputs),
            package.layers.Dense(1, name="size")(inputs),
        ]
        return package.Model(inputs, outputs)

    sizes = X.sum(axis=1, keepdims=True)
    compare(
        lambda package, model, calls: fit(package, model, calls, X, [Y, sizes], validation_split=0.2),
        make,
        loss=["sparse_categorical_crossentropy", "mse"],
        metrics=[["accuracy"], ["mae"]],
    )


# --- several callbacks ------------------------------------------------------------------------------------------------


def test_callbacks_are_called_in_their_order() -> None:
    def run(package: Any, model: Any, calls: Calls) -> Any:
        callbacks = [recorder(package, calls, label) for label in ("first", "second", "third")]
        return fit(package, model, calls, callbacks=callbacks, validation_data=(VX, VY))

    assert [label for label, *_ in compare(run)][:3] == ["first", "second", "third"]


def test_callbacks_in_a_tuple_are_called_in_keras_order() -> None:
    # Of dicts and nested lists there is no order to compare: Keras calls their batch hooks from threads, or fails.
    def run(package: Any, model: Any, calls: Calls) -> Any:
        return fit(package, model, calls, callbacks=(recorder(package, calls, "b"), recorder(package, calls, "a")))

    compare(run)


def test_a_callback_list_of_the_users_is_used_as_it_is() -> None:
    def run(package: Any, model: Any, calls: Calls) -> Any:
        listed = package.callbacks.CallbackList(
            [recorder(package, calls)], add_history=True, model=model, epochs=2, steps=4, verbose=0
        )
        history = fit(package, model, calls, callbacks=listed, validation_data=(VX, VY))
        assert history is listed.callbacks[-1]
        return history

    compare(run)


def test_what_a_callback_adds_to_the_logs_of_an_epoch_reaches_the_later_ones_and_the_history() -> None:
    def add(callback: Any, hook: str, number: int | None, logs: Any) -> None:
        if hook == "on_epoch_end":
            logs["added"] = number
            del logs["accuracy"]

    def run(package: Any, model: Any, calls: Calls) -> Any:
        callbacks = [recorder(package, calls, "changes", add), recorder(package, calls, "sees")]
        history = fit(package, model, calls, callbacks=callbacks)
        assert list(history.history) == ["loss", "added"]
        return history

    compare(run)


def test_what_a_callback_changes_in_the_logs_of_a_batch_reaches_the_later_ones_alone() -> None:
    def change(callback: Any, hook: str, number: int | None, logs: Any) -> None:
        if hook == "on_train_batch_end":
            logs["loss"] = -1.0
            logs["batch"] = number

    def run(package: Any, model: Any, calls: Calls) -> Any:
        callbacks = [recorder(package, calls, "changes", change), recorder(package, calls, "sees")]
        return fit(package, model, calls, callbacks=callbacks)

    compare(run)


# --- stopping ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hook", "number"),
    [
        ("on_train_begin", None),
        ("on_epoch_begin", 1),
        ("on_train_batch_begin", 1),
        ("on_train_batch_end", 1),
        ("on_train_batch_end", 3),
        ("on_test_begin", None),
        ("on_test_batch_end", 1),
        ("on_epoch_end", 1),
    ],
)
def test_stop_training_ends_training_where_keras_does(hook: str, number: int | None) -> None:
    def stop(callback: Any, called: str, now: int | None, logs: Any) -> None:
        if (called, now) == (hook, number):
            callback.model.stop_training = True

    def run(package: Any, model: Any, calls: Calls) -> Any:
        callbacks = [recorder(package, calls, act=stop)]
        return fit(package, model, calls, callbacks=callbacks, epochs=3, validation_data=(VX, VY))

    compare(run)


@pytest.mark.parametrize("trainer", [None, {"logger": False, "max_steps": 1000}])
def test_the_weights_at_the_end_of_a_batch_are_those_after_its_step(trainer: Any) -> None:
    def run(package: Any, model: Any, calls: Calls) -> Any:
        def weigh(callback: Any, hook: str, number: int | None, logs: Any) -> None:
            weights = {str(index): copied(array) for index, array in enumerate(model.get_weights())}
            calls.append(("weights", hook, number, weights))

        more = {"trainer": trainer} if package is OURS else {}
        return fit(package, model, calls, callbacks=[recorder(package, calls, act=weigh)], **more)

    compare(run)


# --- evaluate, predict and the others ---------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [{}, {"steps": 2}, {"sample_weight": np.ones(len(X), "float32")}, {"verbose": 1}])
def test_evaluate_calls_the_hooks_as_keras_does(arguments: dict[str, Any]) -> None:
    def run(package: Any, model: Any, calls: Calls) -> None:
        model.evaluate(X, Y, **{"batch_size": 16, "verbose": 0, **arguments}, callbacks=[recorder(package, calls)])

    assert next(hook for _, hook, *_ in compare(run)) == "on_test_begin"


@pytest.mark.parametrize("arguments", [{}, {"steps": 2}, {"verbose": 2}])
def test_predict_calls_the_hooks_as_keras_does(arguments: dict[str, Any]) -> None:
    def run(package: Any, model: Any, calls: Calls) -> None:
        model.predict(X, **{"batch_size": 16, "verbose": 0, **arguments}, callbacks=[recorder(package, calls)])

    calls = compare(run)
    assert calls[0][1:] == ("on_predict_begin", None, {})
    assert calls[2][3]["outputs"].shape == (16, 3)


def test_the_methods_for_one_batch_call_no_hooks() -> None:
    def run(package: Any, model: Any, calls: Calls) -> None:
        fit(package, model, calls, epochs=1)
        before = len(calls)
        model.train_on_batch(X, Y)
        model.test_on_batch(X, Y)
        model.predict_on_batch(X)
        assert len(calls) == before

    compare(run)


def test_params_and_model_are_those_of_keras() -> None:
    def run(package: Any, model: Any, calls: Calls) -> None:
        def note(callback: Any, hook: str, number: int | None, logs: Any) -> None:
            if hook.endswith("_begin") and number is None:
                assert callback.model is model
                calls.append(("params", sorted(callback.params), callback.params))

        arguments = {"batch_size": 16, "verbose": 0, "callbacks": [recorder(package, [], act=note)]}
        model.fit(X, Y, epochs=2, validation_data=(VX, VY), validation_batch_size=10, **arguments)
        model.fit(batches(), epochs=1, steps_per_epoch=2, shuffle=False, verbose=0, callbacks=arguments["callbacks"])
        model.evaluate(X, Y, **arguments)
        model.predict(X, **arguments)

    compare(run)


# --- callbacks that act -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("patience", [0, 2])
def test_early_stopping_stops_and_restores_as_in_keras(patience: int) -> None:
    kept: list[list[Any]] = []

    def run(package: Any, model: Any, calls: Calls) -> Any:
        stopping = package.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
        history = fit(
            package,
            model,
            calls,
            callbacks=[stopping, recorder(package, calls)],
            epochs=30,
            validation_data=(VX, VY),
        )
        assert len(history.epoch) < 30
        kept.append([stopping.best, stopping.best_epoch, stopping.stopped_epoch, stopping.wait, *model.get_weights()])
        return history

    compare(run, optimizer="adam")
    for mine, other in zip(*kept, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"patience": 1, "factor": 0.5},
        {"patience": 0, "factor": 0.5, "min_delta": 0.05, "cooldown": 2},
        {"patience": 0, "factor": 0.1, "min_delta": 10.0, "min_lr": 0.02},
        {"monitor": "accuracy", "patience": 1, "factor": 0.3, "mode": "max"},
    ],
)
def test_reduce_lr_on_plateau_lowers_the_learning_rate_as_in_keras(arguments: dict[str, Any]) -> None:
    def run(package: Any, model: Any, calls: Calls) -> Any:
        model.optimizer.learning_rate = 0.3
        callbacks = [package.callbacks.ReduceLROnPlateau(**arguments), recorder(package, calls)]
        history = fit(package, model, calls, callbacks=callbacks, epochs=8, validation_data=(VX, VY))
        assert len(set(history.history["learning_rate"])) > 1
        return history

    compare(run)


def test_a_schedule_of_epochs_sets_the_learning_rate_as_in_keras() -> None:
    def run(package: Any, model: Any, calls: Calls) -> Any:
        scheduler = package.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5 if epoch else 0.2)
        history = fit(package, model, calls, callbacks=[scheduler, recorder(package, calls)], epochs=4)
        np.testing.assert_allclose(history.history["learning_rate"], [0.2, 0.1, 0.05, 0.025])
        return history

    compare(run)


def test_learning_rate_is_not_in_the_logs_that_an_earlier_callback_sees() -> None:
    def run(package: Any, model: Any, calls: Calls) -> Any:
        scheduler = package.callbacks.LearningRateScheduler(lambda epoch: 0.1)
        # Called before it adds anything; the recorder copies what it sees.
        return fit(package, model, calls, callbacks=[recorder(package, calls), scheduler])

    assert all("learning_rate" not in (logs or {}) for *_, logs in compare(run))


def test_terminate_on_nan_ends_training_where_keras_does() -> None:
    spoilt = X.copy()
    spoilt[20] = np.nan

    def run(package: Any, model: Any, calls: Calls) -> None:
        # What follows the batch is NaN in both; NumPy counts NaNs as equal.
        fit(package, model, calls, spoilt, Y, callbacks=[package.callbacks.TerminateOnNaN(), recorder(package, calls)])

    hooks = [call[1] for call in compare(run)]
    assert hooks.count("on_train_batch_end") == 2
    assert hooks[-2:] == ["on_epoch_end", "on_train_end"]


@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_averages_stand_in_the_model_when_they_do_in_keras(swap_on_epoch: bool) -> None:
    def run(package: Any, model: Any, calls: Calls) -> Any:
        def weigh(callback: Any, hook: str, number: int | None, logs: Any) -> None:
            values = {str(index): array for index, array in enumerate(model.get_weights())}
            calls.append(("weights", hook, number, {name: copied(value) for name, value in values.items()}))

        swapping = package.callbacks.SwapEMAWeights(swap_on_epoch)
        callbacks = [swapping, recorder(package, calls, act=weigh)]
        history = fit(package, model, calls, callbacks=callbacks, epochs=3, validation_data=(VX, VY))
        model.evaluate(VX, VY, verbose=0, callbacks=callbacks)
        model.predict(VX, verbose=0, callbacks=callbacks)
        return history

    optimizers = [package.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.6) for package in (OURS, keras)]
    ours, theirs = pair(classifier)
    for model, optimizer in zip((ours, theirs), optimizers, strict=True):
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    seen: list[Calls] = [[], []]
    for package, model, calls in ((OURS, ours, seen[0]), (keras, theirs, seen[1])):
        run(package, model, calls)
    assert [call[:3] for call in seen[0]] == [call[:3] for call in seen[1]]
    for mine, other in zip(*seen, strict=True):
        assert_same_logs(mine, other)


# --- steps_per_execution ----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras's, of a last group that is cut short
@pytest.mark.parametrize("length", [48, 50])
def test_steps_per_execution_calls_the_batch_hooks_at_keras_numbers(length: int) -> None:
    # Keras's torch backend refuses more than 1, but counts as its other backends do.
    from keras.src.trainers.epoch_iterator import EpochIterator

    groups = EpochIterator(X[:length], Y[:length], batch_size=8, steps_per_execution=3)
    expected = [(begin, end) for begin, end, _ in groups]
    calls: Calls = []
    model = classifier(OURS)
    model.compile("sgd", "sparse_categorical_crossentropy", steps_per_execution=3)
    fit(OURS, model, calls, X[:length], Y[:length], batch_size=8, epochs=1)
    begins = [number for _, hook, number, _ in calls if hook == "on_train_batch_begin"]
    ends = [number for _, hook, number, _ in calls if hook == "on_train_batch_end"]
    # Where the last group is cut short, Keras counts on to where it would have ended: a batch that there is not.
    assert list(zip(begins, ends, strict=True)) == [(begin, min(end, -(-length // 8) - 1)) for begin, end in expected]


def test_steps_per_execution_leaves_the_logs_of_its_last_batch() -> None:
    alone: Calls = []
    grouped: Calls = []
    start = classifier(OURS).get_weights()
    for group, calls in ((1, alone), (3, grouped)):
        model = classifier(OURS)
        model.set_weights(start)
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], steps_per_execution=group)
        fit(OURS, model, calls, batch_size=8, validation_data=(VX, VY))
    # 7 batches: groups end with batch 2, 5 and 6.
    ends = [call for call in alone if "batch" not in call[1] or (call[1].endswith("_end") and call[2] in (2, 5, 6))]
    assert [call for call in grouped if not call[1].endswith("batch_begin")] == ends
