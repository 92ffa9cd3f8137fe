from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras import config
from labkeras.ops.conversion import to_float_tensor, to_tensor
from labkeras.ops.division import divide_no_nan
from labkeras.ops.weighting import apply_mask


def test_a_tensor_that_is_right_comes_back_itself() -> None:
    tensor = torch.zeros(2)
    assert to_tensor(tensor, torch.float32) is tensor
    assert to_float_tensor(tensor) is tensor


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([1.0, 2.0], torch.float32),
        (0.5, torch.float32),
        (np.zeros(2), torch.float64),
        (np.zeros(2, "float32"), torch.float32),
        ([1, 2], torch.int64),
        ([True], torch.bool),
        ([torch.zeros(2), torch.ones(2)], torch.float32),
    ],
)
def test_floats_written_in_python_become_floatx_and_all_else_keeps_its_type(value: Any, dtype: torch.dtype) -> None:
    assert to_tensor(value).dtype == dtype


def test_whole_numbers_become_floatx_where_floats_are_needed() -> None:
    config.set_floatx("float16")
    assert to_float_tensor([1, 2]).dtype == torch.float16
    assert to_float_tensor(np.zeros(1)).dtype == torch.float64


def test_nothing_by_nothing_is_0_with_a_gradient_of_0() -> None:
    x = torch.tensor([1.0, 4.0], requires_grad=True)
    y = torch.tensor([0.0, 2.0], requires_grad=True)
    quotient = divide_no_nan(x, y)
    quotient.sum().backward()
    assert_close(quotient.detach(), torch.tensor([0.0, 2.0]))
    assert_close(x.grad, torch.tensor([0.0, 0.5]))
    assert_close(y.grad, torch.tensor([0.0, -1.0]))


def test_a_mask_makes_weights_that_make_up_for_what_is_left_out() -> None:
    mask = torch.tensor([True, False, True, False])
    assert_close(apply_mask(None, mask, torch.float32), torch.tensor([1.0, 0, 1, 0]))
    assert_close(apply_mask(None, mask, torch.float32, over_valid=True), torch.tensor([2.0, 0, 2, 0]))
    assert_close(apply_mask(None, ~mask & mask, torch.float32, over_valid=True), torch.zeros(4))
    assert apply_mask(None, None, torch.float32) is None
