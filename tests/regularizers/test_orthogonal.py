"""OrthogonalRegularizer."""

import keras
import pytest
import torch
from torch.testing import assert_close

from labkeras import regularizers
from labkeras.errors import InvalidArgumentError
from labkeras.graph.symbolic import KerasTensor
from labkeras.regularizers import OrthogonalRegularizer


@pytest.mark.parametrize("mode", ["rows", "columns"])
@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (2, 2)], ids=str)
def test_the_penalty_and_its_gradient_are_keras_s(mode: str, shape: tuple[int, int]) -> None:
    results = []
    values = torch.randn(shape)
    for cls in (OrthogonalRegularizer, keras.regularizers.OrthogonalRegularizer):
        x = values.clone().requires_grad_()
        penalty = cls(factor=0.3, mode=mode)(x)
        penalty.backward()
        results.append((penalty.detach(), x.grad))
    assert_close(results[0], results[1])


def test_the_config_is_keras_s() -> None:
    config = regularizers.serialize(OrthogonalRegularizer(0.5, mode="columns"))
    assert config == keras.regularizers.serialize(keras.regularizers.OrthogonalRegularizer(0.5, mode="columns"))
    assert repr(regularizers.deserialize(config)) == "OrthogonalRegularizer(factor=0.5, mode='columns')"
    assert keras.regularizers.deserialize(config).mode == "columns"


def test_a_single_row_is_orthogonal_to_nothing() -> None:
    assert OrthogonalRegularizer()(torch.ones(1, 3)).item() == 0.0


def test_a_row_of_zeros_has_no_direction() -> None:
    x = torch.tensor([[0.0, 0.0], [1.0, 2.0]], requires_grad=True)
    penalty = OrthogonalRegularizer()(x)
    penalty.backward()
    assert penalty.item() == 0.0
    assert x.grad is not None
    assert bool(torch.isfinite(x.grad).all())


@pytest.mark.parametrize("mode", ["rows", "columns"])
def test_a_placeholder_is_taken_where_the_number_of_vectors_is_known(mode: str) -> None:
    assert OrthogonalRegularizer(mode=mode)(KerasTensor((4, 5))).shape == ()  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2)], ids=str)
def test_a_tensor_that_is_no_matrix_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"with two axes\. Received: shape=\("):
        OrthogonalRegularizer()(torch.ones(shape))


def test_a_bad_mode_is_named() -> None:
    with pytest.raises(InvalidArgumentError, match=r"`mode` must be 'rows' or 'columns'\. Received: mode='diagonals'"):
        OrthogonalRegularizer(mode="diagonals")
    with pytest.raises(InvalidArgumentError, match=r"Received: factor=-1"):
        OrthogonalRegularizer(factor=-1)
