"""NonNeg."""

import keras
import pytest
import torch

from labkeras import constraints


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int32], ids=str)
def test_negative_weights_become_zero_as_in_keras(dtype: torch.dtype) -> None:
    w = (10 * torch.randn(3, 4)).to(dtype)
    before = w.clone()
    assert torch.equal(constraints.NonNeg()(w), keras.constraints.NonNeg()(w))
    assert torch.equal(constraints.NonNeg()(w.float().numpy()), torch.relu(w.float()))
    assert torch.equal(w, before)


def test_the_config_is_keras_s() -> None:
    config = constraints.serialize(constraints.NonNeg())
    assert config == keras.constraints.serialize(keras.constraints.NonNeg())
    assert isinstance(constraints.deserialize(config), constraints.NonNeg)
