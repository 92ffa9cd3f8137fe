"""The same model in labkeras and in Keras, with the same weights, trained side by side."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

import labkeras
from labkeras import callbacks, constraints, layers, losses, metrics, models, optimizers, regularizers

__all__ = ["OURS", "classifier", "fit_both", "pair", "sample_data", "same_history"]

FEATURES, CLASSES, SAMPLES = 6, 3, 50

OURS = SimpleNamespace(
    Input=labkeras.Input,
    Model=models.Model,
    Sequential=models.Sequential,
    Layer=labkeras.Layer,
    callbacks=callbacks,
    constraints=constraints,
    layers=layers,
    losses=losses,
    metrics=metrics,
    optimizers=optimizers,
    regularizers=regularizers,
)
"""labkeras under Keras's names, for builders that make the same model in both."""


def sample_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """50 rows of 6 features, and a class of 3 for each."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(SAMPLES, FEATURES)).astype("float32"), generator.integers(0, CLASSES, SAMPLES)


def classifier(package: Any) -> Any:
    """A small network for `sample_data`."""
    return package.Sequential(
        [
            package.layers.Input((FEATURES,)),
            package.layers.Dense(8, activation="relu"),
            package.layers.Dense(CLASSES, activation="softmax", name="out"),
        ]
    )


def pair(make: Callable[[Any], Any] = classifier, **compile_arguments: Any) -> tuple[Any, Any]:
    """A model of ours and the same one of Keras's, compiled if there is something to compile them with."""
    keras.utils.clear_session(free_memory=False)
    ours, theirs = make(OURS), make(keras)
    ours.set_weights(theirs.get_weights())
    if compile_arguments:
        ours.compile(**compile_arguments)
        theirs.compile(**compile_arguments)
    return ours, theirs


def same_history(ours: Any, theirs: Any, tolerance: float = 5e-5) -> None:
    """Asserts that two Histories have the same epochs and logs in the same order."""
    assert list(ours.history) == list(theirs.history)
    assert ours.epoch == theirs.epoch
    for name, values in theirs.history.items():
        np.testing.assert_allclose(ours.history[name], values, rtol=tolerance, atol=tolerance, err_msg=name)


def fit_both(ours: Any, theirs: Any, *data: Any, **arguments: Any) -> tuple[Any, Any]:
    """Fits both, compares histories and weights, and returns the histories."""
    arguments = {"epochs": 2, "batch_size": 16, "shuffle": False, "verbose": 0, **arguments}
    histories = ours.fit(*data, **arguments), theirs.fit(*data, **arguments)
    same_history(*histories)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    return histories
