"""The base class."""

from typing import Any

import pytest
import torch

from labkeras.initializers import Initializer, RandomUniform


class Filled(Initializer):
    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, shape: Any, dtype: Any = None) -> torch.Tensor:
        return torch.full(shape, self.value)

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value}


def test_a_subclass_is_cloned_by_its_config() -> None:
    original = Filled(2.0)
    clone = original.clone()
    assert clone is not original
    assert clone((2,)).tolist() == [2.0, 2.0]


def test_the_repr_can_be_pasted_back() -> None:
    assert repr(Filled(2.0)) == "Filled(value=2.0)"
    initializer = RandomUniform(-1.0, 1.0, seed=3)
    assert torch.equal(eval(repr(initializer))((3,)), initializer((3,)))


def test_a_subclass_without_a_call_is_named() -> None:
    class Unfinished(Initializer):
        pass

    with pytest.raises(NotImplementedError, match=r"Unfinished is an Initializer, so it must define `__call__"):
        Unfinished()((2,))
