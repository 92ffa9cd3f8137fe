from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras import losses, metrics
from labkeras.errors import InvalidArgumentError
from tests.helpers.metrics import check_configs

VALUES = [
    (5.0, None),
    (5.0, 0.3),
    ([1.0, 3.0, 5.0, 7.0], None),
    ([1.0, 3.0, 5.0, 7.0], [1.0, 1.0, 0.0, 0.0]),
    (np.arange(12.0).reshape(4, 3), None),
    (np.arange(12.0).reshape(4, 3), np.array([1.0, 2.0, 0.0, 1.0])),
    (np.arange(12.0).reshape(4, 3), np.arange(4.0)[:, None]),
    (np.arange(12.0).reshape(4, 3), np.arange(12.0).reshape(4, 3)),
    (np.arange(24.0).reshape(4, 3, 2), np.arange(12.0).reshape(4, 3)),
    (np.arange(24.0).reshape(4, 3, 2), 0.5),
    (np.arange(4), np.array([[1.0], [2.0], [0.0], [1.0]])),
    (np.zeros((0, 3)), None),
    (np.array([1, 2]), np.zeros(2)),
]


@pytest.mark.parametrize(("values", "weights"), VALUES)
def test_mean_is_that_of_keras(values: Any, weights: Any) -> None:
    ours, theirs = metrics.Mean(), keras.metrics.Mean()
    for _ in range(2):
        ours.update_state(values, weights)
        theirs.update_state(values, weights)
        assert_close(ours.result(), theirs.result())
    assert [v.item() for v in ours.variables] == pytest.approx([v.value.item() for v in theirs.variables])
    check_configs(ours, theirs)


def test_mean_of_nothing_is_0() -> None:
    assert metrics.Mean().result() == 0.0


def test_values_with_a_graph_leave_no_graph_behind() -> None:
    metric = metrics.Mean()
    values, weights = torch.rand(4, requires_grad=True), torch.rand(4, requires_grad=True)
    for given in (None, weights * 2):
        metric.update_state(values * 2, given)
        assert not metric.total.requires_grad
        assert metric.result().grad_fn is None


def test_weights_that_do_not_fit_are_named() -> None:
    with pytest.raises(InvalidArgumentError, match=r"values of shape \(3,\), weights of shape \(2,\)"):
        metrics.Mean().update_state(torch.zeros(3, 2), torch.ones(2))


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_the_state_has_the_metrics_data_type(dtype: str) -> None:
    ours, theirs = metrics.Mean(dtype=dtype), keras.metrics.Mean(dtype=dtype)
    ours.update_state([0.5, 0.25])
    theirs.update_state([0.5, 0.25])
    assert ours.result().dtype == theirs.variables[0].value.dtype
    assert_close(ours.result(), theirs.result(), check_dtype=False)
    assert ours.get_config() == theirs.get_config()


def scaled_gap(y_true: Any, y_pred: Any, scale: float = 1.0) -> Any:
    return scale * abs(y_true - y_pred)


def test_a_function_is_a_metric_by_its_mean() -> None:
    y_true, y_pred, weights = torch.rand(4, 3), torch.rand(4, 3), torch.rand(4)
    ours = metrics.MeanMetricWrapper(scaled_gap, name="gap", scale=3.0)
    theirs = keras.metrics.MeanMetricWrapper(scaled_gap, name="gap", scale=3.0)
    for given in (None, weights):
        assert_close(ours(y_true, y_pred, given), theirs(y_true, y_pred, given))


def test_a_wrapped_function_is_written_as_keras_writes_it() -> None:
    ours = metrics.MeanMetricWrapper(metrics.binary_crossentropy, name="ce", from_logits=True)
    theirs = keras.metrics.MeanMetricWrapper(keras.losses.binary_crossentropy, name="ce", from_logits=True)
    check_configs(ours, theirs)


def test_a_wrapped_function_of_ones_own_is_found_again_among_custom_objects() -> None:
    config = metrics.serialize(metrics.MeanMetricWrapper(scaled_gap, scale=2.0))
    again = metrics.deserialize(config, custom_objects={"scaled_gap": scaled_gap})
    assert again.get_config() == config["config"] | {"fn": again.get_config()["fn"]}
    assert_close(again(torch.ones(2), torch.zeros(2)), torch.tensor(2.0))


def test_a_loss_is_a_metric_by_its_mean() -> None:
    metric = metrics.MeanMetricWrapper(losses.MeanSquaredError())
    again = metrics.deserialize(metrics.serialize(metric))
    for each in (metric, again):
        each.update_state(torch.zeros(2, 1), torch.ones(2, 1))
        each.update_state(torch.zeros(2, 1), torch.full((2, 1), 3.0))
        assert_close(each.result(), torch.tensor(5.0))


def test_gradients_are_not_followed_into_the_function() -> None:
    seen = []

    def look(y_true: Any, y_pred: Any) -> Any:
        seen.append(y_pred.requires_grad)
        return y_pred

    metrics.MeanMetricWrapper(look).update_state(torch.zeros(2), torch.zeros(2, requires_grad=True))
    assert seen == [False]
