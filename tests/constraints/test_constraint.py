"""The base class."""

from typing import Any

import torch

from labkeras.constraints import Constraint


class AtMost(Constraint):
    def __init__(self, limit: float) -> None:
        self.limit = limit

    def __call__(self, w: torch.Tensor) -> torch.Tensor:
        return torch.clamp(w, max=self.limit)

    def get_config(self) -> dict[str, Any]:
        return {"limit": self.limit}


def test_the_base_allows_everything() -> None:
    w = torch.randn(3)
    assert Constraint()(w) is w
    assert Constraint().get_config() == {}


def test_a_subclass_is_made_from_its_config() -> None:
    constraint = AtMost.from_config(AtMost(0.5).get_config())
    assert constraint(torch.tensor([0.25, 0.75])).tolist() == [0.25, 0.5]
    assert repr(constraint) == "AtMost(limit=0.5)"
