"""GRU and GRUCell, against Keras and torch."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.testing import assert_close

import labkeras
from labkeras import Input, layers, models
from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.layers import GRU, RNN, GRUCell
from tests.helpers.check_layer import check_layer
from tests.helpers.keras_pairs import pair

AT_THE_END = np.array([[1, 1, 1, 0, 0, 0, 0], [1] * 7, [1, 1, 0, 0, 0, 0, 0]], bool)
ANYWHERE = np.array([[1, 0, 1, 0, 0, 1, 0], [0] * 7, [0, 1, 0, 0, 0, 0, 1]], bool)
NOTHING = np.array([[1, 1, 0, 0, 0, 0, 0], [0] * 7, [1] * 7], bool)
START = np.random.default_rng(1).normal(size=(3, 4)).astype("float32")


def _both(**arguments: Any) -> tuple[Any, Any, np.ndarray]:
    keras.utils.clear_session()
    ours, theirs = GRU(4, **arguments), keras.layers.GRU(4, **arguments)
    x = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")
    ours(x), theirs(x)
    assert [weight.path for weight in ours.weights] == [weight.path for weight in theirs.weights]
    generator = np.random.default_rng(2)
    # Biases begin at zero, where two that are mixed up would not show.
    weights = [generator.normal(size=weight.shape).astype("float32") / 2 for weight in theirs.weights]
    ours.set_weights(weights), theirs.set_weights(weights)
    return ours, theirs, x


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        ({}, {}),
        ({"return_sequences": True}, {}),
        ({"return_state": True}, {}),
        ({"return_sequences": True, "return_state": True}, {}),
        ({"go_backwards": True, "return_sequences": True}, {}),
        ({"use_bias": False}, {}),
        ({"activation": "relu"}, {}),
        ({"recurrent_activation": "hard_sigmoid", "return_sequences": True}, {}),
        ({"unroll": True}, {}),
        ({"use_cudnn": False}, {}),
        ({"dropout": 0.3, "recurrent_dropout": 0.2}, {}),
        ({}, {"initial_state": START}),
        ({}, {"initial_state": [START]}),
        ({"return_state": True}, {"initial_state": START, "mask": ANYWHERE}),
        ({}, {"mask": AT_THE_END}),
        ({}, {"mask": ANYWHERE}),
        ({}, {"mask": NOTHING}),
        ({"return_sequences": True}, {"mask": AT_THE_END}),
        ({"return_sequences": True}, {"mask": ANYWHERE}),
        ({"return_sequences": True}, {"mask": NOTHING}),
        ({"return_sequences": True, "return_state": True}, {"mask": AT_THE_END}),
        ({"return_sequences": True, "go_backwards": True}, {"mask": AT_THE_END}),
        ({"return_sequences": True, "zero_output_for_mask": True}, {"mask": ANYWHERE}),
    ],
)
def test_outputs_and_gradients_are_keras(arguments: dict[str, Any], call: dict[str, Any], reset_after: bool) -> None:
    ours, theirs, x = _both(reset_after=reset_after, **arguments)
    results = []
    for layer in (ours, theirs):
        inputs = torch.tensor(x, requires_grad=True)
        outputs = layer(inputs, **{name: _tensors(value) for name, value in call.items()})
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        sum(output.square().sum() for output in outputs).backward()
        results.append([*outputs, inputs.grad, *(weight.value.grad for weight in layer.trainable_weights)])
    for a, b in zip(*results, strict=True):
        assert_close(a, b, rtol=1e-4, atol=1e-5)


def _tensors(value: Any) -> Any:
    return [torch.tensor(one) for one in value] if isinstance(value, list) else torch.tensor(value)


@pytest.mark.parametrize("reset_after", [True, False])
def test_it_keeps_the_layer_contract(reset_after: bool) -> None:
    check_layer(
        GRU,
        # Keras draws no orthogonal matrix in float16
        {"units": 4, "recurrent_initializer": "glorot_uniform", "reset_after": reset_after},
        input_shape=(2, 5, 3),
        output_shape=(2, 4),
        trainable_weights=3,
        seed_generators=1,
        supports_masking=True,
        without=["vmap"],  # torch's kernel has no rule for it
    )


def test_it_is_torchs_gru_with_the_same_weights() -> None:
    layer, module = GRU(4, return_sequences=True, return_state=True), torch.nn.GRU(5, 4, batch_first=True)
    x = torch.randn(3, 7, 5)
    layer(x)
    layer.set_weights([np.random.default_rng(0).normal(size=weight.shape) for weight in layer.weights])
    order = [*range(4, 8), *range(4), *range(8, 12)]  # torch's rows: reset, keep, candidate
    with torch.no_grad():
        module.weight_ih_l0.copy_(layer.cell.kernel.T[order])
        module.weight_hh_l0.copy_(layer.cell.recurrent_kernel.T[order])
        module.bias_ih_l0.copy_(layer.cell.bias[0, order])
        module.bias_hh_l0.copy_(layer.cell.bias[1, order])
    outputs, last = module(x)
    for a, b in zip(layer(x), (outputs, last[0]), strict=True):
        assert_close(a, b)


@pytest.mark.parametrize(
    ("arguments", "is_kernel"),
    [
        ({}, True),
        ({"use_bias": False, "go_backwards": True, "unroll": True}, True),
        ({"reset_after": False}, False),
        ({"activation": "relu"}, False),
        ({"use_cudnn": False}, False),
    ],
)
def test_the_kernel_runs_where_it_computes_the_same(
    arguments: dict[str, Any], is_kernel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, calls = GRU(4, **arguments), []
    run = layer._run_kernel
    monkeypatch.setattr(layer, "_run_kernel", lambda *given: calls.append(given) or run(*given))
    layer(torch.randn(2, 5, 3))
    assert len(calls) == is_kernel


def test_a_stateful_layer_goes_on_where_it_was() -> None:
    ours, theirs, x = _both(stateful=True, return_sequences=True)
    for layer in (ours, theirs):
        layer.reset_state()
    with torch.no_grad():
        for _ in range(2):
            assert_close(ours(torch.tensor(x)), theirs(torch.tensor(x)), rtol=1e-4, atol=1e-5)
        first = ours(torch.tensor(x))
        ours.reset_state()
        assert not torch.equal(ours(torch.tensor(x)), first)
    with pytest.raises(InvalidInputError, match="has states of 3 samples"):
        ours(torch.zeros(2, 7, 5))


def test_an_encoder_hands_its_state_to_a_decoder_as_in_keras() -> None:
    def make(package: Any) -> Any:
        source, target = package.Input((7, 5)), package.Input((4, 3))
        _, state = package.layers.GRU(6, return_state=True)(source)
        decoded = package.layers.GRU(6, return_sequences=True)(target, initial_state=state)
        return package.Model([source, target], package.layers.Dense(2)(decoded))

    ours, theirs = pair(make)
    generator = np.random.default_rng(0)
    x = [generator.normal(size=shape).astype("float32") for shape in ((3, 7, 5), (3, 4, 3))]
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-5)
    again = models.Model.from_config(ours.get_config())
    again.set_weights(ours.get_weights())
    np.testing.assert_allclose(again.predict(x, verbose=0), ours.predict(x, verbose=0), rtol=1e-6)


@pytest.mark.parametrize("reset_after", [True, False])
def test_a_masked_model_trains_as_in_keras_and_files_go_both_ways(reset_after: bool, tmp_path: Path) -> None:
    def make(package: Any) -> Any:
        return package.Sequential(
            [
                package.layers.Input((9,), dtype="int64"),
                package.layers.Embedding(20, 6, mask_zero=True, name="embedding"),
                package.layers.GRU(5, return_sequences=True, reset_after=reset_after, name="first"),
                package.layers.GRU(4, reset_after=reset_after, name="second"),
                package.layers.Dense(3, activation="softmax", name="dense"),
            ]
        )

    generator = np.random.default_rng(0)
    x, y = generator.integers(1, 20, (40, 9)), generator.integers(0, 3, 40)
    for row, length in enumerate(generator.integers(1, 10, 40)):
        x[row, length:] = 0
    ours, theirs = pair(make, optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    arguments: dict[str, Any] = {"epochs": 3, "batch_size": 10, "shuffle": False, "verbose": 0}
    histories = [model.fit(x, y, **arguments).history for model in (ours, theirs)]
    assert histories[0]["loss"] == pytest.approx(histories[1]["loss"], rel=1e-4)
    theirs.save(tmp_path / "theirs.keras")
    loaded = models.load_model(tmp_path / "theirs.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-5)
    ours.save(tmp_path / "ours.keras")
    back = keras.models.load_model(tmp_path / "ours.keras")
    np.testing.assert_allclose(back.predict(x, verbose=0), ours.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("rates", [(0.5, 0.0), (0.0, 0.5), (0.4, 0.4)])
@pytest.mark.parametrize("reset_after", [True, False])
def test_dropout_drops_in_training_alone(rates: tuple[float, float], seed: int | None, reset_after: bool) -> None:
    layer = GRU(4, dropout=rates[0], recurrent_dropout=rates[1], seed=seed, reset_after=reset_after)
    x = torch.randn(2, 7, 5)
    assert torch.equal(layer(x, training=False), layer(x, training=False))
    assert not torch.equal(layer(x, training=True), layer(x, training=True))


@pytest.mark.parametrize("reset_after", [True, False])
def test_dropout_of_the_states_takes_a_part_from_each_gate(reset_after: bool) -> None:
    layer = GRU(3, recurrent_dropout=0.5, reset_after=reset_after)
    x, states = torch.randn(2, 3), [torch.randn(2, 3)]
    layer(x[:, None])
    cell = layer.cell
    mask = cell.dropout_masks(x, states)[1]
    keep, reset, own = mask.chunk(3, -1)
    k, r = cell.recurrent_kernel, [states[0] * part for part in (keep, reset, own)]
    x_keep, x_reset, x_own = cell.project(x, None).chunk(3, -1)
    keep = torch.sigmoid(x_keep + r[0] @ k[:, :3])
    reset = torch.sigmoid(x_reset + r[1] @ k[:, 3:6])
    own = reset * (r[2] @ k[:, 6:]) if reset_after else (reset * r[2]) @ k[:, 6:]
    expected = keep * states[0] + (1 - keep) * torch.tanh(x_own + own)
    assert_close(cell(x, states, training=True, masks=(None, mask))[0], expected)


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("as_list", [True, False])
def test_the_cell_alone_is_keras(as_list: bool, reset_after: bool) -> None:
    ours, theirs = GRUCell(4, reset_after=reset_after), keras.layers.GRUCell(4, reset_after=reset_after)
    x, state = torch.randn(3, 5), torch.tensor(START)
    states = [state] if as_list else state
    ours(x, states), theirs(x, states)
    weights = [np.random.default_rng(0).normal(size=weight.shape) for weight in theirs.weights]
    ours.set_weights(weights), theirs.set_weights(weights)
    (a, a_state), (b, b_state) = ours(x, states), theirs(x, states)
    assert isinstance(a_state, list) == isinstance(b_state, list) == as_list
    assert_close(a, b, rtol=1e-5, atol=1e-6)
    assert_close(a_state, b_state, rtol=1e-5, atol=1e-6)
    assert list(ours.get_config()) == list(theirs.get_config())


def test_cells_are_stacked_as_in_keras() -> None:
    keras.utils.clear_session()
    ours, theirs = (
        kind(cells) for kind, cells in ((RNN, [GRUCell(4), GRUCell(3)]), (keras.layers.RNN, _stacked_in_keras()))
    )
    x = torch.randn(3, 6, 5)
    ours(x), theirs(x)
    ours.set_weights(theirs.get_weights())
    assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)


def _stacked_in_keras() -> Any:
    return [keras.layers.GRUCell(4), keras.layers.GRUCell(3)]


@pytest.mark.parametrize("reset_after", [True, False])
def test_the_gradients_are_right_in_double_precision(reset_after: bool) -> None:
    layer = GRU(3, return_sequences=True, dtype="float64", reset_after=reset_after)
    x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    layer(x)
    assert torch.autograd.gradcheck(layer, (x,))


@pytest.mark.parametrize("use_cudnn", ["auto", False])
def test_mixed_precision_computes_in_16_bits(use_cudnn: Any) -> None:
    layer = GRU(4, dtype="mixed_bfloat16", return_sequences=True, use_cudnn=use_cudnn)
    outputs = layer(torch.randn(2, 5, 3))
    assert outputs.dtype == torch.bfloat16
    assert {weight.dtype for weight in layer.weights} == {torch.float32}


@pytest.mark.slow
@pytest.mark.parametrize("use_cudnn", ["auto", False])
def test_it_compiles_in_one_piece(use_cudnn: Any) -> None:
    layer = GRU(4, use_cudnn=use_cudnn)
    x = torch.randn(2, 5, 3)
    layer(x)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert_close(compiled(x), layer(x))


@pytest.mark.parametrize(
    "arguments",
    [{"units": 0}, {"units": 2.5}, {"dropout": 2}, {"use_cudnn": "yes"}],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="Received"):
        GRU(**{"units": 4, **arguments})


@pytest.mark.parametrize("arguments", [{"activation": "relu"}, {"reset_after": False}])
def test_the_kernel_cannot_be_forced_where_it_does_not_compute_this(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="cannot use torch's kernel"):
        GRU(4, use_cudnn=True, **arguments)(torch.zeros(2, 3, 4))


def test_inputs_and_states_of_other_shapes_are_refused() -> None:
    with pytest.raises(InvalidInputError):
        GRU(4)(torch.zeros(2, 3))
    with pytest.raises(InvalidInputError, match="states of the sizes"):
        GRU(4)(torch.zeros(2, 3, 5), initial_state=torch.zeros(2, 3))
    with pytest.raises(InvalidInputError, match="belong to the samples of a batch"):
        GRU(4, stateful=True)(Input((7, 5)))


def test_settings_are_those_of_the_cell() -> None:
    layer = GRU(4, dropout=0.25, reset_after=False)
    assert (layer.units, layer.dropout, layer.activation) == (4, 0.25, labkeras.activations.tanh)
    assert not layer.reset_after
    with pytest.raises(AttributeError):
        _ = layer.nonsense


def test_layers_of_the_family_are_exported() -> None:
    assert {"GRU", "GRUCell"} <= set(layers.__all__)
