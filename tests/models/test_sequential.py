"""Sequential: add, pop, build; compared with Keras's."""

import copy
import pickle
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from labkeras import Input, Model, Sequential, layers
from labkeras.errors import InvalidArgumentError, InvalidTypeError
from tests.helpers.keras_pairs import OURS


def test_adding_and_taking_off_as_in_keras() -> None:
    for package in (OURS, keras):
        model = package.Sequential(name="s")
        model.add(package.layers.Dense(3, name="one"))
        model.add(package.layers.Dense(2, name="two"))
        assert not model.built
        model(np.ones((2, 4)))
        assert model.built
        assert [weight.path for weight in model.weights] == ["s/one/kernel", "s/one/bias", "s/two/kernel", "s/two/bias"]
        model.add(package.layers.Dense(1, name="three"))
        assert model.output_shape[1:] == (1,)
        model.pop()
        assert model.output_shape[1:] == (2,)
        assert len(model.weights) == 4
        assert len(model.layers) == 2


def test_the_input_shape_comes_from_input_or_the_first_layer_or_build() -> None:
    for first in ([Input((4,)), layers.Dense(3)], [layers.Dense(3, input_shape=(4,))], [layers.Dense(3, input_dim=4)]):
        assert Sequential(first).input_shape == (None, 4)
    model = Sequential([layers.Dense(3), layers.Dense(2)])
    model.build((None, 4))
    assert (model.input_shape, model.output_shape) == ((None, 4), (None, 2))
    nested = Sequential([Sequential([Input((4,)), layers.Dense(3)]), layers.Dense(2)])
    assert nested.output_shape == (None, 2)


def test_an_unbuilt_model_takes_the_shape_of_its_first_data_with_any_batch() -> None:
    model = Sequential([layers.Flatten(), layers.Dense(3)])
    assert model(np.ones((2, 4, 2))).shape == (2, 3)
    assert model.input_shape == (None, 4, 2)
    assert model(np.ones((5, 4, 2))).shape == (5, 3)


def test_shapes_without_data() -> None:
    ours, theirs = (package.Sequential([package.layers.Dense(3), package.layers.Dense(2)]) for package in (OURS, keras))
    assert ours.compute_output_shape((None, 4)) == theirs.compute_output_shape((None, 4))
    assert Sequential([layers.Dense(3)])(Input((4,))).shape == (None, 3)


def test_modules_of_torch_are_layers_too() -> None:
    linear = nn.Linear(4, 3)
    model = Sequential([linear, nn.ReLU(), nn.Dropout(0.5), layers.Dense(2)])
    data = torch.rand(2, 4)
    assert_close(model(data), model.layers[3](torch.relu(linear(data))))
    assert model.layers[0] is linear
    assert len(model.weights) == 4
    assert not model.layers[2].training


def test_copies_can_be_added_to_and_leave_the_original() -> None:
    model = Sequential([Input((4,)), layers.Dense(3), nn.ReLU()])
    data = torch.rand(2, 4)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_close(twin(data), model(data))
        twin.add(layers.Dense(2))
        assert twin(data).shape == (2, 2)
        twin.pop()
        twin.pop()
        twin.add(layers.Dense(5))
        assert (twin.output_shape, model.output_shape) == ((None, 5), (None, 3))
    unbuilt = Sequential([layers.Dense(2)])
    copy.deepcopy(unbuilt)(np.ones((1, 4)))
    assert not unbuilt.built


def test_its_placeholders_make_new_models() -> None:
    model = Sequential([Input((4,)), layers.Dense(3), layers.Dense(2)])
    data = torch.rand(2, 4)
    assert_close(Model(model.inputs, model.layers[0].output)(data), model.layers[0](data))
    longer = Model(model.input, layers.Dense(7)(model.output))
    assert longer(data).shape == (2, 7)


def test_the_type_of_the_first_layer_is_that_of_the_input() -> None:
    model = Sequential([layers.Dense(2, dtype="float64")])
    assert model(np.full((1, 2), 1 / 3)).dtype == torch.float64
    assert model.inputs[0].dtype == "float64"


FAULTS: list[tuple[Any, type, str]] = [
    (lambda: Sequential([3]), InvalidTypeError, "Received: 3 of type int"),
    (lambda: Sequential([layers.Dense]), InvalidTypeError, "a class, not a layer: call it"),
    (lambda: Sequential(layers.Dense(2)), InvalidTypeError, "`layers` must be a list"),
    (
        lambda: Sequential([layers.Dense(2, name="a"), layers.Dense(2, name="a")]),
        InvalidArgumentError,
        "a second layer named 'a'",
    ),
    (lambda: Sequential([layers.Dense(2), Input((2,))]), InvalidArgumentError, "`Input` must come first"),
    (lambda: Sequential().pop(), InvalidArgumentError, "no layer to take off"),
    (lambda: Sequential()(np.ones((1, 2))), InvalidArgumentError, "has no layers to build"),
    (lambda: Sequential([layers.Dense(2)]).output_shape, InvalidArgumentError, r"Begin a Sequential model with `Input"),
]


@pytest.mark.parametrize(("attempt", "error", "words"), FAULTS)
def test_faults_are_named(attempt: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        attempt()
