"""check_metric finds each fault under the property that it is one of, and sound metrics have all of them."""

import threading
from typing import Any

import pytest
import torch
from torch import Tensor

from labkeras.metrics import Metric
from labkeras.ops.conversion import to_tensor
from labkeras.ops.division import divide_no_nan
from labkeras.testing import METRIC_PROPERTIES, PropertyError, check_metric


class Gap(Metric):
    """The mean of `factor * |y_true - y_pred|`.

    Args:
        factor: the factor.
        name: its name.
        dtype: the data type of its result.
    """

    aggregation = "sum"

    def __init__(self, factor: float = 1.0, name: str = "gap", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.factor = factor
        self.total = self.add_variable((), "zeros", aggregation=self.aggregation, name="total")
        self.count = self.add_variable((), "zeros", aggregation=self.aggregation, name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        gaps = self.factor * (to_tensor(y_true) - to_tensor(y_pred).detach().float()).abs().mean(-1)
        weights = torch.ones_like(gaps) if sample_weight is None else to_tensor(sample_weight)
        self.total.add_((gaps * weights).sum())
        self.count.add_(weights.sum())

    def result(self) -> Tensor:
        return divide_no_nan(self.total, self.count).as_subclass(Tensor)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


class ForgetsAKey(Gap):
    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}


class WritesAnObject(Gap):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": object()}


class WithoutTypes(Gap):
    def result(self):  # type: ignore[no-untyped-def]
        return super().result()


class NotFinite(Gap):
    def result(self) -> Tensor:
        return (self.total / self.count).as_subclass(Tensor)


class PlainNumber(Gap):
    def result(self) -> Any:
        return super().result().item()


class MeanOfMeans(Gap):
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.total.add_((to_tensor(y_true) - to_tensor(y_pred).detach()).abs().mean())
        self.count.add_(1)


class KeepsNumbers(Gap):
    def __init__(self, factor: float = 1.0, name: str = "gap", dtype: Any = None) -> None:
        super().__init__(factor, name, dtype)
        self.sums = [0.0, 0.0]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        gaps = (to_tensor(y_true) - to_tensor(y_pred).detach()).abs().mean(-1)
        self.sums = [self.sums[0] + gaps.sum().item(), self.sums[1] + len(gaps)]

    def result(self) -> Tensor:
        return torch.tensor(self.sums[0] / max(self.sums[1], 1))


class DropsTheWeights(Gap):
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(y_true, y_pred)


class WithALock(Gap):
    def __init__(self, factor: float = 1.0, name: str = "gap", dtype: Any = None) -> None:
        super().__init__(factor, name, dtype)
        self.lock = threading.Lock()


class NeedsTensors(Gap):
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(y_true, y_pred.clone(), sample_weight)


class KeepsTheGraph(Gap):
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(y_true, y_pred, sample_weight)
        self.last = (y_pred * 0).sum()

    def result(self) -> Tensor:
        return super().result() + (self.last if hasattr(self, "last") else 0)


class TypeOfThePredictions(Gap):
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(y_true, y_pred, sample_weight)
        self.seen = to_tensor(y_pred).dtype

    def result(self) -> Tensor:
        return super().result().to(getattr(self, "seen", torch.float32))


class SplitState(Gap):
    aggregation = "none"


FAULTS = [
    ("docstring", ForgetsAKey, "__doc__=None"),
    ("types", WithoutTypes, "none for"),
    ("config", ForgetsAKey, r"the keys \['factor'\] too"),
    ("serialization", WritesAnObject, "object"),
    ("result", NotFinite, "result of a new one. Expected: a finite number"),
    ("result", PlainNumber, r"a tensor of shape \(\) of floats"),
    ("streaming", MeanOfMeans, "result of three batches"),
    ("reset", KeepsNumbers, r"result after reset_state\(\)"),
    ("sample_weight", DropsTheWeights, "result with weights of 0"),
    ("state", KeepsNumbers, "stateless_result"),
    ("copies", WithALock, "TypeError"),
    ("numpy_inputs", NeedsTensors, "AttributeError"),
    ("detached", KeepsTheGraph, "result with a graph"),
    ("dtypes", TypeOfThePredictions, "result for torch.float64 predictions"),
    ("fit", MeanOfMeans, r"'gap' of evaluate\(\)"),
    ("processes", SplitState, "result in process 0, merged"),
]


def all_but(name: str) -> list[str]:
    return [other for other in METRIC_PROPERTIES if other != name]


@pytest.mark.parametrize(("name", "cls", "words"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_fault_is_found_under_its_property(name: str, cls: type[Metric], words: str) -> None:
    with pytest.raises(PropertyError, match=words) as caught:
        check_metric(cls, skip=all_but(name))
    assert caught.value.name == name


def test_each_property_is_shown_to_fail() -> None:
    assert {name for name, _, _ in FAULTS} | {"lightning", "cuda"} == set(METRIC_PROPERTIES)


def test_a_sound_metric_has_them_all() -> None:
    check_metric(Gap, {"factor": 2.0})
