"""Arguments of compile and fit, in many combinations: the same loss and metrics in each epoch as Keras on torch, the
same weights in the end, the same evaluation and the same predictions."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from tests.helpers.fit_cases import (
    CASES,
    CLASSIFIED,
    REAL,
    SPARSE,
    WEIGHTS,
    Case,
    X,
    Y,
    forever,
    loader,
    numbered,
    plain,
)
from tests.helpers.fit_data_cases import DATA_CASES
from tests.helpers.fit_models import mlp
from tests.helpers.keras_pairs import FEATURES, OURS, SAMPLES, same_history

DEFAULTS: dict[str, Any] = {"epochs": 3, "batch_size": 16, "shuffle": False, "verbose": 0}


ALL = CASES | DATA_CASES


@pytest.mark.filterwarnings("ignore:the data ended after")
# Keras's, on what labkeras has nothing to say about:
@pytest.mark.filterwarnings(
    "ignore:Your input ran out of data",
    "ignore:Gradients do not exist:UserWarning",
    r"ignore:[\s\S]*The structure of `inputs` doesn't match",
)
@pytest.mark.parametrize("name", ALL)
def test_training_is_that_of_keras(name: str) -> None:
    case = ALL[name]
    ours, theirs = compiled_pair(case)
    histories = [
        model.fit(*case.data(package), **{**DEFAULTS, **case.fit(package)})
        for model, package in ((ours, OURS), (theirs, keras))
    ]
    same_history(*histories, tolerance=case.tolerance)
    same_weights(ours, theirs, case.tolerance)
    evaluated = case.data if case.evaluated is None else case.evaluated
    mine, reference = (
        model.evaluate(*evaluated(package), verbose=0, return_dict=True)
        for model, package in ((ours, OURS), (theirs, keras))
    )
    assert list(mine) == list(reference)
    assert mine == pytest.approx(reference, rel=case.tolerance, abs=1e-6)
    x = evaluated(OURS)[0], evaluated(keras)[0]
    same_arrays(ours.predict(x[0], verbose=0), theirs.predict(x[1], verbose=0), case.tolerance)


def compiled_pair(case: Case) -> tuple[Any, Any]:
    """A model of ours and the same one of Keras's, compiled alike."""
    keras.utils.clear_session(free_memory=False)
    ours, theirs = case.model(OURS), case.model(keras)
    ours.set_weights(theirs.get_weights())
    ours.compile(**case.compiled(OURS))
    theirs.compile(**case.compiled(keras))
    return ours, theirs


def same_weights(ours: Any, theirs: Any, tolerance: float = 1e-5) -> None:
    for mine, reference in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, reference, rtol=max(1e-4, tolerance), atol=max(1e-6, tolerance / 10))


def same_arrays(mine: Any, reference: Any, tolerance: float = 1e-5) -> None:
    if isinstance(reference, dict):
        assert list(mine) == list(reference)
        mine, reference = list(mine.values()), list(reference.values())
    if isinstance(reference, list):
        for a, b in zip(mine, reference, strict=True):
            same_arrays(a, b, tolerance)
        return
    assert mine.shape == reference.shape
    np.testing.assert_allclose(mine, reference, rtol=max(1e-4, tolerance), atol=tolerance)


# --- one batch at a time ---

BATCHES = [slice(start, start + 10) for start in range(0, SAMPLES, 10)]


def test_train_on_batch_begins_the_metrics_anew_each_time() -> None:
    ours, theirs = compiled_pair(Case(plain(optimizer="adam", loss=SPARSE, metrics=["accuracy"])))
    for rows in BATCHES:
        mine, reference = (model.train_on_batch(X[rows], Y[rows]) for model in (ours, theirs))
        np.testing.assert_allclose(mine, reference, rtol=1e-5)
    same_weights(ours, theirs)
    np.testing.assert_allclose(ours.test_on_batch(X, Y), theirs.test_on_batch(X, Y), rtol=1e-5)
    same_arrays(ours.predict_on_batch(X), theirs.predict_on_batch(X))


@pytest.mark.parametrize("arguments", [{"sample_weight": WEIGHTS[:10]}, {"class_weight": {0: 3.0, 1: 0.1}}])
def test_train_on_batch_with_weights(arguments: dict[str, Any]) -> None:
    ours, theirs = compiled_pair(Case(plain(optimizer="sgd", loss=SPARSE, weighted_metrics=["accuracy"])))
    for rows in BATCHES:
        mine, reference = (
            model.train_on_batch(X[rows], Y[rows], return_dict=True, **arguments) for model in (ours, theirs)
        )
        assert mine == pytest.approx(reference, rel=1e-5)
    same_weights(ours, theirs)


def test_on_batch_methods_with_several_outputs() -> None:
    ours, theirs = compiled_pair(CASES["two outputs, lists"])
    for rows in BATCHES:
        batch = X[rows], [Y[rows], REAL[rows]]
        np.testing.assert_allclose(ours.train_on_batch(*batch), theirs.train_on_batch(*batch), rtol=1e-5)
        np.testing.assert_allclose(ours.test_on_batch(*batch), theirs.test_on_batch(*batch), rtol=1e-5)
    same_weights(ours, theirs)


def test_fit_evaluate_and_single_batches_in_turns() -> None:
    ours, theirs = compiled_pair(Case(plain(optimizer="adam", loss=SPARSE, metrics=["accuracy"])))
    for _ in range(2):
        same_history(*(model.fit(X, Y, **DEFAULTS) for model in (ours, theirs)), tolerance=1e-5)
        np.testing.assert_allclose(*(model.evaluate(X, Y, verbose=0) for model in (ours, theirs)), rtol=1e-5)
        np.testing.assert_allclose(*(model.train_on_batch(X[:9], Y[:9]) for model in (ours, theirs)), rtol=1e-5)
        for model in (ours, theirs):
            model.reset_metrics()
    same_weights(ours, theirs)


@pytest.mark.parametrize("steps", [2, 3, 99])
def test_steps_per_execution_changes_nothing(steps: int) -> None:
    # Keras on torch has it only as 1.
    ours, theirs = compiled_pair(Case(CLASSIFIED))
    ours.compile("sgd", SPARSE, metrics=["accuracy"], steps_per_execution=steps)
    arguments = {**DEFAULTS, "batch_size": 7, "validation_data": (X, Y)}
    same_history(ours.fit(X, Y, **arguments), theirs.fit(X, Y, **arguments), tolerance=1e-5)
    same_weights(ours, theirs)


@pytest.mark.parametrize("arguments", [{"steps": 2, "batch_size": 9}, {"steps": 3}, {"batch_size": 7}])
def test_evaluate_and_predict_on_some_of_the_data(arguments: dict[str, Any]) -> None:
    ours, theirs = compiled_pair(Case(CLASSIFIED))
    mine, reference = (model.evaluate(X, Y, sample_weight=WEIGHTS, verbose=0, **arguments) for model in (ours, theirs))
    np.testing.assert_allclose(mine, reference, rtol=1e-5)
    same_arrays(*(model.predict(X, verbose=0, **arguments) for model in (ours, theirs)))


@pytest.mark.parametrize(
    "epochs", [{"epochs": 0}, {"epochs": 2, "initial_epoch": 2}, {"epochs": 1, "initial_epoch": 4}]
)
def test_no_epochs_left_trains_nothing(epochs: dict[str, int]) -> None:
    ours, theirs = compiled_pair(Case(CLASSIFIED))
    histories = [model.fit(X, Y, **{**DEFAULTS, **epochs}) for model in (ours, theirs)]
    same_history(*histories)
    assert histories[0].history == {}
    same_weights(ours, theirs)


# --- what both refuse ---

FAULTS: dict[str, Callable[[Any, Any], Any]] = {
    "targets of another length": lambda model, package: model.fit(X, Y[:9]),
    "weights of another length": lambda model, package: model.fit(X, Y, sample_weight=WEIGHTS[:9]),
    "a split that leaves nothing": lambda model, package: model.fit(X[:1], Y[:1], validation_split=0.1),
    "a split of a loader": lambda model, package: model.fit(loader(package), validation_split=0.1),
    "targets beside a loader": lambda model, package: model.fit(loader(package), Y),
    "weights beside a PyDataset": lambda model, package: model.fit(numbered(package), sample_weight=WEIGHTS),
    "targets beside a generator": lambda model, package: model.fit(*forever(package), Y, steps_per_epoch=1),
    "class_weight of several outputs": lambda model, package: model.fit(X, [Y, Y], class_weight={0: 1.0}),
    "class_weight of time steps": lambda model, package: model.fit(X, np.zeros((SAMPLES, 4, 2)), class_weight={0: 1.0}),
    "strings": lambda model, package: model.fit(np.array([["a"] * FEATURES] * SAMPLES), Y),
    "features of another number": lambda model, package: model.fit(X[:, :2], Y),
    "no data": lambda model, package: model.fit(X[:0], Y[:0]),
    "validation_freq of 0": lambda model, package: model.fit(X, Y, validation_data=(X, Y), validation_freq=0),
    "an unknown argument": lambda model, package: model.fit(X, Y, nb_epochs=3),
    "evaluate without targets": lambda model, package: model.evaluate(X, verbose=0),
    "an unknown loss": lambda model, package: (model.compile("sgd", "cross"), model.fit(X, Y)),
    "an unknown optimizer": lambda model, package: model.compile("sdg", SPARSE),
    "two ways of clipping": lambda model, package: package.optimizers.SGD(clipnorm=1.0, clipvalue=1.0),
    "fit before compile": lambda model, package: mlp(package).fit(X, Y),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_keras_refuses_is_refused(fault: str) -> None:
    ours, theirs = compiled_pair(Case(CLASSIFIED))
    for model, package in ((theirs, keras), (ours, OURS)):
        with pytest.raises((ValueError, TypeError, RuntimeError, ArithmeticError, LookupError, AttributeError)):
            FAULTS[fault](model, package)
