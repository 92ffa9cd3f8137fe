"""The metrics: against torchmetrics, scikit-learn and their formulas."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss
from torch import Tensor
from torch.testing import assert_close
from torchmetrics.classification import BinaryCalibrationError, MulticlassCalibrationError

from labkeras import metrics
from labkeras.errors import InvalidArgumentError
from labkeras.testing import check_metric, run_ranks
from labkeras_calibration.bins import Bins, grouped
from labkeras_calibration.brier_score import BrierScore
from labkeras_calibration.expected_calibration_error import ExpectedCalibrationError


@pytest.fixture
def logits() -> Tensor:
    return 3 * torch.randn(200, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels(logits: Tensor) -> Tensor:
    return torch.multinomial((logits / 2).softmax(-1), 1, generator=torch.Generator().manual_seed(1)).squeeze(-1)


@pytest.mark.parametrize("cls", [ExpectedCalibrationError, BrierScore])
def test_it_is_what_every_metric_is(cls: Any) -> None:
    check_metric(cls, {})


# --- expected calibration error ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
@pytest.mark.parametrize("bins", [1, 10, 15])
def test_of_several_classes_it_is_that_of_torchmetrics(logits: Tensor, labels: Tensor, bins: int, norm: Any) -> None:
    metric = ExpectedCalibrationError(bins=bins, norm=norm, from_logits=True)
    theirs = MulticlassCalibrationError(num_classes=5, n_bins=bins, norm=norm)
    for part in range(4):
        rows = slice(50 * part, 50 * part + 50)
        metric.update_state(labels[rows], logits[rows])
        theirs.update(logits[rows].softmax(-1), labels[rows])
    assert_close(metric.result(), theirs.compute())


@pytest.mark.parametrize("shape", [(200,), (200, 1)])
def test_of_yes_and_no_it_is_that_of_torchmetrics(shape: Any, logits: Tensor) -> None:
    scores, truth = logits[:, 0], (logits[:, 1] > 0).long()
    metric = ExpectedCalibrationError(from_logits=True)
    metric.update_state(truth.reshape(shape), scores.reshape(shape))
    assert_close(metric.result(), BinaryCalibrationError(n_bins=15)(scores.sigmoid(), truth))


def test_labels_may_be_numbers_columns_or_one_hot(logits: Tensor, labels: Tensor) -> None:
    found = [
        ExpectedCalibrationError()(truth, logits.softmax(-1))
        for truth in (labels, labels.unsqueeze(-1), torch.nn.functional.one_hot(labels, 5), labels.float())
    ]
    for other in found[1:]:
        assert_close(found[0], other)


def test_a_weight_is_as_many_samples(logits: Tensor, labels: Tensor) -> None:
    weights = torch.arange(200) % 3
    weighed, repeated = ExpectedCalibrationError(from_logits=True), ExpectedCalibrationError(from_logits=True)
    weighed.update_state(labels, logits, sample_weight=weights)
    repeated.update_state(labels.repeat_interleave(weights), logits.repeat_interleave(weights, 0))
    assert_close(weighed.result(), repeated.result())


def test_an_axis_of_time_counts_each_step(logits: Tensor, labels: Tensor) -> None:
    metric = ExpectedCalibrationError(from_logits=True)
    assert_close(
        ExpectedCalibrationError(from_logits=True)(labels.reshape(20, 10), logits.reshape(20, 10, 5)),
        metric(labels, logits),
    )


def test_certain_predictions_are_in_the_last_bin_as_in_the_paper() -> None:
    metric = ExpectedCalibrationError(bins=2)
    metric.update_state([0, 0, 0], [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    assert metric.binned().weight.tolist() == [1.0, 2.0]
    assert metric.result().item() == pytest.approx((2 * 0.5 + 0.5) / 3)


def test_bins_of_equal_mass_hold_equally_many(logits: Tensor, labels: Tensor) -> None:
    metric = ExpectedCalibrationError(bins=10, binning="equal_mass", from_logits=True)
    for rows in (slice(0, 120), slice(120, 200)):
        metric.update_state(labels[rows], logits[rows])
    assert metric.binned().weight.tolist() == [20.0] * 10
    order = logits.softmax(-1).max(-1).values.argsort()
    confidence, right = logits.softmax(-1).max(-1).values[order], (logits.argmax(-1) == labels).float()[order]
    gaps = (confidence.reshape(10, 20).mean(1) - right.reshape(10, 20).mean(1)).abs()
    assert_close(metric.result(), gaps.mean())


def test_a_cell_is_not_split() -> None:
    cells = Bins(torch.tensor([1.0, 8.0, 1.0]), torch.tensor([0.1, 4.0, 0.9]), torch.tensor([0.0, 4.0, 1.0]))
    assert sorted(grouped(cells, 5).weight.tolist()) == [0.0, 0.0, 1.0, 1.0, 8.0]
    assert torch.equal(grouped(cells, 5).weight.sum(), cells.weight.sum())


def test_without_samples_it_is_0() -> None:
    assert ExpectedCalibrationError().result().item() == 0.0


def test_processes_together_have_that_of_all_samples(logits: Tensor, labels: Tensor) -> None:
    def run() -> float:
        torch.distributed.init_process_group("gloo")
        rank = torch.distributed.get_rank()
        metric = ExpectedCalibrationError(from_logits=True)
        metric.update_state(labels[100 * rank : 100 * rank + 100], logits[100 * rank : 100 * rank + 100])
        with metric.synced():
            found = float(metric.result())
        torch.distributed.destroy_process_group()
        return found

    whole = float(ExpectedCalibrationError(from_logits=True)(labels, logits))
    assert run_ranks(run) == [pytest.approx(whole, rel=1e-5)] * 2


@pytest.mark.parametrize(("name", "value"), [("bins", 0), ("bins", 2.5), ("norm", "l3"), ("binning", "odd")])
def test_it_names_the_bad_argument(name: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"`{name}` must be .*Received: {name}={value!r}"):
        ExpectedCalibrationError(**{name: value})


def test_it_names_shapes_that_do_not_fit() -> None:
    with pytest.raises(InvalidArgumentError, match=r"a 0 or a 1 for each prediction.*y_true\.shape=\(2,\)"):
        ExpectedCalibrationError()([0, 1], [0.5, 0.5, 0.5])


# --- Brier score ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, np.linspace(0, 1, 200)])
def test_brier_of_several_classes_is_that_of_scikit_learn(logits: Tensor, labels: Tensor, weights: Any) -> None:
    metric = BrierScore()
    metric.update_state(labels, logits.softmax(-1), sample_weight=weights)
    wanted = brier_score_loss(labels, logits.double().softmax(-1), sample_weight=weights, scale_by_half=False)
    assert metric.result().item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("shape", [(200,), (200, 1)])
def test_brier_of_yes_and_no_is_that_of_scikit_learn(shape: Any, logits: Tensor) -> None:
    scores, truth = logits[:, 0], (logits[:, 1] > 0).long()
    found = BrierScore(from_logits=True)(truth.reshape(shape), scores.reshape(shape))
    assert found.item() == pytest.approx(brier_score_loss(truth, scores.sigmoid()), rel=1e-5)


def test_brier_takes_labels_of_every_form(logits: Tensor, labels: Tensor) -> None:
    found = [
        BrierScore(from_logits=True)(truth, logits)
        for truth in (labels, labels.unsqueeze(-1), torch.nn.functional.one_hot(labels, 5))
    ]
    assert_close(found[0], found[1])
    assert_close(found[0], found[2])


@pytest.mark.parametrize("name", ["brier_score", "expected_calibration_error"])
def test_the_name_is_enough(name: str) -> None:
    assert metrics.get(name).name == name
    assert metrics.get(name).direction == "down"
