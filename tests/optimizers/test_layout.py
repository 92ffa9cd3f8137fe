"""Kernels of convolutions are permuted views: updated as fast as contiguous tensors, with the same values."""

import pytest
import torch

from labkeras.optimizers import SGD, Adam, AdamW, Optimizer
from labkeras.optimizers.layout import in_memory_order

MAKERS = [
    lambda: Adam(0.1),
    lambda: Adam(0.1, amsgrad=True),
    lambda: AdamW(0.1, weight_decay=0.1),
    lambda: SGD(0.1),
    lambda: SGD(0.1, momentum=0.9),
    lambda: SGD(0.1, momentum=0.9, nesterov=True),
]


@pytest.mark.parametrize("make", MAKERS)
def test_a_permuted_parameter_is_updated_as_a_contiguous_one(make: type[Optimizer]) -> None:
    values, grads = torch.randn(40, 40, 3, 3), torch.randn(2, 40, 40, 3, 3)
    plain = torch.nn.Parameter(values.permute(2, 3, 1, 0).contiguous())
    permuted = torch.nn.Parameter(values.clone().permute(2, 3, 1, 0))
    for param in (plain, permuted):
        optimizer = make()
        optimizer.build([param])
        for grad in grads:
            optimizer.apply([grad.permute(2, 3, 1, 0)])
    torch.testing.assert_close(permuted, plain)


def test_large_tensors_that_lie_alike_become_flat_views_of_the_same_memory() -> None:
    small, large = torch.zeros(2, 3).T, torch.zeros(100, 90).T
    flat_small, flat_large = in_memory_order([small, large], [small.clone(), torch.ones(100, 90).T])[0]
    assert flat_small is small
    assert flat_large.shape == (9000,)
    assert flat_large.data_ptr() == large.data_ptr()


def test_tensors_that_lie_otherwise_stay_as_they_are() -> None:
    param, grad = torch.zeros(100, 90).T, torch.zeros(90, 100)
    assert in_memory_order([param], [grad], [])[0][0] is param
    gap = torch.zeros(100, 200)[:, :90]
    assert in_memory_order([gap], [gap], [])[0][0] is gap
