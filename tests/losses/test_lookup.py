from typing import Any

import keras
import pytest
import torch
from torch.testing import assert_close

from labkeras import losses
from labkeras.errors import InvalidArgumentError, InvalidTypeError, SerializationError, UnknownComponentError

FUNCTIONS = [
    "binary_crossentropy",
    "categorical_crossentropy",
    "mean_absolute_error",
    "mean_squared_error",
    "sparse_categorical_crossentropy",
]


@pytest.mark.parametrize("name", [*FUNCTIONS, "bce", "BCE", "mae", "MAE", "mse", "MSE"])
def test_names_of_functions_give_functions_as_in_keras(name: str) -> None:
    function = losses.get(name)
    assert function.__name__ == keras.losses.get(name).__name__
    assert function is getattr(losses, function.__name__)


@pytest.mark.parametrize("name", ["BinaryCrossentropy", "MeanSquaredError", "SparseCategoricalCrossentropy"])
def test_names_of_classes_give_instances_as_in_keras(name: str) -> None:
    assert type(losses.get(name)) is getattr(losses, name)


def test_what_is_a_loss_already_comes_back() -> None:
    loss = losses.MeanSquaredError()
    assert losses.get(loss) is loss
    assert losses.get(losses.mean_squared_error) is losses.mean_squared_error
    assert losses.get(None) is None


def test_a_class_is_made() -> None:
    assert isinstance(losses.get(losses.MeanSquaredError), losses.MeanSquaredError)


def test_a_config_is_read() -> None:
    config = {"class_name": "CategoricalCrossentropy", "config": {"from_logits": True}}
    assert losses.get(config).from_logits is True


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_written_as_keras_writes_them_and_read_back(name: str) -> None:
    function, config = getattr(losses, name), keras.losses.serialize(getattr(keras.losses, name))
    assert losses.serialize(function) == config
    assert losses.deserialize(config) is function


def test_a_misspelt_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownComponentError, match=r"no loss is named 'mean_squard_error'. Did you mean 'mean_squ"):
        losses.get("mean_squard_error")


@pytest.mark.parametrize("identifier", [5, 2.5, ["mse"]])
def test_anything_else_is_refused(identifier: Any) -> None:
    with pytest.raises(InvalidTypeError, match=r"`Loss` or a function.*Received: "):
        losses.get(identifier)


def test_a_class_that_needs_arguments_says_so() -> None:
    with pytest.raises(InvalidArgumentError, match="needs arguments"):
        losses.get("LossFunctionWrapper")


def test_a_config_of_another_kind_is_refused() -> None:
    with pytest.raises(SerializationError, match="where a loss belongs"):
        losses.deserialize({"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}})


def test_a_config_cannot_name_any_function_of_the_package() -> None:
    for name in ("get", "loss_for", "deserialize"):
        with pytest.raises(SerializationError):
            losses.deserialize({"module": "builtins", "class_name": "function", "config": name})


def test_losses_of_torch_are_called_with_the_prediction_first() -> None:
    y_true, y_pred = torch.tensor([0, 2]), torch.randn(2, 3)
    loss = losses.get(torch.nn.CrossEntropyLoss())
    assert_close(loss(y_true, y_pred), torch.nn.functional.cross_entropy(y_pred, y_true))
    assert_close(losses.get(torch.nn.functional.cross_entropy)(y_true, y_pred), loss(y_true, y_pred))
    assert_close(losses.get(torch.nn.CrossEntropyLoss)(y_true, y_pred), loss(y_true, y_pred))
