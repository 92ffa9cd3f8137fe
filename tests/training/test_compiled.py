"""compile: every way to say losses and metrics gives Keras's logs; what cannot be meant is refused at once."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
import torchmetrics

from labkeras import Input, Model, layers, optimizers
from labkeras.errors import InvalidArgumentError, InvalidTypeError, UnknownComponentError
from tests.helpers.keras_pairs import OURS, classifier, fit_both, pair, sample_data

X, Y = sample_data()
Y_REAL = X[:, :1] * 2
CROSSENTROPY = "sparse_categorical_crossentropy"


def own_loss(y_true: Any, y_pred: Any) -> Any:
    return (y_pred[:, 0] - y_true) ** 2


def own_metric(y_true: Any, y_pred: Any) -> Any:
    return (y_pred[:, 1] - y_true) ** 2


Spec = Callable[[Any], dict[str, Any]]

SPECS: dict[str, Spec] = {
    "instances": lambda package: {
        "optimizer": package.optimizers.SGD(0.1),
        "loss": package.losses.SparseCategoricalCrossentropy(),
        "metrics": [package.metrics.SparseCategoricalAccuracy()],
    },
    "functions of the package": lambda package: {
        "loss": package.losses.sparse_categorical_crossentropy,
        "metrics": ["acc"],
    },
    "functions of one's own": lambda package: {"loss": own_loss, "metrics": [own_metric]},
    "a config": lambda package: {
        "optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.05}},
        "loss": CROSSENTROPY,
    },
    "the same metric twice": lambda package: {"loss": CROSSENTROPY, "metrics": ["accuracy", "accuracy"]},
    "weighted ones too": lambda package: {
        "loss": CROSSENTROPY,
        "metrics": ["accuracy"],
        "weighted_metrics": ["accuracy", "accuracy"],
    },
    "lists": lambda package: {"loss": [CROSSENTROPY], "metrics": [["accuracy"]]},
    "metrics by name": lambda package: {"loss": CROSSENTROPY, "metrics": {"out": "accuracy"}},
    "a factor": lambda package: {"loss": CROSSENTROPY, "loss_weights": 0.5},
    "a list of factors": lambda package: {"loss": CROSSENTROPY, "loss_weights": [0.5]},
}


def _check(make: Callable[[Any], Any], spec: Spec, *data: Any, **arguments: Any) -> None:
    ours, theirs = pair(make)
    ours.compile(**{"optimizer": "sgd", **spec(OURS)})
    theirs.compile(**{"optimizer": "sgd", **spec(keras)})
    fit_both(ours, theirs, *data, **arguments)
    mine, reference = (model.evaluate(*data, verbose=0, return_dict=True) for model in (ours, theirs))
    assert list(mine) == list(reference)
    assert mine == pytest.approx(reference, rel=1e-4)


@pytest.mark.parametrize("name", SPECS)
def test_forms_for_one_output(name: str) -> None:
    _check(classifier, SPECS[name], X, Y)


def test_evaluate_lists_metrics_in_the_order_they_were_given() -> None:
    one_hot = np.eye(3, dtype="float32")[Y]
    ours, theirs = pair(optimizer="sgd", loss="categorical_crossentropy", metrics=["mse", "accuracy", "mae"])
    assert ours.evaluate(X, one_hot, verbose=0) == pytest.approx(theirs.evaluate(X, one_hot, verbose=0), rel=1e-4)
    assert ours.train_on_batch(X, one_hot) == pytest.approx(theirs.train_on_batch(X, one_hot), rel=1e-4)
    mine, reference = (model.test_on_batch(X, one_hot, return_dict=True) for model in (ours, theirs))
    assert list(mine) == list(reference)


TWO_SPECS: dict[str, Spec] = {
    "lists": lambda package: {"loss": [CROSSENTROPY, "mse"], "metrics": [["accuracy"], ["mae"]]},
    "tuples": lambda package: {"loss": (CROSSENTROPY, "mse"), "loss_weights": (1.0, 2.0)},
    "no loss for one": lambda package: {"loss": [CROSSENTROPY, None], "metrics": [["accuracy"], None]},
    "a flat list of metrics": lambda package: {"loss": [CROSSENTROPY, "mse"], "metrics": ["accuracy", "mae"]},
    "dicts": lambda package: {
        "loss": {"c": CROSSENTROPY, "r": "mse"},
        "loss_weights": {"c": 0.5, "r": 2.0},
        "metrics": {"c": "accuracy", "r": ["mae", "mse"]},
    },
    "weighted metrics": lambda package: {
        "loss": {"c": CROSSENTROPY, "r": "mse"},
        "metrics": {"c": ["accuracy", "accuracy"], "r": ["mae"]},
        "weighted_metrics": {"c": ["accuracy"], "r": ["mae"]},
    },
}


def _two_outputs(package: Any, as_dict: bool) -> Any:
    x = package.Input((6,), name="x")
    hidden = package.layers.Dense(8, activation="relu")(x)
    classes = package.layers.Dense(3, activation="softmax", name="c")(hidden)
    real = package.layers.Dense(1, name="r")(hidden)
    return package.Model(x, {"c": classes, "r": real} if as_dict else [classes, real])


@pytest.mark.filterwarnings("ignore:Gradients do not exist:UserWarning")  # Keras's, where an output has no loss
@pytest.mark.parametrize("as_dict", [False, True])
@pytest.mark.parametrize("name", TWO_SPECS)
def test_forms_for_two_outputs(name: str, as_dict: bool) -> None:
    if as_dict and not isinstance(TWO_SPECS[name](OURS)["loss"], dict):
        return
    targets: Any = {"c": Y, "r": Y_REAL} if as_dict else [Y, Y_REAL]
    _check(lambda package: _two_outputs(package, as_dict), TWO_SPECS[name], X, targets)


def test_targets_and_weights_by_name_and_by_position() -> None:
    weights = np.random.default_rng(0).uniform(size=50).astype("float32")
    spec = TWO_SPECS["weighted metrics"]
    _check(lambda package: _two_outputs(package, False), spec, X, {"c": Y, "r": Y_REAL})
    _check(lambda package: _two_outputs(package, False), spec, X, [Y, Y_REAL], sample_weight=[weights, weights * 2])
    _check(
        lambda package: _two_outputs(package, True),
        spec,
        X,
        {"c": Y, "r": Y_REAL},
        sample_weight={"c": weights, "r": weights * 3},
    )


def test_metrics_of_layers_are_in_the_logs() -> None:
    def build(package: Any) -> Any:
        class Watches(package.layers.Layer):  # type: ignore[misc]  # the base is an argument
            def __init__(self) -> None:
                super().__init__()
                self.mean = package.metrics.Mean(name="activity")

            def call(self, x: Any) -> Any:
                self.mean.update_state(x.mean())
                return x

        return package.Sequential([package.layers.Input((6,)), package.layers.Dense(3), Watches()])

    ours, theirs = pair(build, optimizer="sgd", loss="mse", metrics=["mae"])
    targets = np.eye(3, dtype="float32")[Y]
    fit_both(ours, theirs, X, targets, validation_data=(X, targets))
    assert ours.evaluate(X, targets, verbose=0) == pytest.approx(theirs.evaluate(X, targets, verbose=0), rel=1e-4)


def test_masks_count_in_losses_and_metrics_as_in_keras() -> None:
    def build(package: Any) -> Any:
        return package.Sequential(
            [
                package.layers.Input((6,), dtype="int32"),
                package.layers.Embedding(5, 3, mask_zero=True),
                package.layers.Dense(2),
            ]
        )

    tokens = np.random.default_rng(0).integers(0, 5, (20, 6))
    targets = np.random.default_rng(1).normal(size=(20, 6, 2)).astype("float32")
    weights = np.random.default_rng(2).uniform(size=(20, 6)).astype("float32")
    ours, theirs = pair(build, optimizer="sgd", loss="mse", metrics=["mae"], weighted_metrics=["mse"])
    fit_both(ours, theirs, tokens, targets, validation_data=(tokens, targets))
    # One batch: Keras changes the weights in place for the loss, so that its metrics weigh batches by their masks.
    fit_both(ours, theirs, tokens, targets, sample_weight=weights, batch_size=20)
    ours, theirs = pair(build, optimizer="sgd", loss=CROSSENTROPY, metrics=["accuracy"])
    fit_both(ours, theirs, tokens, tokens % 2)


def test_losses_optimizers_and_metrics_of_torch() -> None:
    model = classifier(OURS)
    model.compile(
        torch.optim.Adam(model.parameters(), lr=0.01),
        torch.nn.CrossEntropyLoss(),
        metrics=[torchmetrics.Accuracy(task="multiclass", num_classes=3)],
    )
    history = model.fit(X, Y, epochs=3, verbose=0).history
    assert list(history) == ["loss", "multiclass_accuracy"]
    assert history["loss"][2] < history["loss"][0]
    loss, accuracy = model.evaluate(X, Y, verbose=0)
    outputs = torch.as_tensor(model.predict(X, verbose=0))
    assert loss == pytest.approx(torch.nn.functional.cross_entropy(outputs, torch.as_tensor(Y)).item(), rel=1e-5)
    assert accuracy == pytest.approx(np.mean(outputs.argmax(1).numpy() == Y))
    model.compile(torch.optim.SGD, torch.nn.functional.cross_entropy)
    model.fit(X, Y, verbose=0)


def test_a_loss_of_torch_with_a_state_is_no_part_of_the_model() -> None:
    model = classifier(OURS)
    names = list(model.state_dict())
    model.compile("sgd", torch.nn.CrossEntropyLoss(weight=torch.ones(3)), metrics=[OURS.metrics.Mean()])
    assert list(model.state_dict()) == names
    assert len(model.variables) == 4


def test_a_compute_loss_of_ones_own_is_used_also_by_subclasses() -> None:
    class Own(Model):
        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, **rest: Any) -> Any:  # type: ignore[override]
            return ((y_pred - y) ** 2).mean() * 10

    class Derived(Own):
        pass

    x = Input((6,))
    model = Derived(x, layers.Dense(1)(x))
    model.compile("sgd", "mse")
    expected = 10 * np.mean((model.predict(X, verbose=0) - Y_REAL) ** 2)
    assert model.evaluate(X, Y_REAL, verbose=0) == pytest.approx(expected, rel=1e-5)
    assert model.fit(X, Y_REAL, batch_size=50, verbose=0).history["loss"][0] == pytest.approx(expected, rel=1e-5)


def test_an_optimizer_of_other_weights_is_refused() -> None:
    model = classifier(OURS)
    model.layers[0].trainable = False
    optimizer = optimizers.SGD(0.1)
    model.compile(optimizer, CROSSENTROPY)
    model.fit(X, Y, verbose=0)
    model.layers[0].trainable = True
    model.compile(optimizer, CROSSENTROPY)
    with pytest.raises(InvalidArgumentError, match=r"made for other weights.*Received: \['sequential/dense/kernel'"):
        model.fit(X, Y, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"loss": "focl"}, UnknownComponentError, "no loss is named 'focl'"),
        ({"loss": "mse", "optimizer": "admm"}, UnknownComponentError, "'adam'"),
        ({"loss": "mse", "metrics": ["accurcy"]}, UnknownComponentError, "'accuracy'"),
        ({"loss": {"nope": "mse"}}, InvalidArgumentError, r"`loss` names an output .*\['out'\]. Received: 'nope'"),
        ({"loss": "mse", "metrics": {"nope": ["mae"]}}, InvalidArgumentError, "`metrics` names an output"),
        ({"loss": "mse", "metrics": "accuracy"}, InvalidArgumentError, "`metrics` must be a list or a dict"),
        ({"loss": 3}, InvalidTypeError, "a loss must be"),
        ({"loss": "mse", "metrics": [3]}, InvalidTypeError, "a metric must be"),
        ({"loss": "mse", "loss_weights": "x"}, InvalidArgumentError, "`loss_weights` must be a number"),
        ({"loss": "mse", "optimizer": None}, InvalidArgumentError, "Received: optimizer=None"),
        ({"loss": "mse", "steps_per_execution": 0}, InvalidArgumentError, "Received: steps_per_execution=0"),
        ({"loss": "mse", "jit_compile": "always"}, InvalidArgumentError, "jit_compile='always'"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_compiling(arguments: dict[str, Any], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        classifier(OURS).compile(**{"optimizer": "sgd", **arguments})


@pytest.mark.parametrize(("argument", "value"), [("loss", ["mse", "mse"]), ("loss_weights", [1, 2])])
def test_lists_of_another_length_than_the_outputs_are_refused(argument: str, value: Any) -> None:
    model = classifier(OURS)
    model.compile("sgd", **{"loss": "mse", argument: value})
    with pytest.raises(
        InvalidArgumentError, match=rf"`{argument}` must have an item for each of the 1 outputs \['out'\]"
    ):
        model.fit(X, np.eye(3)[Y], verbose=0)
