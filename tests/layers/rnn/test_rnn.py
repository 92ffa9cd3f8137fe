"""RNN and StackedRNNCells with cells of one's own, against Keras."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras import layers
from labkeras.errors import InvalidArgumentError
from labkeras.layers import RNN, LSTMCell, StackedRNNCells
from labkeras.utils import clear_session
from tests.helpers.keras_pairs import OURS

X = np.random.default_rng(0).normal(size=(3, 6, 5)).astype("float32")
MASK = np.array([[1, 0, 1, 0, 1, 1], [0] * 6, [1, 1, 1, 0, 0, 0]], bool)


def _minimal_cell(package: Any) -> Any:
    class MinimalCell(package.Layer):  # type: ignore[misc,name-defined]
        """The cell of Keras's guide."""

        def __init__(self, units: int, **options: Any) -> None:
            super().__init__(**options)
            self.units = units
            self.state_size = units

        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
            self.recurrent = self.add_weight(shape=(self.units, self.units), initializer="uniform", name="recurrent")

        def call(self, inputs: Any, states: Any) -> Any:
            output = torch.tanh(torch.matmul(inputs, self.kernel) + torch.matmul(states[0], self.recurrent))
            return output, [output]

    return MinimalCell


CELLS = {
    "own": lambda package: _minimal_cell(package)(4),
    "list": lambda package: [package.layers.LSTMCell(4), package.layers.LSTMCell(3)],
    "stacked": lambda package: package.layers.StackedRNNCells([_minimal_cell(package)(4), package.layers.LSTMCell(3)]),
}


@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
@pytest.mark.parametrize("options", [{}, {"return_sequences": True}, {"return_state": True, "go_backwards": True}])
@pytest.mark.parametrize("name", list(CELLS))
def test_outputs_and_gradients_are_keras(name: str, options: dict[str, Any], mask: Any) -> None:
    keras.utils.clear_session()
    clear_session()
    layers_of_both = [package.layers.RNN(CELLS[name](package), **options) for package in (OURS, keras)]
    for layer in layers_of_both:
        layer(X)
    ours, theirs = layers_of_both
    assert [weight.path for weight in ours.weights] == [weight.path for weight in theirs.weights]
    ours.set_weights(theirs.get_weights())
    results = []
    for layer in layers_of_both:
        inputs = torch.tensor(X, requires_grad=True)
        outputs = layer(inputs, mask=None if mask is None else torch.tensor(mask))
        leaves = keras.tree.flatten(outputs)
        sum(leaf.square().sum() for leaf in leaves).backward()
        results.append([*leaves, inputs.grad, *(weight.value.grad for weight in layer.trainable_weights)])
    for a, b in zip(*results, strict=True):
        assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_config_makes_an_equal_layer() -> None:
    layer = RNN([LSTMCell(4), LSTMCell(3)], return_sequences=True, return_state=True)
    layer(X)
    again = RNN.from_config(layer.get_config())
    again(X)
    again.set_weights(layer.get_weights())
    assert_close(again(X), layer(X))
    assert set(layer.get_config()) == set(keras.layers.RNN(keras.layers.LSTMCell(2)).get_config())


@pytest.mark.parametrize("cell", [None, object(), torch.nn.Linear(2, 2)])
def test_what_is_no_cell_is_refused(cell: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="Received: cell="):
        RNN(cell)


def test_a_cell_without_state_size_is_refused() -> None:
    class Sizeless(layers.Layer):
        def call(self, inputs: Any, states: Any) -> Any:
            return inputs, states

    with pytest.raises(InvalidArgumentError, match="`state_size`"):
        RNN(Sizeless())
    with pytest.raises(InvalidArgumentError, match="all cells must have"):
        StackedRNNCells([Sizeless()])
