"""MultiHeadAttention, against Keras."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras import Input, layers, models
from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.layers import MultiHeadAttention
from tests.helpers.keras_pairs import OURS, pair

RNG = np.random.default_rng(0)
MASK = RNG.random((3, 5, 5)) > 0.4
SELF = ((3, 5, 8), (3, 5, 8))

CASES = pytest.mark.parametrize(
    ("arguments", "shapes", "call"),
    [
        ({}, ((3, 5, 8), (3, 7, 6)), {}),
        ({"value_dim": 5, "use_bias": False}, ((3, 5, 8), (3, 7, 6), (3, 7, 9)), {}),
        ({}, ((3, 5, 8), (3, 7, 6)), {"return_attention_scores": True}),
        ({}, SELF, {"use_causal_mask": True}),
        ({}, SELF, {"use_causal_mask": True, "return_attention_scores": True}),
        ({"sliding_window": 2}, SELF, {}),
        ({"sliding_window": 2}, SELF, {"use_causal_mask": True}),
        ({"use_gate": True, "output_shape": 7}, SELF, {}),
        ({"output_shape": (2, 3)}, SELF, {}),
        ({"dropout": 0.5}, SELF, {"attention_mask": MASK}),
        ({}, SELF, {"attention_mask": MASK, "return_attention_scores": True}),
        ({}, SELF, {"attention_mask": MASK[:, None]}),
        ({"flash_attention": True}, SELF, {}),
        ({"attention_axes": (2,)}, ((3, 4, 5, 8), (3, 4, 6, 8)), {}),
        ({"attention_axes": -2}, ((3, 4, 5, 8), (3, 4, 6, 8)), {"return_attention_scores": True}),
        ({"attention_axes": (1, 2)}, ((3, 4, 5, 8), (3, 2, 6, 8)), {}),
        ({}, ((3, 4, 5, 8), (3, 2, 6, 8)), {}),
    ],
)


def _both(arguments: dict[str, Any], shapes: Any) -> tuple[Any, Any, list[np.ndarray]]:
    keras.utils.clear_session()
    arguments = {"num_heads": 2, "key_dim": 4, "bias_initializer": "ones", **arguments}
    ours = MultiHeadAttention(**arguments)
    # Keras refuses flash attention on a machine without it.
    theirs = keras.layers.MultiHeadAttention(**{**arguments, "flash_attention": None})
    inputs = [np.random.default_rng(1).normal(size=shape).astype("float32") for shape in shapes]
    ours(*inputs), theirs(*inputs)
    assert [weight.path for weight in ours.weights] == [weight.path for weight in theirs.weights]
    ours.set_weights(theirs.get_weights())
    return ours, theirs, inputs


@CASES
def test_outputs_and_gradients_are_keras(arguments: dict[str, Any], shapes: Any, call: dict[str, Any]) -> None:
    ours, theirs, inputs = _both(arguments, shapes)
    results = []
    for layer in (ours, theirs):
        tensors = [torch.tensor(array, requires_grad=True) for array in inputs]
        options = {name: torch.tensor(value) if name == "attention_mask" else value for name, value in call.items()}
        outputs = layer(*tensors, **options)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        sum(output.square().sum() for output in outputs).backward()
        grads = [tensor.grad for tensor in tensors] + [weight.value.grad for weight in layer.trainable_weights]
        results.append([*outputs, *grads])
    for a, b in zip(*results, strict=True):
        # Gradients go up to some 20; that of the key's bias is zero but for rounding.
        assert_close(a, b, rtol=1e-4, atol=1e-4)


@CASES
def test_placeholders_have_the_shapes_of_the_results(
    arguments: dict[str, Any], shapes: Any, call: dict[str, Any]
) -> None:
    layer = MultiHeadAttention(num_heads=2, key_dim=4, **arguments)
    call = {name: torch.tensor(value) if name == "attention_mask" else value for name, value in call.items()}
    flags = {name: value for name, value in call.items() if name != "attention_mask"}
    symbolic = layer(*(Input(batch_shape=shape) for shape in shapes), **flags)
    outputs = layer(*(torch.zeros(shape) for shape in shapes), **call)
    pairs = zip(symbolic, outputs, strict=True) if isinstance(outputs, tuple) else [(symbolic, outputs)]
    for placeholder, output in pairs:
        assert placeholder.shape == tuple(output.shape)


def test_the_config_is_keras() -> None:
    ours, theirs, _ = _both({"dropout": 0.1, "kernel_regularizer": "l2", "seed": 3}, SELF)
    config = ours.get_config()
    assert set(config) == set(theirs.get_config())
    plain = {name: value for name, value in theirs.get_config().items() if not isinstance(value, dict)}
    assert {name: config[name] for name in plain} == plain
    again = MultiHeadAttention.from_config(config)
    assert again.get_config() == config


def test_masks_of_embeddings_are_joined_as_in_keras() -> None:
    def make(package: Any) -> Any:
        query = package.Input((5,), dtype="int64")
        value = package.Input((7,), dtype="int64")
        embedding = package.layers.Embedding(20, 8, mask_zero=True)
        attention = package.layers.MultiHeadAttention(2, 4)
        attended = attention(embedding(query), embedding(value))
        pooled = package.layers.GlobalAveragePooling1D()(attended)
        return package.Model([query, value], [pooled, attended])

    ours, theirs = pair(make)
    query, value = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 0, 0]]), np.array([[6, 7, 8, 0, 0, 0, 0], [9] * 7])
    for a, b in zip(ours.predict([query, value], verbose=0), theirs.predict([query, value], verbose=0), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_block_trains_as_in_keras_and_files_go_both_ways(tmp_path: Path) -> None:
    def make(package: Any) -> Any:
        x = package.Input((6, 8))
        attended = package.layers.MultiHeadAttention(2, 4, use_gate=True, name="mha")(x, x)
        summed = package.layers.LayerNormalization(name="norm")(package.layers.Add(name="add")([x, attended]))
        return package.Model(x, package.layers.GlobalAveragePooling1D(name="mean")(summed))

    x, y = RNG.normal(size=(20, 6, 8)).astype("float32"), RNG.normal(size=(20, 8)).astype("float32")
    ours, theirs = pair(make, optimizer="adam", loss="mse")
    histories = [model.fit(x, y, epochs=3, batch_size=5, shuffle=False, verbose=0).history for model in (ours, theirs)]
    assert histories[0]["loss"] == pytest.approx(histories[1]["loss"], rel=1e-4)
    theirs.save(tmp_path / "theirs.keras")
    loaded = models.load_model(tmp_path / "theirs.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-5)
    ours.save(tmp_path / "ours.keras")
    back = keras.models.load_model(tmp_path / "ours.keras")
    np.testing.assert_allclose(back.predict(x, verbose=0), ours.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


def test_files_with_dropout_go_both_ways(tmp_path: Path) -> None:
    def make(package: Any) -> Any:
        x = package.Input((6, 8))
        return package.Model(x, package.layers.MultiHeadAttention(2, 4, dropout=0.5, seed=1, name="mha")(x, x))

    ours, theirs = pair(make)
    x = RNG.normal(size=(3, 6, 8)).astype("float32")
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.load_weights(tmp_path / "ours.weights.h5")
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", [None, 5])
def test_dropout_drops_in_training_alone(seed: int | None) -> None:
    layer = MultiHeadAttention(2, 4, dropout=0.5, seed=seed)
    x = torch.randn(3, 5, 8)
    assert torch.equal(layer(x, x, training=False), layer(x, x, training=False))
    assert not torch.equal(layer(x, x, training=True), layer(x, x, training=True))


def test_a_query_mask_that_is_given_counts() -> None:
    layer, x = MultiHeadAttention(2, 4), torch.randn(2, 3, 8)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    expected = layer(x, x, attention_mask=mask[:, :, None].expand(2, 3, 3))
    assert_close(layer(x, x, query_mask=mask), expected)


def test_a_subclass_may_bring_its_own_attention() -> None:
    class Mean(MultiHeadAttention):
        def _compute_attention(self, query: Any, key: Any, value: Any, *masks: Any, **flags: Any) -> Any:
            return value.mean(1, keepdim=True).expand_as(value), None

    x = torch.randn(3, 5, 8)
    outputs = Mean(2, 4)(x, x)
    assert_close(outputs[:, 0], outputs[:, 1])


def test_it_compiles_in_one_piece() -> None:
    layer = MultiHeadAttention(2, 4)
    x = torch.randn(3, 5, 8)
    layer(x, x)
    assert_close(torch.compile(layer, fullgraph=True, backend="aot_eager")(x, x), layer(x, x))


def test_bfloat16_policies_compute_in_it() -> None:
    layer = MultiHeadAttention(2, 4, dtype="mixed_bfloat16")
    outputs = layer(torch.randn(3, 5, 8), torch.randn(3, 7, 8))
    assert outputs.dtype == torch.bfloat16
    assert {weight.dtype for weight in layer.weights} == {torch.float32}


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_heads": 0},
        {"key_dim": -1},
        {"value_dim": 0},
        {"output_shape": "8"},
        {"attention_axes": 1.5},
        {"sliding_window": 0},
        {"dropout": 0.5, "flash_attention": True},
    ],
)
def test_bad_arguments_are_refused_as_in_keras(arguments: dict[str, Any]) -> None:
    arguments = {"num_heads": 2, "key_dim": 4, **arguments}
    with pytest.raises(InvalidArgumentError, match="Received"):
        MultiHeadAttention(**arguments)


def test_shapes_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="keys and values of the same shape"):
        MultiHeadAttention(2, 4)(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4), torch.zeros(2, 5, 4))
    with pytest.raises(InvalidInputError, match="need a batch, positions and features"):
        MultiHeadAttention(2, 4)(torch.zeros(2, 4), torch.zeros(2, 4))


def test_it_is_found_by_name() -> None:
    assert OURS.layers.MultiHeadAttention is layers.MultiHeadAttention
