from typing import Any

import keras
import pytest

from labkeras import metrics
from labkeras.errors import InvalidArgumentError, InvalidTypeError, SerializationError, UnknownComponentError


@pytest.mark.parametrize(
    "name", ["mse", "MSE", "mae", "MAE", "bce", "BCE", "accuracy", "auc", "AUC", "precision", "binary_accuracy", "mean"]
)
def test_names_give_instances_of_keras_classes(name: str) -> None:
    keras.utils.clear_session()  # its counters of names
    metric, reference = metrics.get(name), keras.metrics.get(name)
    assert type(metric).__name__ == type(reference).__name__
    assert metric.name == reference.name


def test_what_is_a_metric_already_comes_back() -> None:
    metric = metrics.AUC()
    assert metrics.get(metric) is metric
    assert metrics.get(metrics.binary_accuracy) is metrics.binary_accuracy
    assert metrics.get(None) is None


def test_a_class_is_made_and_a_config_is_read() -> None:
    assert isinstance(metrics.get(metrics.Recall), metrics.Recall)
    assert metrics.get({"class_name": "Recall", "config": {"top_k": 3}}).top_k == 3


@pytest.mark.parametrize("name", ["binary_accuracy", "mean_squared_error", "categorical_crossentropy"])
def test_functions_are_written_as_keras_writes_them_and_read_back(name: str) -> None:
    config = keras.metrics.serialize(getattr(keras.metrics, name))
    assert metrics.serialize(getattr(metrics, name)) == config
    assert metrics.deserialize(config) is getattr(metrics, name)


def test_a_misspelt_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownComponentError, match=r"no metric is named 'acuracy'. Did you mean 'accuracy'"):
        metrics.get("acuracy")


@pytest.mark.parametrize("identifier", [5, ["mse"]])
def test_anything_else_is_refused(identifier: Any) -> None:
    with pytest.raises(InvalidTypeError, match=r"`Metric` or a function.*Received: "):
        metrics.get(identifier)


def test_a_class_that_needs_arguments_says_so() -> None:
    with pytest.raises(InvalidArgumentError, match="needs arguments"):
        metrics.get("MeanMetricWrapper")


def test_a_config_of_another_kind_is_refused() -> None:
    with pytest.raises(SerializationError, match="where a metric belongs"):
        metrics.deserialize({"module": "keras.losses", "class_name": "MeanSquaredError", "config": {}})
