from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras import metrics
from labkeras.errors import InvalidArgumentError
from tests.helpers.metrics import check_metric

each_metric = pytest.mark.parametrize("name", ["Precision", "Recall"])


def batches(*shape: int) -> list[tuple[Any, ...]]:
    def batch(weights: Any) -> tuple[Any, ...]:
        return torch.randint(0, 2, shape), torch.rand(shape), weights

    weights = [None, torch.rand(shape[0]), torch.rand(shape)]
    return [batch(given) for given in (weights if len(shape) == 1 else [*weights, torch.rand(shape[0], 1)])]


@each_metric
@pytest.mark.parametrize(
    "thresholds", [None, 0.3, [0.3], [0.8, 0.1, 0.4], [0.0, 0.5, 1.0], [0.0, 0.25, 0.5, 0.75, 1.0]]
)
@pytest.mark.parametrize("shape", [(8,), (8, 1), (8, 3)])
def test_values_over_batches_are_those_of_keras(shape: tuple[int, ...], thresholds: Any, name: str) -> None:
    check_metric(name, batches(*shape), thresholds=thresholds)


@each_metric
@pytest.mark.parametrize("thresholds", [None, 0.3, [0.1, 0.6]])
@pytest.mark.parametrize(("top_k", "class_id"), [(2, None), (None, 1), (2, 0), (5, 2), (1, None)])
def test_top_k_and_class_id_are_those_of_keras(
    top_k: int | None, class_id: int | None, thresholds: Any, name: str
) -> None:
    cases = [batch for batch in batches(8, 5) if class_id is None or batch[2] is None or batch[2].shape != (8, 5)]
    check_metric(name, cases, thresholds=thresholds, top_k=top_k, class_id=class_id)


@each_metric
def test_predictions_at_a_threshold_are_negative(name: str) -> None:
    y_true, y_pred = np.array([0, 1, 1, 1, 0]), np.array([0.5, 0.5, 1.0, 0.0, 1.0])
    for thresholds in (None, [0.0, 0.5, 1.0], [0.5, 0.6]):
        check_metric(name, [(y_true, y_pred)], thresholds=thresholds)


@each_metric
def test_a_missing_axis_is_made_up_as_in_keras(name: str) -> None:
    y_true, y_pred = torch.randint(0, 2, (8,)), torch.rand(8, 1)
    check_metric(name, [(y_true, y_pred), (y_true, y_pred, torch.rand(8)), (y_true, y_pred, torch.rand(8, 1))])


@each_metric
def test_weights_of_the_first_axis_reach_all_behind_it(name: str) -> None:
    y_true, y_pred, weights = torch.randint(0, 2, (4, 3, 2)), torch.rand(4, 3, 2), torch.rand(4)
    ours = getattr(metrics, name)()(y_true, y_pred, weights)
    theirs = getattr(keras.metrics, name)()
    theirs.update_state(y_true, y_pred, weights[:, None].expand(4, 3))
    assert_close(ours, theirs.result())


@each_metric
def test_tuples_of_thresholds_are_as_good_as_lists(name: str) -> None:
    assert getattr(metrics, name)(thresholds=(0.2, 0.4)).thresholds == [0.2, 0.4]


@each_metric
def test_several_thresholds_give_several_results(name: str) -> None:
    assert getattr(metrics, name)(thresholds=[0.2, 0.4])(torch.ones(3), torch.rand(3)).shape == (2,)


@each_metric
@pytest.mark.parametrize("thresholds", [1.5, [0.2, -0.1], [], [None]])
def test_a_threshold_out_of_range_is_named(name: str, thresholds: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"in \[0, 1\]. Received: thresholds="):
        getattr(metrics, name)(thresholds=thresholds)


@each_metric
def test_wrong_shapes_and_classes_are_named(name: str) -> None:
    cls = getattr(metrics, name)
    with pytest.raises(InvalidArgumentError, match=r"y_true of shape \(3,\), y_pred of shape \(3, 2\)"):
        cls()(torch.zeros(3), torch.rand(3, 2))
    with pytest.raises(InvalidArgumentError, match=r"class_id=2, predictions of shape \(3, 2\)"):
        cls(class_id=2)(torch.zeros(3, 2), torch.rand(3, 2))
    with pytest.raises(InvalidArgumentError, match=r"class_id=0, predictions of shape \(3,\)"):
        cls(class_id=0)(torch.zeros(3), torch.rand(3))
    with pytest.raises(InvalidArgumentError, match=r"`top_k` must be in \[1, 2\].*top_k=3"):
        cls(top_k=3)(torch.zeros(3, 2), torch.rand(3, 2))


@each_metric
def test_a_nan_prediction_is_never_positive(name: str) -> None:
    y_pred = torch.tensor([float("nan"), 0.9])
    for thresholds in (None, [0.4, 0.5]):
        metric = getattr(metrics, name)(thresholds=thresholds)
        metric.update_state(torch.ones(2), y_pred)
        assert metric.true_positives.unique().tolist() == [1.0]
