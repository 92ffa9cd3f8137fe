"""TemperedFocal: its formula, its limits, its gradient, its errors."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from labkeras.errors import InvalidArgumentError
from labkeras.losses import SparseCategoricalCrossentropy, deserialize, serialize
from labkeras.testing import check_loss
from labkeras_calibration.tempered_focal import TemperedFocal


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3


LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


def test_it_is_what_every_loss_is() -> None:
    check_loss(TemperedFocal, {"gamma": 1.5, "temperature": 2.0})


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_it_is_its_formula(logits: Tensor, gamma: float, temperature: float) -> None:
    probability = (logits / temperature).softmax(-1)[torch.arange(6), LABELS]
    wanted = -((1 - probability) ** gamma) * probability.log()
    loss = TemperedFocal(gamma, temperature, from_logits=True, reduction="none", dtype="float64")
    assert_close(loss(LABELS, logits), wanted)


def test_without_focus_at_temperature_1_it_is_the_cross_entropy(logits: Tensor) -> None:
    found = TemperedFocal(0.0, from_logits=True)(LABELS, logits)
    assert_close(found, SparseCategoricalCrossentropy(from_logits=True)(LABELS, logits))


def test_smoothed_labels_share_the_loss_out(logits: Tensor) -> None:
    rows = torch.nn.functional.one_hot(LABELS, 4) * 0.8 + 0.05
    loss = TemperedFocal(2.0, from_logits=True, reduction="none", dtype="float64")
    by_class = torch.stack([loss(torch.full((6,), label), logits) for label in range(4)], -1)
    assert_close(loss(rows, logits), (rows * by_class).sum(-1), check_dtype=False)


def test_probabilities_count_as_their_logits(logits: Tensor) -> None:
    of_logits = TemperedFocal(2.0, 2.0, from_logits=True, dtype="float64")(LABELS, logits)
    assert_close(TemperedFocal(2.0, 2.0, dtype="float64")(LABELS, logits.softmax(-1)), of_logits)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradients_are_those_of_the_formula(logits: Tensor, gamma: float) -> None:
    loss = TemperedFocal(gamma, 1.5, from_logits=True, dtype="float64")
    assert torch.autograd.gradcheck(lambda scores: loss(LABELS, scores), logits.requires_grad_())


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_what_is_certain_has_a_finite_gradient(gamma: float) -> None:
    scores = torch.tensor([[200.0, 0.0]], requires_grad=True)
    TemperedFocal(gamma, from_logits=True)([0], scores).backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_a_config_makes_an_equal_loss() -> None:
    loss = TemperedFocal(gamma=3.0, temperature=0.5, from_logits=True)
    config = serialize(loss)
    assert config["registered_name"] == "labkeras-calibration>TemperedFocal"
    assert deserialize(config).get_config() == loss.get_config()


@pytest.mark.parametrize(("name", "value"), [("gamma", -1), ("temperature", 0), ("temperature", "1")])
def test_it_names_the_bad_argument(name: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"`{name}` must be a number.*Received: {name}={value!r}"):
        TemperedFocal(**{name: value})


def test_one_output_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"an output for each class.*y_pred\.shape=\(2, 1\)"):
        TemperedFocal()([0, 1], [[0.5], [0.5]])
