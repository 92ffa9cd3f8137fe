import copy
import pickle
from typing import Any

import keras
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from labkeras import metrics
from labkeras.errors import InvalidArgumentError, UnsupportedArgumentError
from labkeras.metrics import Metric
from labkeras.variable import Variable


class Largest(Metric):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.largest = self.add_variable((2,), "ones", name="best", aggregation="none")
        self.batches = self.add_weight(name="batches", dtype="int64")

    def update_state(self, y_true: Any, y_pred: Tensor, sample_weight: Any = None) -> None:
        self.largest.assign(torch.maximum(self.largest, y_pred.amax(0)))
        self.batches.assign_add(1)

    def result(self) -> dict[str, Tensor]:
        return {"largest": self.largest, "batches": self.batches}


class Both(Metric):
    def __init__(self) -> None:
        super().__init__()
        self.count = self.add_weight(name="count")
        self.inner = metrics.Mean()
        self.more = [metrics.Mean(), metrics.Mean()]

    def update_state(self, values: Any) -> None:
        for metric in (self.inner, *self.more):
            metric.update_state(values)
        self.count.assign_add(1.0)

    def result(self) -> Tensor:
        return self.inner.result() + self.more[0].result() + self.more[1].result()


def test_a_metric_of_ones_own_keeps_state_over_batches() -> None:
    metric = Largest()
    metric.update_state(None, torch.tensor([[3.0, 0.0], [2.0, 4.0]]))
    result = metric(None, torch.tensor([[9.0, 0.0]]))
    assert result["largest"].tolist() == [9.0, 4.0]
    assert result["batches"] == 2


def test_variables_come_in_the_order_in_which_they_were_made() -> None:
    metric = Largest(name="a/b")
    assert [variable.path for variable in metric.variables] == ["a>b/best", "a>b/batches"]
    assert all(isinstance(variable, Variable) and not variable.trainable for variable in metric.variables)


def test_state_is_no_parameter_and_is_not_saved_with_a_model() -> None:
    model = torch.nn.Sequential()
    model.metric = metrics.Mean()
    assert list(model.parameters()) == []
    assert model.state_dict() == {}
    assert sorted(dict(model.named_buffers())) == ["metric.count", "metric.total"]


def test_state_moves_with_the_model_and_stays_a_variable() -> None:
    model = torch.nn.Sequential()
    model.metric = metric = metrics.Mean()
    model.to("meta")
    assert metric.total.device.type == "meta"
    assert isinstance(metric.total, Variable)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_state_keeps_its_type_when_the_model_is_cast(dtype: torch.dtype) -> None:
    metric = metrics.Mean()
    metric.update_state(torch.full((1000,), 1.0))
    torch.nn.ModuleList([metric]).to(dtype)
    metric.update_state(torch.ones(1))
    assert metric.count.dtype == torch.float32
    assert metric.count == 1001.0


def test_metrics_within_a_metric_are_part_of_it() -> None:
    metric = Both()
    assert [variable.name for variable in metric.variables] == ["count", *["total", "count"] * 3]
    assert_close(metric([1.0, 3.0]), torch.tensor(6.0))
    metric.reset_state()
    assert [variable.item() for variable in metric.variables] == [0.0] * 7


def test_reset_makes_zeros_as_in_keras() -> None:
    metric = Largest()
    metric.reset_state()
    assert metric.largest.tolist() == [0.0, 0.0]


def test_the_stateless_methods_leave_the_state_alone() -> None:
    metric = Both()
    before = metric.stateless_reset_state()
    after = metric.stateless_update_state(before, [1.0, 3.0])
    assert_close(metric.stateless_result(after), torch.tensor(6.0))
    assert [value.item() for value in before] == [variable.item() for variable in metric.variables] == [0.0] * 7
    assert [type(value) for value in after] == [Tensor] * 7


def test_the_stateless_methods_want_a_value_for_each_variable() -> None:
    with pytest.raises(InvalidArgumentError, match=r"each of the 2 variables of Mean\. Received: 1 values"):
        metrics.Mean().stateless_result([1.0])


def test_state_in_a_list_counts_but_is_not_for_the_stateless_methods() -> None:
    class Listed(Metric):
        def __init__(self) -> None:
            super().__init__()
            self.parts = [self.add_weight(name="part"), self.add_weight(name="part")]

        def update_state(self, value: float) -> None:
            for part in self.parts:
                part.assign_add(value)

    metric = Listed()
    metric.update_state(2.0)
    assert [variable.item() for variable in metric.variables] == [2.0, 2.0]
    with pytest.raises(UnsupportedArgumentError, match=r"in an attribute of its own. Received: \['part', 'part_1'\]"):
        metric.stateless_reset_state()


def test_copies_and_pickles_have_a_state_of_their_own() -> None:
    metric = metrics.Mean()
    metric.update_state([1.0, 2.0])
    for again in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        again.update_state([9.0])
        assert_close(again.result(), torch.tensor(4.0))
    assert_close(metric.result(), torch.tensor(1.5))


def test_names_are_counted_as_in_keras() -> None:
    assert [Largest().name, Largest().name, metrics.AUC().name] == ["largest", "largest_1", "auc"]
    assert str(metrics.Mean(name="m")) == str(keras.metrics.Mean(name="m"))


def test_forgotten_super_is_told() -> None:
    class Hasty(Metric):
        def __init__(self) -> None:
            self.add_weight()

    with pytest.raises(InvalidArgumentError, match=r"`super\(\).__init__\(\)` must come first in `Hasty.__init__`"):
        Hasty()


def test_an_unknown_aggregation_is_named() -> None:
    with pytest.raises(InvalidArgumentError, match="Received: aggregation='max'"):
        Metric().add_variable((), "zeros", aggregation="max")


def test_a_metric_without_methods_says_so() -> None:
    for use in (Metric().update_state, Metric().result):
        with pytest.raises(NotImplementedError, match="Metric must have a method"):
            use()


@pytest.mark.parametrize(("name", "direction"), [("AUC", "up"), ("Recall", "up"), ("MeanSquaredError", "down")])
def test_which_way_is_better_is_known_as_in_keras(name: str, direction: str) -> None:
    assert getattr(metrics, name)().direction == direction == getattr(keras.metrics, name)()._direction
    assert metrics.Mean().direction is None


def test_state_made_in_inference_mode_can_be_written_to_outside() -> None:
    with torch.inference_mode():
        metric = metrics.Mean()
        metric.update_state(torch.ones(2))
    metric.update_state(torch.ones(2))
    assert metric.count == 4.0


UPDATES = {
    "Mean": lambda m: m.update_state(torch.rand(4)),
    "SparseCategoricalAccuracy": lambda m: m.update_state(torch.zeros(4), torch.rand(4, 3)),
    "Precision": lambda m: m.update_state(torch.zeros(4), torch.rand(4)),
    "AUC": lambda m: m.update_state(torch.zeros(4), torch.rand(4)),
}


@pytest.mark.parametrize("name", UPDATES)
def test_updates_read_nothing_from_the_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = getattr(metrics, name)()
    for reader in ("item", "tolist", "__bool__", "__float__", "__int__", "cpu"):
        monkeypatch.setattr(Tensor, reader, None)
    UPDATES[name](metric)


def test_updates_run_under_vmap_for_many_metrics_at_once() -> None:
    metric, values = metrics.Mean(), torch.rand(5, 4)
    fresh = [torch.zeros(5), torch.zeros(5)]
    states = torch.vmap(metric.stateless_update_state)(fresh, values)
    assert_close(states[0], values.sum(1))
    assert_close(states[1], torch.full((5,), 4.0))
