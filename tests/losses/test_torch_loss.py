import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from labkeras import losses
from labkeras.errors import InvalidArgumentError, SerializationError
from labkeras.losses.torch_loss import TorchLoss


def test_class_numbers_stay_whole_and_lose_an_axis_of_one() -> None:
    y_pred = torch.randn(3, 4)
    loss = TorchLoss(torch.nn.CrossEntropyLoss())
    for y_true in (np.array([0, 3, 1]), np.array([[0], [3], [1]]), torch.tensor([0, 3, 1], dtype=torch.int32)):
        assert_close(loss(y_true, y_pred), F.cross_entropy(y_pred, torch.tensor([0, 3, 1])))


def test_targets_of_the_predictions_shape_take_their_type() -> None:
    y_true, y_pred = np.array([0, 1, 1]), torch.randn(3, 1)
    expected = F.binary_cross_entropy_with_logits(y_pred[:, 0], torch.tensor([0.0, 1.0, 1.0]))
    assert_close(TorchLoss(torch.nn.BCEWithLogitsLoss())(y_true, y_pred), expected)


@pytest.mark.parametrize("loss", [torch.nn.MSELoss(), torch.nn.L1Loss(reduction="sum"), F.mse_loss])
def test_sample_weights_weigh_each_value(loss: object) -> None:
    y_true, y_pred, weights = torch.randn(4, 1), torch.randn(4, 1), torch.rand(4, 1)
    values = (y_true - y_pred) ** 2 if "l1" not in str(loss).lower() else (y_true - y_pred).abs()
    expected = (values * weights).sum() if getattr(loss, "reduction", "") == "sum" else (values * weights).mean()
    assert_close(TorchLoss(loss)(y_true, y_pred, weights), expected)
    assert getattr(loss, "reduction", "mean") in ("mean", "sum")


def test_class_weights_stay_with_the_loss() -> None:
    module = torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0]))
    y_true, y_pred = torch.tensor([0, 1]), torch.randn(2, 2)
    assert_close(TorchLoss(module)(y_true, y_pred), module(y_pred, y_true))
    weighed = F.cross_entropy(y_pred, y_true, weight=module.weight, reduction="none").mean()
    assert_close(TorchLoss(module)(y_true, y_pred, torch.ones(2)), weighed)


def test_a_loss_that_cannot_weigh_says_so() -> None:
    class Distance(torch.nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return (a - b).norm()

    loss = losses.get(Distance())
    assert loss([0.0, 0.0], [3.0, 4.0]) == 5.0
    with pytest.raises(InvalidArgumentError, match="'distance' cannot weigh samples"):
        loss([0.0, 0.0], [3.0, 4.0], [1.0, 1.0])


def test_its_name_is_that_of_its_class() -> None:
    assert TorchLoss(torch.nn.CrossEntropyLoss()).name == "cross_entropy_loss"
    assert TorchLoss(F.mse_loss, name="mine").name == "mine"


def test_it_cannot_be_saved() -> None:
    with pytest.raises(SerializationError, match="no config to be saved by"):
        losses.serialize(TorchLoss(torch.nn.MSELoss()))
