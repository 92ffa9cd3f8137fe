"""check_loss finds each fault under the property that it is one of, and sound losses have all of them."""

import threading
from typing import Any

import pytest
import torch
from torch import Tensor

from labkeras.losses import Loss
from labkeras.testing import LOSS_PROPERTIES, PropertyError, check_loss


class Power(Loss):
    """The mean of `|y_true - y_pred| ** exponent`.

    Args:
        exponent: the exponent.
        name: its name.
        reduction: what becomes of the samples' losses.
        dtype: the data type that is computed in.
    """

    def __init__(
        self, exponent: float = 2.0, name: str = "power", reduction: str = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.exponent = exponent

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return ((y_true - y_pred).abs() ** self.exponent).mean(-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "exponent": self.exponent}


class ForgetsAKey(Power):
    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "reduction": self.reduction}


class WritesAnObject(Power):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "exponent": object()}


class WithoutTypes(Power):
    def call(self, y_true, y_pred):  # type: ignore[no-untyped-def]
        return (y_true - y_pred) ** 2


class Reduced(Power):
    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return super().call(y_true, y_pred).mean()


class NotFinite(Power):
    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return -(y_true * y_true.log() * y_pred).mean(-1)


class OverTheBatch(Power):
    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return super().call(y_true, y_pred.softmax(0))


class DropsTheReduction(Power):
    def __init__(self, exponent: float = 2.0, name: str = "power", reduction: str = "sum", dtype: Any = None) -> None:
        super().__init__(exponent, name, "none" if reduction == "none" else "sum_over_batch_size", dtype)


class DropsTheWeights(Power):
    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        return super().__call__(y_true, y_pred)


class DropsTheMask(Power):
    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        return super().__call__(y_true, y_pred + 0, sample_weight)


class NeedsTensors(Power):
    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        return super().__call__(y_true.clone(), y_pred, sample_weight)


class WithALock(Power):
    def __init__(self, exponent: float = 2.0, name: str = "power", reduction: str = "sum", dtype: Any = None) -> None:
        super().__init__(exponent, name, reduction, dtype)
        self.lock = threading.Lock()


class Detached(Power):
    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return super().call(y_true, y_pred.detach() * 2 - y_pred)


class DropsTheType(Power):
    def __init__(self, exponent: float = 2.0, name: str = "power", reduction: str = "sum", dtype: Any = None) -> None:
        super().__init__(exponent, name, reduction)


class FixedTypes(Power):
    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        values = y_pred.new_zeros(len(y_pred))
        rows = torch.arange(len(y_pred))
        values[rows] = ((y_true - y_pred) @ torch.ones(y_pred.shape[-1], 1))[:, 0]
        return values


class Branching(Power):
    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        values = super().call(y_true, y_pred)
        return values if float(values.detach().sum()) < 1e9 else -values


class Uphill(Power):
    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        values = super().call(y_true, y_pred)
        return 2 * values.detach() - values


FAULTS = [
    ("docstring", ForgetsAKey, "__doc__=None"),
    ("types", WithoutTypes, "none for"),
    ("config", ForgetsAKey, r"the keys \['exponent'\] too"),
    ("serialization", WritesAnObject, "object"),
    ("values", Reduced, r"Expected: 6 rows. Received: \(\)"),
    ("values", NotFinite, "finite numbers"),
    ("rows_are_independent", OverTheBatch, "value of row 0 alone"),
    ("reductions", DropsTheReduction, "the loss with reduction='sum'"),
    ("sample_weight", DropsTheWeights, "values with weights"),
    ("masks", DropsTheMask, "mean with a mask"),
    ("numpy_inputs", NeedsTensors, "AttributeError"),
    ("copies", WithALock, "TypeError"),
    ("gradients", Detached, "GradcheckError"),
    ("dtypes", DropsTheType, "dtype='float64'. Expected: float64"),
    ("autocast", FixedTypes, "RuntimeError"),
    ("meta", Branching, "RuntimeError|NotImplementedError"),
    ("compile", Branching, "Error|Unsupported"),
    ("vmap", Branching, "RuntimeError"),
    ("fit", Uphill, "the loss after 30 steps"),
    ("processes", OverTheBatch, "weights after two epochs"),
]


def all_but(name: str) -> list[str]:
    return [other for other in LOSS_PROPERTIES if other != name]


@pytest.mark.parametrize(("name", "cls", "words"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_fault_is_found_under_its_property(name: str, cls: type[Loss], words: str) -> None:
    with pytest.raises(PropertyError, match=words) as caught:
        check_loss(cls, skip=all_but(name))
    assert caught.value.name == name


def test_each_property_is_shown_to_fail() -> None:
    assert {name for name, _, _ in FAULTS} | {"lightning", "cuda"} == set(LOSS_PROPERTIES)


def test_a_sound_loss_has_them_all() -> None:
    check_loss(Power, {"exponent": 3.0})
