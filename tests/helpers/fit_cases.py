"""Combinations of the arguments of compile and fit, to be tried in labkeras and in Keras."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from labkeras.utils import PyDataset
from tests.helpers.fit_models import (
    adding_loss,
    frozen,
    masked_classifier,
    mlp,
    nested,
    normalized,
    regressor,
    subclassed,
    subclassed_dict,
    tagger,
    two_heads,
    with_own_loss,
    with_own_metrics,
)
from tests.helpers.keras_pairs import CLASSES, OURS, SAMPLES, sample_data

__all__ = [
    "CASES",
    "CLASSIFIED",
    "SPARSE",
    "ONE_HOT",
    "WEIGHTS",
    "Case",
    "REAL",
    "X",
    "both",
    "by_name",
    "Y",
    "forever",
    "loader",
    "numbered",
    "plain",
]

X, Y = sample_data()
ONE_HOT = np.eye(CLASSES, dtype="float32")[Y]
REAL = (X[:, :2] * 0.5 + 0.1).astype("float32")
WORDS = np.random.default_rng(3).integers(0, 12, (SAMPLES, 7))
WEIGHTS = np.random.default_rng(1).uniform(0.1, 3.0, SAMPLES).astype("float32")
STEP_WEIGHTS = np.random.default_rng(2).uniform(0.1, 3.0, (SAMPLES, 7)).astype("float32")
SPARSE, CATEGORICAL = "sparse_categorical_crossentropy", "categorical_crossentropy"


@dataclass(frozen=True)
class Case:
    """One combination.

    Args:
        compiled: the arguments of `compile`, made with a package.
        model: makes the model with a package.
        data: x, y and the like, made with a package.
        fit: the arguments of `fit`, made with a package.
        evaluated: what to evaluate on; `data` unless given.
        tolerance: the relative one of losses and metrics.
    """

    compiled: Callable[[Any], dict[str, Any]]
    model: Callable[[Any], Any] = field(default_factory=lambda: mlp)
    data: Callable[[Any], tuple[Any, ...]] = field(default_factory=lambda: lambda package: (X, Y))
    fit: Callable[[Any], dict[str, Any]] = field(default_factory=lambda: lambda package: {})
    evaluated: Callable[[Any], tuple[Any, ...]] | None = None
    tolerance: float = 1e-5


def words(package: Any) -> tuple[Any, ...]:
    return WORDS, Y


def tags(package: Any) -> tuple[Any, ...]:
    return WORDS, WORDS % CLASSES


def both(package: Any) -> tuple[Any, ...]:
    return X, [Y, REAL]


def by_name(package: Any) -> tuple[Any, ...]:
    return X, {"cls": Y, "reg": REAL}


def forever(package: Any) -> tuple[Any, ...]:
    starts = itertools.cycle(range(0, SAMPLES, 10))
    return (((X[start : start + 10], Y[start : start + 10]) for start in starts),)


def numbered(package: Any, **arguments: Any) -> Any:
    base: Any = PyDataset if package is OURS else keras.utils.PyDataset

    class Batches(base):  # type: ignore[misc]  # a class of one of two packages
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> Any:
            rows = slice(index * 13, (index + 1) * 13)
            return X[rows], Y[rows]

    return Batches(**arguments)


def loader(package: Any, **arguments: Any) -> Any:
    dataset = TensorDataset(torch.tensor(X), torch.tensor(Y))
    return DataLoader(dataset, **{"batch_size": 16, **arguments})


class Stopper:
    """A callback of each package that stops training in an epoch."""

    def __call__(self, package: Any) -> Any:
        class StopsAtOne(package.callbacks.Callback):  # type: ignore[misc]  # likewise
            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                self.model.stop_training = epoch == 1

        class StopsInABatch(package.callbacks.Callback):  # type: ignore[misc]  # likewise
            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                self.model.stop_training = batch == 2

        return StopsAtOne(), StopsInABatch()


def plain(**arguments: Any) -> Callable[[Any], dict[str, Any]]:
    return lambda package: dict(arguments)


CLASSIFIED = plain(optimizer="sgd", loss=SPARSE, metrics=["accuracy"])


def _optimizer(name: str, **arguments: Any) -> Callable[[Any], dict[str, Any]]:
    return lambda package: {"optimizer": getattr(package.optimizers, name)(**arguments), "loss": SPARSE}


CASES: dict[str, Case] = {
    # optimizers
    "sgd with momentum": Case(_optimizer("SGD", learning_rate=0.05, momentum=0.9)),
    "sgd with nesterov": Case(_optimizer("SGD", learning_rate=0.05, momentum=0.9, nesterov=True)),
    "sgd with clipnorm": Case(_optimizer("SGD", learning_rate=0.5, clipnorm=0.1)),
    "sgd with global_clipnorm": Case(_optimizer("SGD", learning_rate=0.5, global_clipnorm=0.1)),
    "sgd with clipvalue": Case(_optimizer("SGD", learning_rate=0.5, clipvalue=0.02)),
    "sgd with weight_decay": Case(_optimizer("SGD", learning_rate=0.1, weight_decay=0.05)),
    "sgd with accumulation": Case(_optimizer("SGD", learning_rate=0.1, gradient_accumulation_steps=3)),
    "adam": Case(_optimizer("Adam", learning_rate=0.01)),
    "adam with amsgrad": Case(_optimizer("Adam", learning_rate=0.01, amsgrad=True)),
    "adam with clipnorm and decay": Case(_optimizer("Adam", learning_rate=0.01, clipnorm=0.05, weight_decay=0.01)),
    "adam with averages": Case(_optimizer("Adam", learning_rate=0.01, use_ema=True, ema_momentum=0.8)),
    "adam with averages that overwrite": Case(
        _optimizer("Adam", learning_rate=0.01, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=3)
    ),
    "adam with accumulation and clipping": Case(
        _optimizer("Adam", learning_rate=0.01, gradient_accumulation_steps=2, global_clipnorm=0.05)
    ),
    "adamw": Case(_optimizer("AdamW", learning_rate=0.01, weight_decay=0.1)),
    "rmsprop": Case(_optimizer("RMSprop", learning_rate=0.01)),
    "rmsprop centered with momentum": Case(_optimizer("RMSprop", learning_rate=0.005, centered=True, momentum=0.5)),
    "a schedule": Case(
        lambda package: {
            "optimizer": package.optimizers.SGD(package.optimizers.schedules.ExponentialDecay(0.2, 3, 0.5)),
            "loss": SPARSE,
        }
    ),
    # losses and metrics
    "one-hot targets": Case(
        plain(optimizer="sgd", loss=CATEGORICAL, metrics=["acc", "mae"]), data=lambda package: (X, ONE_HOT)
    ),
    "logits, label smoothing": Case(
        lambda package: {
            "optimizer": "sgd",
            "loss": package.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
            "metrics": [package.metrics.CategoricalCrossentropy(from_logits=True)],
        },
        model=lambda package: mlp(package, "linear"),
        data=lambda package: (X, ONE_HOT),
    ),
    "regression": Case(
        plain(optimizer="sgd", loss="mse", metrics=["mae", "mse"]),
        regressor,
        lambda package: (X, REAL),
    ),
    "a summed loss": Case(
        lambda package: {
            "optimizer": package.optimizers.SGD(0.001),
            "loss": package.losses.MeanAbsoluteError(reduction="sum"),
        },
        regressor,
        lambda package: (X, REAL),
    ),
    "a function as loss and as metric": Case(
        plain(
            optimizer="sgd",
            loss=lambda y, y_pred: (y - y_pred).abs().mean(-1),
            metrics=[lambda y, y_pred: (y_pred - y).abs().amax(-1)],
        ),
        regressor,
        lambda package: (X, REAL),
    ),
    "binary with thresholds": Case(
        lambda package: {
            "optimizer": "adam",
            "loss": "binary_crossentropy",
            "metrics": ["accuracy", package.metrics.AUC(), package.metrics.Precision(thresholds=0.4)],
        },
        model=lambda package: mlp(package, "sigmoid", 1),
        data=lambda package: (X, (Y > 0).astype("float32")[:, None]),
    ),
    "weighted metrics": Case(
        plain(optimizer="sgd", loss=SPARSE, metrics=["accuracy"], weighted_metrics=["accuracy", SPARSE]),
        fit=plain(sample_weight=WEIGHTS),
    ),
    "weighted metrics without weights": Case(plain(optimizer="sgd", loss=SPARSE, weighted_metrics=["accuracy"])),
    # several outputs
    "two outputs, one loss": Case(plain(optimizer="sgd", loss="mse"), two_heads, lambda package: (X, [ONE_HOT, REAL])),
    "two outputs, lists": Case(
        plain(optimizer="sgd", loss=[SPARSE, "mse"], loss_weights=[1.0, 0.3], metrics=[["accuracy"], ["mae", "mse"]]),
        two_heads,
        both,
    ),
    "two outputs, dicts": Case(
        plain(
            optimizer="sgd",
            loss={"cls": SPARSE, "reg": "mse"},
            loss_weights={"cls": 0.5, "reg": 2.0},
            metrics={"cls": "accuracy", "reg": ["mae"]},
        ),
        two_heads,
        both,
    ),
    "two named outputs": Case(
        plain(optimizer="sgd", loss={"cls": SPARSE, "reg": "mae"}, metrics={"reg": ["mse"]}),
        lambda package: two_heads(package, as_dict=True),
        by_name,
    ),
    "two outputs, weights for each": Case(
        plain(optimizer="sgd", loss=[SPARSE, "mse"], weighted_metrics=[["accuracy"], ["mae"]]),
        two_heads,
        both,
        lambda package: {"sample_weight": [WEIGHTS, WEIGHTS[::-1].copy()]},
    ),
    "two outputs, weights by name": Case(
        plain(optimizer="sgd", loss={"cls": SPARSE, "reg": "mse"}, weighted_metrics={"cls": ["accuracy"]}),
        lambda package: two_heads(package, as_dict=True),
        by_name,
        lambda package: {"sample_weight": {"cls": WEIGHTS, "reg": WEIGHTS[::-1].copy()}},
    ),
    "two outputs, one weight": Case(
        plain(optimizer="sgd", loss=[SPARSE, "mse"]), two_heads, both, plain(sample_weight=WEIGHTS)
    ),
    "a subclassed model with named outputs": Case(
        plain(optimizer="sgd", loss={"cls": SPARSE, "reg": "mse"}, metrics={"cls": ["accuracy"]}),
        subclassed_dict,
        by_name,
    ),
    # what adds to the loss, and what holds weights
    "add_loss": Case(CLASSIFIED, adding_loss),
    "compute_loss": Case(plain(optimizer="sgd", metrics=["mae"]), with_own_loss, lambda package: (X, REAL)),
    "compute_metrics": Case(CLASSIFIED, with_own_metrics),
    "regularizers": Case(
        CLASSIFIED,
        lambda package: mlp(
            package, kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer=package.regularizers.L1(0.01)
        ),
    ),
    "constraints": Case(
        _optimizer("SGD", learning_rate=0.5),
        lambda package: mlp(package, kernel_constraint=package.constraints.MaxNorm(0.8), bias_constraint="non_neg"),
    ),
    # weights of samples and classes
    "sample_weight": Case(CLASSIFIED, fit=plain(sample_weight=WEIGHTS)),
    "sample_weight of time steps": Case(
        plain(optimizer="sgd", loss=SPARSE, weighted_metrics=["accuracy"]),
        lambda package: tagger(package, mask_zero=False),
        tags,
        plain(sample_weight=STEP_WEIGHTS),
    ),
    "class_weight": Case(CLASSIFIED, fit=plain(class_weight={0: 0.2, 2: 4.0})),
    "class_weight of one-hot targets": Case(
        plain(optimizer="sgd", loss=CATEGORICAL, weighted_metrics=["accuracy"]),
        data=lambda package: (X, ONE_HOT),
        fit=plain(class_weight={0: 0.2, 1: 1.5}),
    ),
    "class_weight of a column of floats": Case(
        CLASSIFIED, data=lambda package: (X, Y[:, None].astype("float32")), fit=plain(class_weight={1: 3.0})
    ),
    # validation
    "validation_data": Case(CLASSIFIED, fit=plain(validation_data=(X[:21], Y[:21]))),
    "validation_data with weights": Case(
        plain(optimizer="sgd", loss=SPARSE, weighted_metrics=["accuracy"]), fit=plain(validation_data=(X, Y, WEIGHTS))
    ),
    "validation_split": Case(CLASSIFIED, fit=plain(validation_split=0.3, sample_weight=WEIGHTS)),
    "validation_split beside validation_data": Case(
        CLASSIFIED, fit=plain(validation_split=0.3, validation_data=(X[:9], Y[:9]))
    ),
    "validation_freq": Case(CLASSIFIED, fit=plain(validation_data=(X, Y), validation_freq=2, epochs=5)),
    "validation_freq as a list": Case(CLASSIFIED, fit=plain(validation_data=(X, Y), validation_freq=[1, 4], epochs=5)),
    "validation_steps and validation_batch_size": Case(
        CLASSIFIED, fit=plain(validation_data=(X, Y), validation_steps=2, validation_batch_size=9)
    ),
    "validation by a loader": Case(CLASSIFIED, fit=lambda package: {"validation_data": loader(package, batch_size=7)}),
    "validation by a PyDataset": Case(CLASSIFIED, fit=lambda package: {"validation_data": numbered(package)}),
    # epochs and steps
    "initial_epoch": Case(CLASSIFIED, fit=plain(initial_epoch=2, epochs=5)),
    "initial_epoch with validation_freq": Case(
        CLASSIFIED, fit=plain(initial_epoch=1, epochs=6, validation_data=(X, Y), validation_freq=2)
    ),
    "no batch_size": Case(CLASSIFIED, fit=plain(batch_size=None)),
    "a batch_size that divides": Case(CLASSIFIED, fit=plain(batch_size=10)),
    "more than all in a batch": Case(CLASSIFIED, fit=plain(batch_size=99)),
    "steps_per_epoch of arrays": Case(CLASSIFIED, fit=plain(batch_size=None, steps_per_epoch=3)),
    "steps_per_epoch across epochs": Case(CLASSIFIED, fit=plain(steps_per_epoch=2, epochs=4)),
    "steps_per_epoch that the data cuts short": Case(CLASSIFIED, fit=plain(steps_per_epoch=3, epochs=5)),
    "more steps_per_epoch than batches": Case(CLASSIFIED, fit=plain(steps_per_epoch=9, validation_data=(X, Y))),
    "stop_training at an epoch's end": Case(
        CLASSIFIED, fit=lambda package: {"epochs": 5, "callbacks": [Stopper()(package)[0]]}
    ),
    "stop_training within an epoch": Case(
        CLASSIFIED, fit=lambda package: {"callbacks": [Stopper()(package)[1]], "validation_data": (X, Y)}
    ),
    # models
    "masks": Case(plain(optimizer="adam", loss=SPARSE, metrics=["accuracy"]), masked_classifier, words, tolerance=2e-5),
    "masks of the loss and the metrics": Case(CLASSIFIED, tagger, tags),
    "masks and sample_weight": Case(CLASSIFIED, tagger, tags, plain(sample_weight=STEP_WEIGHTS)),
    "batch normalization": Case(CLASSIFIED, normalized, fit=plain(validation_data=(X, Y)), tolerance=2e-5),
    "a subclassed model": Case(CLASSIFIED, subclassed),
    "a nested model": Case(CLASSIFIED, nested),
    "a frozen layer": Case(CLASSIFIED, frozen),
    "float64 layers": Case(CLASSIFIED, lambda package: mlp(package, dtype="float64")),
    # Ours rounds to 8 bits after product and bias, Keras after each.
    "mixed_bfloat16 layers": Case(CLASSIFIED, lambda package: mlp(package, dtype="mixed_bfloat16"), tolerance=2**-8),
    "run_eagerly": Case(plain(optimizer="sgd", loss=SPARSE, run_eagerly=True)),
    "auto_scale_loss off": Case(plain(optimizer="sgd", loss=SPARSE, auto_scale_loss=False)),
}
