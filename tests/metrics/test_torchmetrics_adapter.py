import subprocess
import sys

import numpy as np
import pytest
import torch
import torchmetrics
from torch.testing import assert_close
from torchmetrics.classification import BinaryF1Score, MulticlassAccuracy, MulticlassF1Score

from labkeras import metrics
from labkeras.errors import SerializationError, UnsupportedArgumentError
from labkeras.metrics.torchmetrics_adapter import TorchMetric


def test_updates_add_up_and_reset() -> None:
    metric = metrics.get(MulticlassF1Score(3))
    reference = MulticlassF1Score(3)
    for _ in range(2):
        y_true, y_pred = torch.randint(0, 3, (8,)), torch.randn(8, 3, requires_grad=True)
        metric.update_state(y_true, y_pred)
        reference.update(y_pred, y_true)
        assert_close(metric.result(), reference.compute())
    metric.reset_state()
    y_true, y_pred = torch.tensor([0, 1]), torch.eye(3)[:2]
    assert_close(metric(y_true, y_pred), MulticlassF1Score(3)(y_pred, y_true))


def test_targets_may_be_arrays_floats_and_have_an_axis_of_one() -> None:
    y_pred = torch.randn(6, 3)
    y_true = np.array([[0.0], [1.0], [2.0], [0.0], [1.0], [2.0]])
    expected = MulticlassAccuracy(3)(y_pred, torch.tensor([0, 1, 2, 0, 1, 2]))
    assert_close(metrics.get(MulticlassAccuracy(3))(y_true, y_pred.numpy()), expected)


def test_a_mask_takes_steps_out() -> None:
    y_true, y_pred = torch.tensor([[0, 1], [1, 0]]), torch.tensor([[0.1, 0.2], [0.9, 0.8]])
    y_pred._keras_mask = torch.tensor([[True, False], [True, False]])
    assert metrics.get(BinaryF1Score())(y_true, y_pred) == 1.0


def test_a_collection_gives_a_result_for_each() -> None:
    collection = torchmetrics.MetricCollection({"a": MulticlassAccuracy(3), "f": MulticlassF1Score(3)})
    result = metrics.get(collection)(torch.tensor([0, 1]), torch.eye(3)[:2])
    assert sorted(result) == ["a", "f"]


def test_its_name_and_direction_are_known() -> None:
    metric = metrics.metric_for(BinaryF1Score(), (8, 1), (8, 1))
    assert (metric.name, metric.direction) == ("binary_f1_score", "up")
    assert TorchMetric(torchmetrics.MeanSquaredError()).direction == "down"


def test_a_class_is_made() -> None:
    assert isinstance(metrics.get(BinaryF1Score), TorchMetric)


def test_its_state_is_within_the_model_that_holds_it() -> None:
    model = torch.nn.ModuleList([metrics.get(BinaryF1Score())])
    assert any(isinstance(module, BinaryF1Score) for module in model.modules())


def test_weights_are_refused() -> None:
    with pytest.raises(UnsupportedArgumentError, match="put it under `metrics`"):
        metrics.get(BinaryF1Score())(torch.ones(2), torch.ones(2), torch.ones(2))


def test_it_cannot_be_saved() -> None:
    with pytest.raises(SerializationError, match="no config to be saved by"):
        metrics.serialize(metrics.get(BinaryF1Score()))


def test_synced_lets_torchmetrics_ask_the_ranks_and_result_does_not() -> None:
    inner = BinaryF1Score()
    metric = TorchMetric(inner)
    metric.update_state(torch.ones(2), torch.ones(2))
    asked = []
    inner.distributed_available_fn = lambda: asked.append(inner._to_sync) or False
    metric.result()
    with metric.synced():
        metric.result()
    assert asked == [False, True]


def test_importing_our_metrics_does_not_import_torchmetrics() -> None:
    code = "import sys, labkeras.metrics.lookup, labkeras.metrics.choice; sys.exit('torchmetrics' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
