from typing import Any

import pytest
import torch
from keras.src.trainers.compile_utils import get_loss

from labkeras import losses
from labkeras.errors import UnknownComponentError

SHAPES = [
    ((8, 1), (8, 1)),
    ((8,), (8, 1)),
    ((8,), (8, 10)),
    ((8, 1), (8, 10)),
    ((8, 10), (8, 10)),
    ((8, 5), (8, 5, 10)),
    ((8, 5, 1), (8, 5, 10)),
    ((8, 5, 10), (8, 5, 10)),
    ((8, 5, 1), (8, 5, 1)),
]


@pytest.mark.parametrize("name", ["crossentropy", "ce", "CE"])
@pytest.mark.parametrize(("y_true", "y_pred"), SHAPES)
def test_crossentropy_chooses_as_keras_does(y_true: tuple[int, ...], y_pred: tuple[int, ...], name: str) -> None:
    loss = losses.loss_for(name, y_true, y_pred)
    reference = get_loss(name, torch.zeros(y_true), torch.zeros(y_pred))
    assert isinstance(loss, losses.LossFunctionWrapper)
    assert (loss.fn.__name__, loss.name) == (reference.fn.__name__, reference.name)


def my_loss(y_true: Any, y_pred: Any) -> Any:
    return abs(y_true - y_pred)


class Callable:
    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        return abs(y_true - y_pred)


@pytest.mark.parametrize("identifier", ["mse", "MSE", "mean_squared_error", "MeanSquaredError", my_loss, Callable()])
def test_a_loss_bears_the_name_that_it_bears_in_keras(identifier: Any) -> None:
    loss = losses.loss_for(identifier, (8, 1), (8, 1))
    reference = get_loss(identifier, torch.zeros(8, 1), torch.zeros(8, 1))
    assert isinstance(loss, losses.Loss)
    assert loss.name == reference.name


def test_an_instance_stays_itself_and_none_is_none() -> None:
    loss = losses.MeanSquaredError(name="mine")
    assert losses.loss_for(loss, (8, 1), (8, 1)) is loss
    assert losses.loss_for(None, (8, 1), (8, 1)) is None


def test_unknown_sizes_are_taken() -> None:
    loss = losses.loss_for("crossentropy", (None,), (None, None))
    assert isinstance(loss, losses.SparseCategoricalCrossentropy)


def test_a_misspelt_name_is_reported() -> None:
    with pytest.raises(UnknownComponentError, match="'crosentropy'"):
        losses.loss_for("crosentropy", (8,), (8, 3))
