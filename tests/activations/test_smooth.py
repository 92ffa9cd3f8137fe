"""softplus, squareplus and sparse_plus."""

import pytest
import torch

from labkeras import activations
from tests.helpers.activations import check_activation


@pytest.mark.parametrize("name", ["softplus", "sparse_plus", "squareplus"])
def test_smooth_rectifiers_are_keras_s(name: str) -> None:
    check_activation(name)


def test_squareplus_bends_as_told() -> None:
    check_activation("squareplus", b=0.5)


def test_sparse_plus_is_exact_where_it_is_straight() -> None:
    x = torch.tensor([300.0, 1e4, 7e-3 + 1], dtype=torch.bfloat16)
    assert torch.equal(activations.sparse_plus(x), x)
