"""`fit`, `evaluate` and `predict` give Keras's numbers: same weights, same data, same order."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import labkeras
from labkeras import layers, models

Pair = tuple[Any, Any]

FEATURES, CLASSES, SAMPLES = 6, 3, 50


def _data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(SAMPLES, FEATURES)).astype("float32"), generator.integers(0, CLASSES, SAMPLES)


def _one_hot(y: np.ndarray) -> np.ndarray:
    return np.eye(CLASSES, dtype="float32")[y]


def _classifier(package: Any, head: str | None = "softmax", units: int = CLASSES) -> Any:
    return package.Sequential(
        [
            package.layers.Input((FEATURES,)),
            package.layers.Dense(8, activation="relu", kernel_regularizer="l2"),
            package.layers.Dense(units, activation=head),
        ]
    )


def _pair(make: Callable[[Any], Any]) -> Pair:
    ours, theirs = make(_Package), make(keras)
    ours.set_weights(theirs.get_weights())
    return ours, theirs


class _Package:
    """labkeras under Keras's names, for builders that make the same model in both."""

    layers = layers
    Sequential = models.Sequential
    Model = models.Model
    Input = labkeras.Input


def _same_history(ours: Any, theirs: Any, tolerance: float = 2e-5) -> None:
    assert list(ours.history) == list(theirs.history)
    assert ours.epoch == theirs.epoch
    for name, values in theirs.history.items():
        np.testing.assert_allclose(ours.history[name], values, rtol=tolerance, atol=tolerance, err_msg=name)


def _same_fit(pair: Pair, compile_arguments: Callable[[Any], dict[str, Any]], *data: Any, **arguments: Any) -> None:
    ours, theirs = pair
    ours.compile(**compile_arguments(labkeras))
    theirs.compile(**compile_arguments(keras))
    arguments = {"epochs": 3, "batch_size": 16, "shuffle": False, "verbose": 0, **arguments}
    _same_history(ours.fit(*data, **arguments), theirs.fit(*data, **arguments))
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_every_optimizer_by_name(optimizer: str) -> None:
    x, y = _data()
    _same_fit(_pair(_classifier), lambda _: {"optimizer": optimizer, "loss": "sparse_categorical_crossentropy"}, x, y)


@pytest.mark.parametrize(
    ("loss", "head", "units", "targets"),
    [
        ("sparse_categorical_crossentropy", "softmax", CLASSES, lambda y: y),
        ("categorical_crossentropy", "softmax", CLASSES, _one_hot),
        ("binary_crossentropy", "sigmoid", 1, lambda y: (y > 0).astype("float32")),
        ("mse", None, CLASSES, _one_hot),
        ("mean_absolute_error", None, CLASSES, _one_hot),
    ],
)
def test_accuracy_is_chosen_by_the_shapes(loss: str, head: str | None, units: int, targets: Any) -> None:
    x, y = _data()
    _same_fit(
        _pair(lambda package: _classifier(package, head, units)),
        lambda _: {"optimizer": "sgd", "loss": loss, "metrics": ["accuracy"]},
        x,
        targets(y),
    )


def test_validation_data_and_several_metrics() -> None:
    x, y = _data()
    _same_fit(
        _pair(lambda package: _classifier(package, "sigmoid", 1)),
        lambda package: {
            "optimizer": package.optimizers.Adam(0.01),
            "loss": package.losses.BinaryCrossentropy(),
            "metrics": [
                "acc",
                package.metrics.AUC(name="auc"),
                package.metrics.Precision(),
                package.metrics.Recall(),
                "mae",
            ],
        },
        x,
        (y > 0).astype("float32")[:, None],
        validation_data=(x[:20], (y[:20] > 0).astype("float32")[:, None]),
    )


def test_validation_split_takes_the_last_samples() -> None:
    x, y = _data()
    _same_fit(
        _pair(_classifier),
        lambda _: {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
        x,
        y,
        validation_split=0.3,
    )


def test_sample_weight_weighs_the_loss_and_the_weighted_metrics() -> None:
    x, y = _data()
    weights = np.random.default_rng(1).uniform(0.1, 3.0, SAMPLES).astype("float32")
    _same_fit(
        _pair(_classifier),
        lambda _: {
            "optimizer": "sgd",
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy"],
            "weighted_metrics": ["accuracy"],
        },
        x,
        y,
        sample_weight=weights,
        validation_data=(x, y, weights),
    )


def test_class_weight_weighs_by_class_number_and_by_one_hot_row() -> None:
    x, y = _data()
    for targets, loss in ((y, "sparse_categorical_crossentropy"), (_one_hot(y), "categorical_crossentropy")):
        _same_fit(
            _pair(_classifier),
            lambda _, loss=loss: {"optimizer": "sgd", "loss": loss},
            x,
            targets,
            class_weight={0: 0.2, 1: 1.0, 2: 5.0},
        )


def test_initial_epoch_and_validation_freq() -> None:
    x, y = _data()
    _same_fit(
        _pair(_classifier),
        lambda _: {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy"},
        x,
        y,
        initial_epoch=2,
        epochs=6,
        validation_data=(x, y),
        validation_freq=2,
    )


def test_steps_per_epoch_goes_on_through_the_data() -> None:
    x, y = _data()

    def batches() -> Any:
        while True:
            for start in range(0, SAMPLES, 10):
                yield x[start : start + 10], y[start : start + 10]

    ours, theirs = _pair(_classifier)
    for model in (ours, theirs):
        model.compile("sgd", "sparse_categorical_crossentropy")
    arguments = {"epochs": 4, "steps_per_epoch": 3, "verbose": 0, "shuffle": False}
    _same_history(ours.fit(batches(), **arguments), theirs.fit(batches(), **arguments))


def _two_outputs(package: Any, as_dict: bool) -> Any:
    a, b = package.Input((FEATURES,), name="a"), package.Input((FEATURES,), name="b")
    shared = package.layers.Dense(5, activation="tanh", name="shared")
    joined = package.layers.Concatenate()([shared(a), shared(b)])
    cls = package.layers.Dense(CLASSES, activation="softmax", name="cls")(joined)
    reg = package.layers.Dense(1, name="reg")(joined)
    return package.Model([a, b], {"cls": cls, "reg": reg} if as_dict else [cls, reg])


@pytest.mark.parametrize("as_dict", [False, True])
def test_several_outputs_with_losses_weights_and_metrics_by_name(as_dict: bool) -> None:
    x, y = _data()
    ours, theirs = _pair(lambda package: _two_outputs(package, as_dict))
    targets: Any = {"cls": y, "reg": x[:, :1]} if as_dict else [y, x[:, :1]]
    _same_fit(
        (ours, theirs),
        lambda _: {
            "optimizer": "sgd",
            "loss": {"cls": "sparse_categorical_crossentropy", "reg": "mse"},
            "loss_weights": {"cls": 1.0, "reg": 0.3},
            "metrics": {"cls": ["accuracy"], "reg": ["mae"]},
        },
        [x, x * 2],
        targets,
    )
    assert ours.evaluate([x, x], targets, verbose=0) == pytest.approx(
        theirs.evaluate([x, x], targets, verbose=0), rel=1e-4
    )


def test_several_outputs_with_lists() -> None:
    x, y = _data()
    _same_fit(
        _pair(lambda package: _two_outputs(package, as_dict=False)),
        lambda _: {
            "optimizer": "sgd",
            "loss": ["sparse_categorical_crossentropy", "mse"],
            "loss_weights": [1.0, 0.5],
            "metrics": [["accuracy"], ["mae", "mse"]],
        },
        [x, x],
        [y, x[:, :1]],
    )


@pytest.mark.filterwarnings(
    "ignore:Gradients do not exist:UserWarning"
)  # Keras's: an output without a loss trains nothing
def test_inputs_by_name() -> None:
    x, y = _data()
    _same_fit(
        _pair(lambda package: _two_outputs(package, as_dict=False)),
        lambda _: {"optimizer": "sgd", "loss": ["sparse_categorical_crossentropy", None]},
        {"a": x, "b": x * 3},
        [y, x[:, :1]],
    )


def test_evaluate_returns_the_loss_first_and_a_dict_on_request() -> None:
    x, y = _data()
    ours, theirs = _pair(_classifier)
    for model in (ours, theirs):
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy", "sparse_categorical_crossentropy"])
    np.testing.assert_allclose(ours.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0), rtol=1e-5)
    a, b = (model.evaluate(x, y, verbose=0, return_dict=True) for model in (ours, theirs))
    assert a == pytest.approx(b, rel=1e-5)


def test_evaluate_without_metrics_returns_one_number() -> None:
    x, y = _data()
    ours, theirs = _pair(_classifier)
    for model in (ours, theirs):
        model.compile("sgd", "sparse_categorical_crossentropy")
    assert ours.evaluate(x, y, verbose=0) == pytest.approx(theirs.evaluate(x, y, verbose=0), rel=1e-5)


def test_predict_returns_all_rows_in_order() -> None:
    x, _ = _data()
    ours, theirs = _pair(_classifier)
    np.testing.assert_allclose(
        ours.predict(x, batch_size=7, verbose=0), theirs.predict(x, verbose=0), rtol=1e-5, atol=1e-6
    )


def test_predict_keeps_the_structure_of_the_outputs() -> None:
    x, _ = _data()
    ours, theirs = _pair(lambda package: _two_outputs(package, as_dict=True))
    a, b = (model.predict([x, x], verbose=0) for model in (ours, theirs))
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-5, atol=1e-6)


def test_train_and_test_on_batch_are_those_of_the_batch() -> None:
    x, y = _data()
    ours, theirs = _pair(_classifier)
    for model in (ours, theirs):
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    for start in (0, 10, 20):
        batch = x[start : start + 10], y[start : start + 10]
        np.testing.assert_allclose(ours.train_on_batch(*batch), theirs.train_on_batch(*batch), rtol=1e-4)
    np.testing.assert_allclose(ours.test_on_batch(x, y), theirs.test_on_batch(x, y), rtol=1e-4)
    np.testing.assert_allclose(ours.predict_on_batch(x), theirs.predict_on_batch(x), rtol=1e-4, atol=1e-6)
