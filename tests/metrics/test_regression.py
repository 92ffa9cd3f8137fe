import numpy as np
import pytest
import torch

from tests.helpers.metrics import check_metric


@pytest.mark.parametrize("name", ["MeanSquaredError", "MeanAbsoluteError"])
@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 3), (6, 4, 3)])
def test_values_over_batches_are_those_of_keras(shape: tuple[int, ...], name: str) -> None:
    sample_weights = [None] if len(shape) == 1 else [None, torch.rand(6), torch.rand(shape[:-1])]
    check_metric(name, [(torch.randn(shape), torch.randn(shape), weights) for weights in sample_weights])


@pytest.mark.parametrize("name", ["MeanSquaredError", "MeanAbsoluteError"])
def test_whole_numbers_are_taken(name: str) -> None:
    check_metric(name, [(np.array([[0, 1], [0, 0]]), np.array([[1.0, 1.0], [0.0, 3.0]]))])
