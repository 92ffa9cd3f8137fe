"""Orthogonal."""

import keras
import pytest
import torch
from torch.testing import assert_close

from labkeras import initializers
from labkeras.errors import InvalidArgumentError
from tests.helpers.initializers import assert_same_distribution, check_config


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (3, 2, 4), (2, 1, 7)], ids=str)
@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_rows_or_columns_are_orthonormal(shape: tuple[int, ...], gain: float) -> None:
    values = initializers.Orthogonal(gain=gain, seed=0)(shape)
    assert values.shape == shape
    assert values.is_contiguous()
    matrix = values.reshape(-1, shape[-1]) / gain
    product = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    assert_close(product, torch.eye(len(product)), atol=1e-5, rtol=0)


def test_rotations_are_distributed_as_keras_s() -> None:
    # Without the correction of the signs the diagonal would be all negative or all positive.
    def diagonals(module: object) -> torch.Tensor:
        orthogonal = module.Orthogonal  # type: ignore[attr-defined]
        return torch.stack([torch.diagonal(orthogonal(seed=seed)((3, 3))) for seed in range(2000)])

    assert_same_distribution(diagonals(initializers), diagonals(keras.initializers))


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_other_data_types_are_drawn(dtype: str) -> None:
    values = initializers.Orthogonal(seed=0)((4, 3), dtype)
    assert str(values.dtype) == f"torch.{dtype}"
    assert_close(values.float().T @ values.float(), torch.eye(3), atol=2e-2, rtol=0)


def test_the_config_is_keras_s() -> None:
    check_config("Orthogonal")
    check_config("Orthogonal", gain=1.5, seed=3)


@pytest.mark.parametrize("shape", [(), (3,)], ids=str)
def test_a_vector_has_no_rotation(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"two axes or more\. Received: shape="):
        initializers.Orthogonal()(shape)
