from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras import metrics
from labkeras.errors import InvalidArgumentError
from tests.helpers.metrics import check_metric

CURVES = ["ROC", "PR", "PRGAIN"]
METHODS = ["interpolation", "minoring", "majoring"]
each_curve = pytest.mark.parametrize("curve", CURVES)
each_method = pytest.mark.parametrize("summation_method", METHODS)


def batches(*shape: int) -> list[tuple[Any, ...]]:
    def batch(weights: Any) -> tuple[Any, ...]:
        y_true = torch.randint(0, 2, shape)
        return y_true, ((y_true + torch.randn(shape)) / 3).sigmoid(), weights

    return [batch(None), batch(torch.rand(shape[0])), batch(torch.rand(shape))]


@each_curve
@each_method
@pytest.mark.parametrize("shape", [(30,), (30, 1), (30, 3)])
def test_areas_are_those_of_keras(shape: tuple[int, ...], summation_method: str, curve: str) -> None:
    check_metric("AUC", batches(*shape), curve=curve, summation_method=summation_method)


@each_curve
@each_method
@pytest.mark.parametrize("thresholds", [[0.5], [0.25, 0.5, 0.75], [0.9, 0.1, 0.33]])
def test_own_thresholds_are_those_of_keras(thresholds: list[float], summation_method: str, curve: str) -> None:
    check_metric("AUC", batches(30), curve=curve, summation_method=summation_method, thresholds=thresholds)


@each_curve
@each_method
@pytest.mark.parametrize("thresholds", [None, [0.2, 0.7]])
@pytest.mark.parametrize("num_labels", [None, 3])
def test_labels_each_for_themselves_are_those_of_keras(
    num_labels: int | None, thresholds: Any, summation_method: str, curve: str
) -> None:
    arguments = {"name": "a", "curve": curve, "summation_method": summation_method, "thresholds": thresholds}
    ours = metrics.AUC(multi_label=True, num_labels=num_labels, **arguments)
    theirs = keras.metrics.AUC(multi_label=True, num_labels=num_labels, **arguments)
    for batch in batches(30, 3):
        ours.update_state(*batch)
        theirs.update_state(*batch)
        assert_close(ours.result(), theirs.result())
    assert ours.get_config() == theirs.get_config()


@each_curve
@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("thresholds", [None, [0.2, 0.7]])
def test_label_weights_are_those_of_keras(thresholds: Any, multi_label: bool, curve: str) -> None:
    arguments = {"curve": curve, "multi_label": multi_label, "thresholds": thresholds, "label_weights": [0.2, 1.0, 3.0]}
    ours, theirs = metrics.AUC(**arguments), keras.metrics.AUC(**arguments)
    for batch in batches(30, 3):
        ours.update_state(*batch)
        theirs.update_state(*batch)
        assert_close(ours.result(), theirs.result())


def test_label_weights_survive_a_config_and_are_read_from_that_of_keras() -> None:
    ours = metrics.AUC(name="a", label_weights=[0.5, 1.0])
    assert ours.get_config()["label_weights"] == [0.5, 1.0]
    again = metrics.deserialize(metrics.serialize(ours))
    from_keras = metrics.deserialize(keras.metrics.serialize(keras.metrics.AUC(name="a", label_weights=[0.5, 1.0])))
    for metric in (again, from_keras):
        assert metric.get_config() == ours.get_config()
    assert keras.metrics.deserialize(metrics.serialize(ours)).label_weights.tolist() == [0.5, 1.0]


@each_curve
def test_logits_are_taken(curve: str) -> None:
    check_metric("AUC", [(torch.randint(0, 2, (30,)), torch.randn(30))], curve=curve, from_logits=True)


@pytest.mark.parametrize("num_thresholds", [2, 3, 50])
def test_the_number_of_thresholds_is_free(num_thresholds: int) -> None:
    check_metric("AUC", batches(30), num_thresholds=num_thresholds)
    expected = keras.metrics.AUC(num_thresholds=num_thresholds).thresholds
    assert metrics.AUC(num_thresholds=num_thresholds).thresholds == pytest.approx(expected)


def test_predictions_of_0_and_1_and_at_thresholds_count_as_in_keras() -> None:
    y_pred = torch.arange(0, 11) / 10
    for y_true in (torch.arange(11) % 2, (torch.arange(11) > 4).int(), torch.zeros(11), torch.ones(11)):
        for num_thresholds in (3, 6, 11, 200):
            check_metric("AUC", [(y_true, y_pred)], num_thresholds=num_thresholds)


@each_curve
@each_method
def test_without_batches_it_is_what_it_is_in_keras(summation_method: str, curve: str) -> None:
    arguments = {"curve": curve, "summation_method": summation_method}
    assert_close(metrics.AUC(**arguments).result(), keras.metrics.AUC(**arguments).result())
    assert metrics.AUC(multi_label=True, **arguments).result() == 0.0


def test_names_of_curves_and_methods_may_be_written_small_as_in_keras() -> None:
    metric = metrics.AUC(curve="pr", summation_method="Majoring")
    assert (metric.curve, metric.summation_method) == ("PR", "majoring")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"curve": "pra"}, "`curve` must be one of"),
        ({"summation_method": "left"}, "`summation_method` must be one of"),
        ({"num_thresholds": 1}, "`num_thresholds` must be an integer above 1"),
        ({"num_labels": 3}, "`num_labels` is for `multi_label=True` only"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        metrics.AUC(**arguments)


def test_multi_label_needs_two_axes() -> None:
    with pytest.raises(InvalidArgumentError, match=r"y_pred of shape \(3,\)"):
        metrics.AUC(multi_label=True).update_state(torch.ones(3), torch.rand(3))


def test_state_that_a_first_batch_in_inference_mode_made_can_be_trained_on() -> None:
    metric = metrics.AUC(multi_label=True)
    batch = batches(8, 3)[0]
    with torch.inference_mode():
        metric.update_state(*batch)
    metric.update_state(*batch)
    metric.reset_state()
    assert metric.result() == metrics.AUC(multi_label=True, num_labels=3).result()


def test_a_nan_prediction_does_no_harm() -> None:
    metric = metrics.AUC()
    metric.update_state(np.array([0, 1, 1]), np.array([0.1, 0.9, np.nan]))
    assert metric.result().isfinite()
