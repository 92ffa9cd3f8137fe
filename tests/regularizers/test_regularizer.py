"""The base class."""

import keras
import pytest
import torch

from labkeras import regularizers
from labkeras.regularizers import Regularizer


class Largest(Regularizer):
    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x.abs().max()


def test_the_base_penalizes_nothing_as_in_keras() -> None:
    assert Regularizer()(torch.ones(3)) == keras.regularizers.Regularizer()(torch.ones(3))


def test_a_subclass_without_a_config_is_named_when_it_is_saved() -> None:
    with pytest.raises(NotImplementedError, match=r"Largest must define `get_config` to be saved"):
        regularizers.serialize(Largest())


def test_a_subclass_is_made_from_its_config() -> None:
    class Scaled(Largest):
        def __init__(self, factor: float) -> None:
            self.factor = factor

        def get_config(self) -> dict[str, float]:
            return {"factor": self.factor}

    assert Scaled.from_config(Scaled(2.0).get_config()).factor == 2.0
