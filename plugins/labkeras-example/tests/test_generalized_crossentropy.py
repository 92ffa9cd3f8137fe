"""GeneralizedCrossentropy: what every loss has, its formula, its limit, its errors."""

import pytest
import torch
from torch.testing import assert_close

from labkeras.errors import InvalidArgumentError
from labkeras.losses import SparseCategoricalCrossentropy
from labkeras.testing import check_loss
from labkeras_example.generalized_crossentropy import GeneralizedCrossentropy


@pytest.fixture
def predictions() -> torch.Tensor:
    return torch.softmax(torch.randn(6, 4), -1)


def test_it_has_what_every_loss_has() -> None:
    check_loss(GeneralizedCrossentropy, {"q": 0.5}, y_true=[0, 1, 2, 3, 0, 1])


def test_at_one_it_is_the_absolute_error(predictions: torch.Tensor) -> None:
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    wanted = (1 - predictions[torch.arange(6), labels]).mean()
    assert_close(GeneralizedCrossentropy(q=1.0)(labels, predictions), wanted)


def test_towards_zero_it_is_cross_entropy(predictions: torch.Tensor) -> None:
    labels = torch.tensor([[0], [1], [2], [3], [0], [1]])
    near_zero = GeneralizedCrossentropy(q=1e-3, dtype="float64")(labels, predictions)
    assert_close(near_zero.float(), SparseCategoricalCrossentropy()(labels, predictions), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("q", [0, -0.5, 1.5])
def test_it_names_the_bad_q(q: float) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"in \(0, 1\]\. Received: q={q!r}"):
        GeneralizedCrossentropy(q=q)
