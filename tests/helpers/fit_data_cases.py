"""Combinations of kinds and shapes of data with the arguments of compile and fit, to be tried in both packages."""

import itertools
from typing import Any

import numpy as np
import pandas as pd
import torch

from tests.helpers.fit_cases import (
    CLASSIFIED,
    ONE_HOT,
    REAL,
    SPARSE,
    WEIGHTS,
    Case,
    X,
    Y,
    both,
    by_name,
    forever,
    loader,
    numbered,
    plain,
)
from tests.helpers.fit_models import adding_loss, convolutional, mlp, regressor, two_heads, two_inputs, with_own_loss
from tests.helpers.keras_pairs import CLASSES, FEATURES, OURS, SAMPLES

__all__ = ["DATA_CASES"]

ONE_REAL = X[:, 0] * 0.3
SEQUENCES = np.random.default_rng(7).normal(size=(SAMPLES, 4, 3)).astype("float32")


def line(package: Any) -> Any:
    x = package.Input((1,))
    return package.Model(x, package.layers.Dense(1)(x))


def listed_inputs(package: Any) -> Any:
    a, b = package.Input((FEATURES,)), package.Input((2,))
    return package.Model(
        [a, b], package.layers.Dense(CLASSES, activation="softmax")(package.layers.Concatenate()([a, b]))
    )


def along_time(package: Any) -> Any:
    return package.Sequential([package.layers.Input((4, 3)), package.layers.Dense(2)])


def images(package: Any) -> tuple[Any, ...]:
    return np.random.default_rng(5).integers(0, 256, (SAMPLES, 6, 6, 1)).astype("uint8"), Y


def weighted_forever(package: Any) -> tuple[Any, ...]:
    starts = itertools.cycle(range(0, SAMPLES, 10))
    return (((X[s : s + 10], Y[s : s + 10], WEIGHTS[s : s + 10]) for s in starts),)


def named_forever(package: Any) -> tuple[Any, ...]:
    starts = itertools.cycle(range(0, SAMPLES, 10))
    return ((({"x": X[s : s + 10]}, {"cls": Y[s : s + 10], "reg": REAL[s : s + 10]}) for s in starts),)


def _given(*data: Any) -> Any:
    return lambda package: data


DATA_CASES: dict[str, Case] = {
    # where batches come from
    "a generator": Case(
        CLASSIFIED, data=forever, fit=plain(steps_per_epoch=5, batch_size=None), evaluated=lambda package: (X, Y)
    ),
    "a generator with weights": Case(
        plain(optimizer="sgd", loss=SPARSE, weighted_metrics=["accuracy"]),
        data=weighted_forever,
        fit=plain(steps_per_epoch=3, batch_size=None, epochs=4),
        evaluated=lambda package: (X, Y),
    ),
    "a PyDataset": Case(CLASSIFIED, data=lambda package: (numbered(package),), fit=plain(batch_size=None)),
    # Keras with threads gives a batch of the pass before again: the one that it built the model on.
    "a PyDataset with threads": Case(
        CLASSIFIED,
        data=lambda package: (numbered(package, **({"workers": 2} if package is OURS else {})),),
        fit=plain(batch_size=None),
    ),
    "a PyDataset with class_weight": Case(
        CLASSIFIED, data=lambda package: (numbered(package),), fit=plain(batch_size=None, class_weight={1: 3.0})
    ),
    "a PyDataset with steps_per_epoch": Case(
        CLASSIFIED, data=lambda package: (numbered(package),), fit=plain(batch_size=None, steps_per_epoch=3, epochs=4)
    ),
    "a DataLoader": Case(CLASSIFIED, data=lambda package: (loader(package),), fit=plain(batch_size=None)),
    "a DataLoader that drops the last batch": Case(
        CLASSIFIED, data=lambda package: (loader(package, drop_last=True),), fit=plain(batch_size=None)
    ),
    "a DataLoader with steps_per_epoch": Case(
        CLASSIFIED, data=lambda package: (loader(package),), fit=plain(batch_size=None, steps_per_epoch=3, epochs=4)
    ),
    "float64": Case(CLASSIFIED, data=lambda package: (X.astype("float64"), Y)),
    "tensors": Case(CLASSIFIED, data=lambda package: (torch.tensor(X), torch.tensor(Y))),
    "inputs by name": Case(CLASSIFIED, two_inputs, lambda package: ({"b": REAL, "a": X}, Y)),
    "images of bytes": Case(CLASSIFIED, convolutional, images, tolerance=2e-5),
    "a generator of names": Case(
        plain(optimizer="sgd", loss={"cls": SPARSE, "reg": "mse"}),
        lambda package: two_heads(package, as_dict=True),
        named_forever,
        plain(steps_per_epoch=5, batch_size=None),
        evaluated=by_name,
    ),
    "one batch, shuffled": Case(CLASSIFIED, fit=plain(shuffle=True, batch_size=SAMPLES)),
    "tensors to validate on": Case(CLASSIFIED, fit=plain(validation_data=(torch.tensor(X), torch.tensor(Y)))),
    # shapes and types
    "one number a sample": Case(plain(optimizer="sgd", loss="mse"), line, _given(X[:, 0], ONE_REAL)),
    "series of pandas": Case(
        plain(optimizer="sgd", loss="mse", metrics=["mae"]), line, _given(pd.Series(X[:, 0]), pd.Series(ONE_REAL))
    ),
    "frames of pandas": Case(
        plain(optimizer="sgd", loss="mse"), regressor, _given(pd.DataFrame(X), pd.DataFrame(REAL))
    ),
    "a series as weights": Case(
        CLASSIFIED, data=_given(pd.DataFrame(X), pd.Series(Y)), fit=plain(sample_weight=pd.Series(WEIGHTS))
    ),
    "float16": Case(CLASSIFIED, data=_given(X.astype("float16"), Y)),
    "a column of class numbers": Case(CLASSIFIED, data=_given(X, Y.astype("int32")[:, None])),
    "integers to fit": Case(
        plain(optimizer="sgd", loss="mse", metrics=["mae"]), lambda package: mlp(package, "linear", 1), _given(X, Y)
    ),
    "targets without a column": Case(
        plain(optimizer="sgd", loss="mse", metrics=["mae", "mse"]),
        lambda package: mlp(package, "linear", 1),
        _given(X, ONE_REAL),
        plain(sample_weight=WEIGHTS[:, None]),
    ),
    "truth values": Case(
        plain(optimizer="sgd", loss="binary_crossentropy", metrics=["accuracy"]),
        lambda package: mlp(package, "sigmoid", 1),
        _given(X, Y > 0),
    ),
    "truth values as weights": Case(
        plain(optimizer="sgd", loss=SPARSE, weighted_metrics=["accuracy"]),
        fit=plain(sample_weight=np.arange(SAMPLES) > 20),
    ),
    "weights of some axes": Case(
        plain(optimizer="sgd", loss="mse", weighted_metrics=["mae"]),
        along_time,
        _given(SEQUENCES, SEQUENCES[..., :2] * 0.4),
        plain(sample_weight=np.abs(SEQUENCES[..., 0])),
    ),
    "inputs as a list": Case(CLASSIFIED, listed_inputs, _given([X, REAL], Y)),
    "inputs as a tuple": Case(CLASSIFIED, listed_inputs, _given((X, REAL), Y)),
    # ways to say which loss and metric
    "one loss in a list": Case(plain(optimizer="sgd", loss=[SPARSE], metrics=[["accuracy"]])),
    "a weight for one loss": Case(plain(optimizer="sgd", loss=SPARSE, loss_weights=[2.0])),
    "a metric for each output": Case(
        plain(optimizer="sgd", loss=[SPARSE, "mse"], metrics=["accuracy", "mae"]), two_heads, both
    ),
    "the same metric twice": Case(plain(optimizer="sgd", loss=SPARSE, metrics=["accuracy", "acc"])),
    "the same metric for each output": Case(
        plain(optimizer="sgd", loss="mse", metrics=[["mae"], ["mae"]]), two_heads, _given(X, [ONE_HOT, REAL])
    ),
    "metrics of an output without a loss": Case(
        plain(optimizer="sgd", loss={"cls": SPARSE, "reg": None}, metrics={"reg": ["mae"]}), two_heads, both
    ),
    "a list of losses for named outputs": Case(
        plain(optimizer="sgd", loss=[SPARSE, "mse"]), lambda package: two_heads(package, as_dict=True), by_name
    ),
    "weighted metrics by name": Case(
        plain(optimizer="sgd", loss=[SPARSE, "mse"], weighted_metrics={"cls": ["accuracy"], "reg": "mae"}),
        two_heads,
        both,
        plain(sample_weight=WEIGHTS),
    ),
    "a loss by its sum of weights": Case(
        lambda package: {
            "optimizer": "sgd",
            "loss": package.losses.MeanSquaredError(reduction="mean_with_sample_weight"),
        },
        regressor,
        _given(X, REAL),
        plain(sample_weight=WEIGHTS),
    ),
    "nothing but add_loss": Case(plain(optimizer="sgd"), adding_loss, _given(X)),
    "compute_loss with validation": Case(
        plain(optimizer="sgd", metrics=["mae"]), with_own_loss, _given(X, REAL), plain(validation_data=(X, REAL))
    ),
}
