"""fit: callbacks, stopping, interrupts, going on; the two ways through Lightning give the same bits."""

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from labkeras import Input, Layer, callbacks, layers, models
from labkeras.errors import InvalidArgumentError, InvalidTypeError, NotCompiledError
from labkeras.random import set_random_seed
from tests.helpers.keras_pairs import OURS, classifier, fit_both, pair, same_history, sample_data

X, Y = sample_data()
COMPILED: dict[str, Any] = {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
BOTH_WAYS = pytest.mark.parametrize("lightning", [[], [pl.Callback()]], ids=["many steps a call", "one step a call"])


def _compiled() -> Any:
    model = classifier(OURS)
    model.compile(**COMPILED)
    return model


# --- callbacks ---

HOOKS = [
    f"on_{mode}_{event}"
    for mode in ("train", "test", "predict")
    for event in ("begin", "end", "batch_begin", "batch_end")
] + ["on_epoch_begin", "on_epoch_end"]


def _noting(base: type, notes: list[Any]) -> Any:
    """A callback that notes each hook, its arguments, and the names and values in its logs."""

    def hook(name: str) -> Callable[..., None]:
        def note(self: Any, *args: Any, **kwargs: Any) -> None:
            for value in (*args, *kwargs.values()):
                if hasattr(value, "keys"):
                    is_number = "outputs" not in value
                    value = {key: round(float(value[key]), 4) if is_number else None for key in sorted(value)}
                notes.append((name, value))

        return note

    return type("Noting", (base,), {name: hook(name) for name in HOOKS})()


def test_hooks_come_in_keras_order_with_keras_logs() -> None:
    seen: list[list[Any]] = []
    for model, base in zip(pair(**COMPILED), (callbacks.Callback, keras.callbacks.Callback), strict=True):
        notes: list[Any] = []
        noting = _noting(base, notes)
        arguments = {"batch_size": 20, "shuffle": False, "verbose": 0, "validation_data": (X[:10], Y[:10])}
        model.fit(X, Y, epochs=2, callbacks=[noting], **arguments)
        model.evaluate(X, Y, verbose=0, callbacks=[noting])
        model.predict(X, verbose=0, callbacks=[noting])
        seen.append(notes)
    for ours, theirs in itertools.zip_longest(*seen):
        assert ours[0] == theirs[0]
        if isinstance(theirs[1], dict) and "outputs" not in theirs[1]:
            assert ours[1] == pytest.approx(theirs[1], abs=2e-4), theirs[0]
        else:
            assert ours[1] == theirs[1]


def test_early_stopping_stops_where_keras_does_and_restores_the_best_weights() -> None:
    ours, theirs = pair(**COMPILED)
    targets = (X, 1 - Y.clip(0, 1))
    arguments: dict[str, Any] = {
        "epochs": 30,
        "batch_size": 16,
        "shuffle": False,
        "verbose": 0,
        "validation_data": targets,
    }
    histories = [
        model.fit(
            X,
            Y,
            callbacks=[package.callbacks.EarlyStopping("loss", min_delta=0.05, patience=2, restore_best_weights=True)],
            **arguments,
        )
        for model, package in ((ours, OURS), (theirs, keras))
    ]
    same_history(*histories)
    assert len(histories[0].epoch) < 30
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@BOTH_WAYS
def test_stop_training_in_mid_epoch_ends_it_with_validation_and_logs_as_in_keras(lightning: list[Any]) -> None:
    ours, theirs = pair(**COMPILED)
    histories = []
    for model, base, extra in ((ours, callbacks.Callback, lightning), (theirs, keras.callbacks.Callback, [])):
        batches: list[int] = []

        class Stops(base):  # type: ignore[misc,valid-type]  # the base is a variable
            def on_train_batch_end(self, batch: int, logs: Any = None, batches: list[int] = batches) -> None:
                batches.append(batch)
                self.model.stop_training = batch == 2

        arguments = {"batch_size": 10, "epochs": 5, "verbose": 0, "shuffle": False, "validation_data": (X, Y)}
        histories.append(model.fit(X, Y, callbacks=[Stops(), *extra], **arguments))
        assert batches == [0, 1, 2]
    same_history(*histories)


def test_what_is_no_callback_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="`callbacks` takes"):
        _compiled().fit(X, Y, callbacks=[3])


# --- both ways through Lightning ---


def _deep() -> Any:
    return models.Sequential(
        [
            Input((6,)),
            layers.Dense(8, kernel_regularizer="l2", activity_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(3, activation="softmax"),
        ]
    )


def _generator() -> Any:
    for start in range(0, 50, 7):
        yield X[start : start + 7], Y[start : start + 7]


def _loader() -> Any:
    return DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), batch_size=7, shuffle=True)


@pytest.mark.filterwarnings("ignore:the data ended after 2 of 3 steps")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        (lambda: (X, Y), {"epochs": 3, "batch_size": 7}),
        (lambda: (X, Y), {"epochs": 2, "batch_size": 7, "validation_split": 0.2, "class_weight": {0: 2.0, 1: 0.5}}),
        (lambda: (X, Y), {"epochs": 3, "batch_size": 7, "steps_per_epoch": 3}),
        (lambda: (_generator(),), {}),
        (lambda: (_loader(),), {"epochs": 2}),
    ],
)
def test_many_steps_a_call_and_one_step_a_call_give_the_same_bits(
    optimizer: str, data: Callable[[], Any], arguments: dict[str, Any]
) -> None:
    results = []
    for lightning in ([], [pl.Callback()]):
        set_random_seed(0)
        model = _deep()
        model.compile(optimizer, COMPILED["loss"], metrics=["accuracy"])
        set_random_seed(1)
        history = model.fit(*data(), verbose=0, callbacks=lightning, **arguments)
        results.append((history.history, model.get_weights()))
    assert results[0][0] == results[1][0]
    for a, b in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_same_bits_with_batch_hooks() -> None:
    class Looks(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            dict(logs)

    weights = []
    for lightning in ([], [pl.Callback()]):
        set_random_seed(0)
        model = _compiled()
        model.fit(X, Y, batch_size=7, epochs=2, verbose=0, callbacks=[Looks(), *lightning])
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


# --- interrupts ---


@BOTH_WAYS
def test_an_interrupt_from_a_callback_comes_through_and_leaves_the_model_usable(lightning: list[Any]) -> None:
    class Interrupts(callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if self.model.history is not None and len(self.model.history.epoch) == 2 and batch == 1:
                raise KeyboardInterrupt

    model = _compiled()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=5, verbose=0, callbacks=[Interrupts(), *lightning])
    assert model.history.epoch == [0, 1]
    assert len(model.history.history["loss"]) == 2
    assert not model.training
    assert len(model.fit(X, Y, verbose=0).epoch) == 1


@BOTH_WAYS
def test_an_interrupt_within_a_step_comes_through(lightning: list[Any]) -> None:
    class Interrupts(Layer):
        calls = 0

        def call(self, x: Any) -> Any:
            Interrupts.calls += 1
            if Interrupts.calls == 8:
                raise KeyboardInterrupt
            return x

    model = models.Sequential([Input((6,)), layers.Dense(3), Interrupts()])
    model.compile(**COMPILED)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=5, batch_size=16, verbose=0, callbacks=lightning)
    assert not model.training
    assert model.predict(X, verbose=0).shape == (50, 3)


@BOTH_WAYS
def test_an_error_of_a_callback_comes_through_as_it_is(lightning: list[Any]) -> None:
    class Fails(callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise ValueError("mine")

    model = _compiled()
    with pytest.raises(ValueError, match="mine"):
        model.fit(X, Y, verbose=0, callbacks=[Fails(), *lightning])
    assert not model.training


# --- going on ---


def test_a_second_fit_goes_on_with_the_optimizer_and_a_history_of_its_own() -> None:
    ours, theirs = pair(**{**COMPILED, "optimizer": "adam"})
    first, _ = fit_both(ours, theirs, X, Y)
    second, _ = fit_both(ours, theirs, X, Y)
    assert second is not first
    assert ours.history is second


def test_freezing_and_thawing_with_compile_as_in_keras() -> None:
    ours, theirs = pair(**COMPILED)
    fit_both(ours, theirs, X, Y)
    for trainable in (False, True):
        before = ours.layers[0].get_weights()[0]
        for model in (ours, theirs):
            model.layers[0].trainable = trainable
            model.compile(**{**COMPILED, "optimizer": "adam"})
        fit_both(ours, theirs, X, Y)
        assert np.array_equal(before, ours.layers[0].get_weights()[0]) is not trainable


@pytest.mark.parametrize("arguments", [{"validation_freq": 2, "initial_epoch": 1}, {"validation_freq": [1, 4]}])
def test_validation_freq_counts_from_the_first_epoch_as_in_keras(arguments: dict[str, Any]) -> None:
    ours, theirs = pair(**COMPILED)
    fit_both(ours, theirs, X, Y, epochs=5, validation_data=(X, Y), **arguments)


def test_batches_by_loader_for_validation() -> None:
    model = _compiled()
    history = model.fit(X, Y, verbose=0, validation_data=_loader())
    assert history.history["val_loss"] == pytest.approx([model.evaluate(X, Y, verbose=0)[0]], rel=1e-5)


@pytest.mark.filterwarnings("ignore:the data ended after")
def test_data_that_runs_out_ends_training_with_a_warning() -> None:
    model = _compiled()
    batches = iter([(X[:10], Y[:10])] * 3)
    with pytest.warns(UserWarning, match="no more batches"):
        history = model.fit(batches, epochs=5, steps_per_epoch=2, verbose=0)
    assert history.epoch == [0, 1]
    assert np.isfinite(history.history["loss"]).all()


# --- predictions ---


def test_predictions_have_the_structure_of_the_outputs() -> None:
    x = Input((6,))
    a, b = layers.Dense(3)(x), layers.Dense(1)(x)
    as_list = models.Model(x, [a, b]).predict(X, batch_size=16, verbose=0)
    assert [part.shape for part in as_list] == [(50, 3), (50, 1)]
    as_dict = models.Model(x, {"a": a, "b": b}).predict(X, verbose=0)
    np.testing.assert_array_equal(as_dict["a"], as_list[0])
    assert models.Model(x, a).predict([[0.0] * 6], verbose=0).shape == (1, 3)
    assert models.Model(x, a).predict(X, steps=2, batch_size=5, verbose=0).shape == (10, 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"epochs": -1}, "Received: epochs=-1"),
        ({"verbose": 7}, "Received: verbose=7"),
        ({"epoch": 3}, "Did you mean 'epochs'"),
        ({"trainer": 3}, "Received: trainer=3"),
        ({"trainer": {"acelerator": "cpu"}}, "'acelerator'"),
        ({"validation_freq": 0}, "Received: validation_freq=0"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        _compiled().fit(X, Y, **arguments)


def test_fit_needs_compile() -> None:
    model = classifier(OURS)
    for method in ("fit", "evaluate", "train_on_batch", "test_on_batch"):
        with pytest.raises(NotCompiledError, match=rf"`{method}` needs a loss and an optimizer"):
            getattr(model, method)(X, Y)
    with pytest.raises(NotCompiledError):
        model.to_lightning()


def test_old_words_are_understood_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="`epochs`"):
        history = _compiled().fit(X, Y, nb_epoch=2, verbose=0)
    assert history.epoch == [0, 1]


def test_a_model_rests_in_inference_after_each_run() -> None:
    model = _compiled()
    runs: list[Callable[[], Any]] = [
        lambda: model.fit(X, Y, verbose=0),
        lambda: model.evaluate(X, Y, verbose=0),
        lambda: model.predict(X, verbose=0),
        lambda: model.train_on_batch(X, Y),
    ]
    for run in runs:
        run()
        assert not any(module.training for module in model.modules())


# --- steps_per_execution ---


@BOTH_WAYS
def test_steps_per_execution_groups_the_batch_hooks(lightning: list[Any]) -> None:
    model = _compiled()
    model.compile(**COMPILED, steps_per_execution=3)
    seen: list[tuple[str, int]] = []
    note = callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(("begin", batch)),
        on_train_batch_end=lambda batch, logs: seen.append(("end", batch)),
    )
    model.fit(X, Y, batch_size=10, verbose=0, validation_data=(X, Y), callbacks=[note, *lightning])
    assert seen == [("begin", 0), ("end", 2), ("begin", 3), ("end", 4)]


def test_steps_per_execution_changes_no_number() -> None:
    histories = []
    for steps in (1, 4):
        set_random_seed(0)
        model = _compiled()
        model.compile(**COMPILED, steps_per_execution=steps)
        histories.append(model.fit(X, Y, batch_size=10, epochs=2, verbose=0, validation_data=(X, Y)).history)
    assert histories[0] == histories[1]


# --- validation within an epoch, which Lightning has ---


def test_validation_within_an_epoch_leaves_the_training_metrics_alone() -> None:
    histories = []
    for trainer in ({}, {"val_check_interval": 2}):
        set_random_seed(0)
        model = _compiled()
        data = {"batch_size": 10, "validation_data": (X[:20], Y[:20])}
        histories.append(model.fit(X, Y, epochs=2, verbose=0, trainer=trainer, **data).history)
    for name in ("loss", "accuracy"):
        assert histories[0][name] == histories[1][name]


def test_a_sanity_check_calls_no_hooks() -> None:
    model = _compiled()
    notes: list[Any] = []
    note = _noting(callbacks.Callback, notes)
    trainer = pl.Trainer(
        max_epochs=1,
        num_sanity_val_steps=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, Y, validation_data=(X, Y), verbose=0, callbacks=[note], trainer=trainer)
    names = [name for name, _ in notes]
    assert names.index("on_train_begin") < names.index("on_test_begin")
    assert names.count("on_test_begin") == 1
