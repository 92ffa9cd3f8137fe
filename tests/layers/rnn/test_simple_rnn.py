"""SimpleRNN and SimpleRNNCell, against Keras and torch."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.testing import assert_close

import labkeras
from labkeras import layers
from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.layers import SimpleRNN, SimpleRNNCell
from tests.helpers.check_layer import check_layer

AT_THE_END = np.array([[1, 1, 1, 0, 0, 0, 0], [1] * 7, [1, 1, 0, 0, 0, 0, 0]], bool)
ANYWHERE = np.array([[1, 0, 1, 0, 0, 1, 0], [0] * 7, [0, 1, 0, 0, 0, 0, 1]], bool)
START = np.random.default_rng(1).normal(size=(3, 4)).astype("float32")


def _both(**arguments: Any) -> tuple[Any, Any, np.ndarray]:
    keras.utils.clear_session()
    ours, theirs = SimpleRNN(4, **arguments), keras.layers.SimpleRNN(4, **arguments)
    x = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")
    ours(x), theirs(x)
    assert [weight.path for weight in ours.weights] == [weight.path for weight in theirs.weights]
    generator = np.random.default_rng(2)
    weights = [generator.normal(size=weight.shape).astype("float32") / 2 for weight in theirs.weights]
    ours.set_weights(weights), theirs.set_weights(weights)
    return ours, theirs, x


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        ({}, {}),
        ({"return_sequences": True}, {}),
        ({"return_sequences": True, "return_state": True}, {}),
        ({"go_backwards": True, "return_sequences": True}, {}),
        ({"use_bias": False}, {}),
        ({"activation": "relu"}, {}),
        ({"activation": "sigmoid", "return_sequences": True}, {}),
        ({"unroll": True}, {}),
        ({"dropout": 0.3, "recurrent_dropout": 0.2}, {}),
        ({}, {"initial_state": START}),
        ({"return_state": True}, {"initial_state": START, "mask": ANYWHERE}),
        ({}, {"mask": AT_THE_END}),
        ({}, {"mask": ANYWHERE}),
        ({"return_sequences": True}, {"mask": AT_THE_END}),
        ({"return_sequences": True}, {"mask": ANYWHERE}),
        ({"return_sequences": True, "go_backwards": True}, {"mask": AT_THE_END}),
        ({"return_sequences": True, "zero_output_for_mask": True}, {"mask": ANYWHERE}),
    ],
)
def test_outputs_and_gradients_are_keras(arguments: dict[str, Any], call: dict[str, Any]) -> None:
    ours, theirs, x = _both(**arguments)
    results = []
    for layer in (ours, theirs):
        inputs = torch.tensor(x, requires_grad=True)
        outputs = layer(inputs, **{name: torch.tensor(value) for name, value in call.items()})
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        sum(output.square().sum() for output in outputs).backward()
        results.append([*outputs, inputs.grad, *(weight.value.grad for weight in layer.trainable_weights)])
    for a, b in zip(*results, strict=True):
        assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_it_keeps_the_layer_contract() -> None:
    check_layer(
        SimpleRNN,
        {"units": 4, "recurrent_initializer": "glorot_uniform"},  # Keras draws no orthogonal matrix in float16
        input_shape=(2, 5, 3),
        output_shape=(2, 4),
        trainable_weights=3,
        seed_generators=1,
        supports_masking=True,
        # Keras's layer forgets its `activity_regularizer`; torch's kernel has no rule for vmap.
        without=["losses of regularizers", "vmap"],
    )


def test_the_penalty_on_the_output_counts() -> None:
    layer = SimpleRNN(4, activity_regularizer="l2")
    output = layer(torch.ones(2, 5, 3))
    assert_close(sum(layer.losses), 0.01 * output.square().sum() / 2)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_it_is_torchs_rnn_with_the_same_weights(activation: str) -> None:
    layer = SimpleRNN(4, activation, return_sequences=True, return_state=True)
    module = torch.nn.RNN(5, 4, batch_first=True, nonlinearity=activation)
    x = torch.randn(3, 7, 5)
    layer(x)
    with torch.no_grad():
        module.weight_ih_l0.copy_(layer.cell.kernel.T)
        module.weight_hh_l0.copy_(layer.cell.recurrent_kernel.T)
        module.bias_ih_l0.copy_(layer.cell.bias)
        module.bias_hh_l0.zero_()
    outputs, last = module(x)
    for a, b in zip(layer(x), (outputs, last[0]), strict=True):
        assert_close(a, b)


@pytest.mark.parametrize(("activation", "is_kernel"), [("tanh", True), ("relu", True), ("sigmoid", False)])
def test_the_kernel_runs_where_it_computes_the_same(
    activation: str, is_kernel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, calls = SimpleRNN(4, activation), []
    run = layer._run_kernel
    monkeypatch.setattr(layer, "_run_kernel", lambda *given: calls.append(given) or run(*given))
    layer(torch.randn(2, 5, 3))
    assert len(calls) == is_kernel


def test_a_stateful_layer_goes_on_where_it_was() -> None:
    ours, theirs, x = _both(stateful=True)
    for layer in (ours, theirs):
        layer.reset_state()
    with torch.no_grad():
        for _ in range(2):
            assert_close(ours(torch.tensor(x)), theirs(torch.tensor(x)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("rates", [(0.5, 0.0), (0.0, 0.5)])
def test_dropout_drops_the_same_in_all_steps_of_a_batch(rates: tuple[float, float], seed: int | None) -> None:
    layer = SimpleRNN(4, dropout=rates[0], recurrent_dropout=rates[1], seed=seed, return_sequences=True)
    x = torch.randn(2, 7, 5)
    assert torch.equal(layer(x, training=False), layer(x, training=False))
    assert not torch.equal(layer(x, training=True), layer(x, training=True))


def test_dropout_takes_features_off_inputs_and_states() -> None:
    cell = SimpleRNNCell(3, dropout=0.5, recurrent_dropout=0.5)
    x, states = torch.randn(2, 4), [torch.randn(2, 3)]
    cell(x, states)
    masks = cell.dropout_masks(x, states)
    inputs, before = x * masks[0], states[0] * masks[1]
    expected = torch.tanh(inputs @ cell.kernel + cell.bias + before @ cell.recurrent_kernel)
    assert_close(cell(x, states, training=True, masks=masks)[0], expected)


@pytest.mark.parametrize("as_list", [True, False])
def test_the_cell_alone_is_keras(as_list: bool) -> None:
    ours, theirs = SimpleRNNCell(4), keras.layers.SimpleRNNCell(4)
    x, state = torch.randn(3, 5), torch.tensor(START)
    states = [state] if as_list else state
    ours(x, states), theirs(x, states)
    ours.set_weights(theirs.get_weights())
    (a, a_state), (b, b_state) = ours(x, states), theirs(x, states)
    assert isinstance(a_state, list) == isinstance(b_state, list) == as_list
    assert_close(a, b, rtol=1e-5, atol=1e-6)
    assert list(ours.get_config()) == list(theirs.get_config())


def test_the_gradients_are_right_in_double_precision() -> None:
    layer = SimpleRNN(3, return_sequences=True, dtype="float64")
    x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    layer(x)
    assert torch.autograd.gradcheck(layer, (x,))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_mixed_precision_computes_in_16_bits(activation: str) -> None:
    layer = SimpleRNN(4, activation, dtype="mixed_bfloat16", return_sequences=True)
    assert layer(torch.randn(2, 5, 3)).dtype == torch.bfloat16
    assert {weight.dtype for weight in layer.weights} == {torch.float32}


@pytest.mark.parametrize("arguments", [{"units": 0}, {"units": 2.5}, {"dropout": 2}, {"recurrent_dropout": -1}])
def test_bad_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="Received"):
        SimpleRNN(**{"units": 4, **arguments})


def test_inputs_and_states_of_other_shapes_are_refused() -> None:
    with pytest.raises(InvalidInputError):
        SimpleRNN(4)(torch.zeros(2, 3))
    with pytest.raises(InvalidInputError, match="states of the sizes"):
        SimpleRNN(4)(torch.zeros(2, 3, 5), initial_state=torch.zeros(2, 3))


def test_settings_are_those_of_the_cell() -> None:
    layer = SimpleRNN(4, dropout=0.25)
    assert (layer.units, layer.dropout, layer.activation) == (4, 0.25, labkeras.activations.tanh)


def test_layers_of_the_family_are_exported() -> None:
    assert {"SimpleRNN", "SimpleRNNCell"} <= set(layers.__all__)
