"""check_optimizer finds each fault under the property that it is one of, and sound optimizers have all of them."""

from typing import Any

import pytest
import torch
from torch import Tensor

from labkeras.optimizers import Optimizer
from labkeras.testing import OPTIMIZER_PROPERTIES, PropertyError, check_optimizer


class Heavy(Optimizer):
    """Descent with a mean of the gradients: `m = momentum * m + g; w -= learning_rate * m`.

    Args:
        learning_rate: the learning rate.
        momentum: the part of the old mean in the new one.
        base: what every optimizer takes.
    """

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.5, **base: Any) -> None:
        super().__init__(learning_rate, **base)
        self.momentum = momentum

    def add_slots(self, variables: list[Tensor]) -> None:
        super().add_slots(variables)
        self.add_optimizer_variables(variables, "mean")

    def update(self, params: list[Tensor], grads: list[Tensor], slots: list[dict[str, Tensor]], rate: Any) -> None:
        means = [slot["mean"] for slot in slots]
        torch._foreach_mul_(means, self.momentum)
        torch._foreach_add_(means, grads)
        torch._foreach_add_(params, means, alpha=-rate)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum}


class ForgetsAKey(Heavy):
    def get_config(self) -> dict[str, Any]:
        return Optimizer.get_config(self)


class WritesAnObject(Heavy):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": object()}


class WithoutTypes(Heavy):
    def update(self, params, grads, slots, rate):  # type: ignore[no-untyped-def]
        return super().update(params, grads, slots, rate)


class Uphill(Heavy):
    def update(self, params: list[Tensor], grads: list[Tensor], slots: list[dict[str, Tensor]], rate: Any) -> None:
        super().update(params, grads, slots, -rate)


class LosesTheLoss(Heavy):
    def step(self, closure: Any = None) -> Any:
        super().step(closure)


class MovesAll(Heavy):
    def step(self, closure: Any = None) -> Any:
        loss = super().step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                torch._foreach_mul_(group["params"], 0.999)
        return loss


class KeepsItsMeans(Heavy):
    """Keeps its means where nobody saves them."""

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.5, **base: Any) -> None:
        super().__init__(learning_rate, momentum, **base)
        self.means: dict[int, Tensor] = {}

    def update(self, params: list[Tensor], grads: list[Tensor], slots: list[dict[str, Tensor]], rate: Any) -> None:
        for param, grad in zip(params, grads, strict=True):
            mean = self.means.setdefault(id(param), torch.zeros_like(param))
            mean.mul_(self.momentum).add_(grad)
            param.sub_(rate * mean)


class OwnRate(Heavy):
    def update(self, params: list[Tensor], grads: list[Tensor], slots: list[dict[str, Tensor]], rate: Any) -> None:
        super().update(params, grads, slots, 0.01)


class DropsTheBase(Heavy):
    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.5, **base: Any) -> None:
        super().__init__(learning_rate, momentum, name=base.get("name"))


class FixedTypes(Heavy):
    def update(self, params: list[Tensor], grads: list[Tensor], slots: list[dict[str, Tensor]], rate: Any) -> None:
        for param, grad in zip(params, grads, strict=True):
            param.sub_(torch.linalg.multi_dot([torch.full((1, 1), rate), grad.reshape(1, -1)]).reshape(param.shape))


class Explodes(Heavy):
    def update(self, params: list[Tensor], grads: list[Tensor], slots: list[dict[str, Tensor]], rate: Any) -> None:
        super().update(params, grads, slots, 1e9 * rate)


class DrawsNumbers(Heavy):
    def update(self, params: list[Tensor], grads: list[Tensor], slots: list[dict[str, Tensor]], rate: Any) -> None:
        noise = float(torch.rand(())) if torch.distributed.is_initialized() else 1.0
        super().update(params, grads, slots, rate * noise)


FAULTS = [
    ("docstring", Uphill, "__doc__=None"),
    ("types", WithoutTypes, "none for"),
    ("config", ForgetsAKey, r"the keys \['momentum'\] too"),
    ("serialization", WritesAnObject, "object"),
    ("descends", Uphill, "the loss after 50 steps"),
    ("closure", LosesTheLoss, r"what step\(closure\) returns"),
    ("missing_gradients", MovesAll, "Expected: no change"),
    ("resumption", KeepsItsMeans, "one that was saved and loaded"),
    ("variables", KeepsItsMeans, "one that was given the variables"),
    ("copies", KeepsItsMeans, "a deepcopy"),
    ("groups", OwnRate, "a weight in a group with lr=0"),
    ("schedule", OwnRate, "four steps at falling rates"),
    ("arguments", DropsTheBase, r"\{'weight_decay': 0.5\}"),
    ("dtypes", FixedTypes, "RuntimeError"),
    ("fit", Explodes, "NonFiniteLossError|the losses of five epochs"),
    ("processes", DrawsNumbers, "weights after two epochs"),
]


def all_but(name: str) -> list[str]:
    return [other for other in OPTIMIZER_PROPERTIES if other != name]


@pytest.mark.parametrize(("name", "cls", "words"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_fault_is_found_under_its_property(name: str, cls: type[Optimizer], words: str) -> None:
    with pytest.raises(PropertyError, match=words) as caught:
        check_optimizer(cls, skip=all_but(name))
    assert caught.value.name == name


def test_each_property_is_shown_to_fail() -> None:
    assert {name for name, _, _ in FAULTS} | {"lightning", "cuda"} == set(OPTIMIZER_PROPERTIES)


def test_a_sound_optimizer_has_them_all() -> None:
    check_optimizer(Heavy, {"momentum": 0.25})
