from typing import Any

import keras
import pytest
import torch
from keras.src.trainers.compile_utils import get_metric

from labkeras import metrics
from labkeras.errors import InvalidArgumentError, UnknownComponentError

SHAPES = [
    ((8, 1), (8, 1)),
    ((8,), (8, 1)),
    ((8,), (8, 10)),
    ((8, 1), (8, 10)),
    ((8, 10), (8, 10)),
    ((8, 5), (8, 5, 10)),
    ((8, 5, 1), (8, 5, 10)),
    ((8, 5, 10), (8, 5, 10)),
    ((8, 5, 1), (8, 5, 1)),
]


@pytest.mark.parametrize("name", ["accuracy", "acc", "Accuracy", "ACC"])
@pytest.mark.parametrize(("y_true", "y_pred"), SHAPES)
def test_accuracy_chooses_as_keras_does(y_true: tuple[int, ...], y_pred: tuple[int, ...], name: str) -> None:
    metric = metrics.metric_for(name, y_true, y_pred)
    reference = get_metric(name, torch.zeros(y_true), torch.zeros(y_pred))
    assert (type(metric).__name__, metric.name) == (type(reference).__name__, reference.name)


def my_metric(y_true: Any, y_pred: Any) -> Any:
    return abs(y_true - y_pred)


class MyMetric:
    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        return abs(y_true - y_pred)


@pytest.mark.parametrize("identifier", ["mse", "MSE", "AUC", "auc", my_metric, MyMetric()])
def test_a_metric_bears_the_name_that_it_bears_in_keras(identifier: Any) -> None:
    keras.utils.clear_session()  # its counters of names
    metric = metrics.metric_for(identifier, (8, 1), (8, 1))
    reference = get_metric(identifier, torch.zeros(8, 1), torch.zeros(8, 1))
    assert (type(metric).__name__, metric.name) == (type(reference).__name__, reference.name)


def test_an_instance_stays_itself_and_keeps_its_name() -> None:
    metric = metrics.AUC(name="mine")
    assert metrics.metric_for(metric, (8, 1), (8, 1)) is metric
    assert metric.name == "mine"


def test_unknown_sizes_are_taken() -> None:
    assert isinstance(metrics.resolve_accuracy("acc", (None,), (None, None)), metrics.SparseCategoricalAccuracy)


def test_none_and_misspelt_names_are_reported() -> None:
    with pytest.raises(InvalidArgumentError, match="Received: None"):
        metrics.metric_for(None, (8, 1), (8, 1))
    with pytest.raises(UnknownComponentError, match="'acuracy'"):
        metrics.metric_for("acuracy", (8, 1), (8, 1))
