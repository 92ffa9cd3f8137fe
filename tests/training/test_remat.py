"""RematScope and remat: less is kept for the backward pass, and nothing else is different."""

import contextlib
import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import labkeras
from labkeras import RematScope, layers, naming, remat
from labkeras.errors import InvalidArgumentError
from labkeras.random import set_random_seed

_IMAGES = np.random.default_rng(0).random((24, 6, 6, 3), dtype=np.float32)
_CLASSES = np.arange(24) % 3


def _image_model(dtype: str | None = None) -> labkeras.Model:
    """With all that a second run could spoil: moving averages, seeds, both kinds of dropout, added losses."""
    inputs = labkeras.Input((6, 6, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="gelu", kernel_regularizer="l2", dtype=dtype)(inputs)
    x = layers.BatchNormalization(dtype=dtype)(x)
    x = layers.Dropout(0.3, seed=3, dtype=dtype)(x)
    x = layers.Conv2D(8, 3, padding="same", activation="gelu", activity_regularizer="l2", dtype=dtype)(x)
    x = layers.BatchNormalization(renorm=True, dtype=dtype)(x)
    x = layers.Dropout(0.3, dtype=dtype)(x)
    x = layers.GlobalAveragePooling2D(dtype=dtype)(x)
    return labkeras.Model(inputs, layers.Dense(3, dtype=dtype)(x))


def _made(make: Callable[[], Any], scope: RematScope | None) -> Any:
    naming.clear_names()
    set_random_seed(1)
    with scope or contextlib.nullcontext():
        return make()


def _kept(model: Any, x: Any) -> int:
    """The number of values that a training call keeps for the backward pass, weights left out."""
    weights = {weight.data_ptr() for weight in model.parameters()}
    saved = _saved(lambda: model(torch.tensor(x), training=True))
    kept = {tensor.data_ptr(): tensor.numel() for tensor in saved if tensor.data_ptr() not in weights}
    return sum(kept.values())


def _saved(run: Callable[[], Any]) -> list[Tensor]:
    """The tensors that `run` keeps for the backward pass."""
    saved: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run()
    return saved


def _one_step(model: Any, x: Any) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """The loss, the gradients, and all that the model keeps, after a training call and its backward pass."""
    set_random_seed(2)
    outputs = model(torch.tensor(x), training=True)
    loss = outputs.float().square().mean() + sum(model.losses)
    loss.backward()
    grads = [weight.grad for weight in model.parameters() if weight.grad is not None]
    return loss.detach(), grads, [buffer.detach().clone() for buffer in model.buffers()]


def _assert_same_step(one: Any, other: Any, x: Any) -> None:
    (loss, grads, state), (their_loss, their_grads, their_state) = _one_step(one, x), _one_step(other, x)
    assert torch.equal(loss, their_loss)
    assert len(grads) == len(their_grads) == len(list(other.parameters()))
    for mine, theirs in zip([*grads, *state], [*their_grads, *their_state], strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    "scope",
    [
        RematScope(),
        RematScope("activations"),
        RematScope("larger_than", output_size_threshold=5000),
        RematScope("list_of_layers", layer_names=["conv2d_1", "batch_normalization", "dropout"]),
        RematScope(None),
    ],
    ids=repr,
)
@pytest.mark.parametrize("dtype", [None, "mixed_bfloat16"])
def test_losses_gradients_and_state_are_those_without_a_scope(scope: RematScope, dtype: str | None) -> None:
    plain = _made(lambda: _image_model(dtype), None)
    scoped = _made(lambda: _image_model(dtype), scope)
    _assert_same_step(plain, scoped, _IMAGES)


@pytest.mark.parametrize("trainer", [None, {"accumulate_grad_batches": 2}, {"precision": "bf16-mixed"}])
def test_fit_gives_the_same_losses_and_weights(trainer: dict[str, Any] | None) -> None:
    results = []
    for scope in (None, RematScope()):
        model = _made(_image_model, scope)
        model.compile("adam", "mse", metrics=["mae"])
        set_random_seed(3)
        targets = np.eye(3, dtype=np.float32)[_CLASSES]
        history = model.fit(_IMAGES, targets, batch_size=8, epochs=3, verbose=0, validation_split=0.25, trainer=trainer)
        results.append((history.history, [variable.numpy() for variable in model.variables]))
    (history, variables), (their_history, their_variables) = results
    assert history == their_history
    for one, other in zip(variables, their_variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_full_keeps_less() -> None:
    def deep() -> labkeras.Model:
        return labkeras.Sequential([layers.Dense(64, activation=_wavy) for _ in range(6)])

    x = np.ones((32, 64), np.float32)
    plain, scoped = _made(deep, None), _made(deep, RematScope())
    plain(x), scoped(x)
    # Each layer has its input, the sum, and three inner results of the activation; with the scope, its input alone.
    assert _kept(scoped, x) == 6 * x.size
    assert _kept(plain, x) >= 3 * _kept(scoped, x)


def test_activations_keeps_what_the_activation_is_given_and_nothing_of_its_inside() -> None:
    def deep() -> labkeras.Model:
        return labkeras.Sequential([layers.Dense(64, activation=_wavy) for _ in range(4)])

    x = np.ones((32, 64), np.float32)
    plain, scoped = _made(deep, None), _made(deep, RematScope("activations"))
    plain(x), scoped(x)
    assert _kept(scoped, x) == 8 * x.size
    assert _kept(scoped, x) < _kept(plain, x)
    assert all(layer.activation is _wavy for layer in scoped.layers)


def test_larger_than_counts_the_values_of_the_whole_batch() -> None:
    def layer() -> Any:
        return layers.Dense(4, activation=_wavy)

    scoped = _made(layer, RematScope("larger_than", output_size_threshold=40))
    plain = _made(layer, None)
    for rows, is_larger in ((10, False), (11, True), (10, False)):
        x = np.ones((rows, 4), np.float32)
        scoped(x), plain(x)
        assert (_kept(scoped, x) < _kept(plain, x)) is is_larger


def test_larger_than_runs_layers_without_a_rule_for_shapes_to_find_their_size() -> None:
    class Twice(layers.Layer):
        def call(self, inputs: Tensor) -> dict[str, Tensor]:
            return {"a": _wavy(inputs), "b": inputs}

    for threshold, is_again in ((39, True), (40, False)):
        layer = _made(Twice, RematScope("larger_than", output_size_threshold=threshold))
        x = torch.ones(4, 5, requires_grad=True)
        kept = _saved(lambda x=x, layer=layer: layer(x))
        assert (sum(tensor.numel() for tensor in kept) == 20) is is_again


def test_only_named_layers_compute_again() -> None:
    calls: list[str] = []

    class Noting(layers.Layer):
        def call(self, inputs: Tensor) -> Tensor:
            calls.append(self.name)
            return _wavy(inputs)

    with RematScope("list_of_layers", layer_names=["second"]):
        model = labkeras.Sequential([Noting(name="first"), Noting(name="second"), Noting(name="third")])
    x = torch.ones(2, 3, requires_grad=True)
    model(x)
    calls.clear()
    model(x).sum().backward()
    assert calls == ["first", "second", "third", "second"]


def test_a_layer_computes_again_with_all_that_is_in_it() -> None:
    class Block(layers.Layer):
        def __init__(self, **base: Any) -> None:
            super().__init__(**base)
            self.first = layers.Dense(16, activation=_wavy)
            self.dropout = layers.Dropout(0.4, seed=1)
            self.norm = layers.BatchNormalization()
            self.of_torch = torch.nn.Sequential(torch.nn.BatchNorm1d(16), torch.nn.Dropout(0.5))

        def call(self, inputs: Tensor, training: bool = False) -> Tensor:
            x = self.norm(self.dropout(self.first(inputs)))
            self.add_loss(0.1 * x.square().mean())
            return self.of_torch(x) if training else x

    x = np.random.default_rng(1).random((12, 16), dtype=np.float32)

    def build() -> labkeras.Model:
        inputs = labkeras.Input((16,))
        return labkeras.Model(inputs, Block()(Block()(inputs)))

    plain, scoped = _made(build, None), _made(build, RematScope())
    _assert_same_step(plain, scoped, x)
    # Two inputs, and what the losses keep of their own is computed again as well.
    assert _kept(scoped, x) < _kept(plain, x) / 3


def test_a_model_within_a_model_computes_again_layer_by_layer_unless_it_is_named() -> None:
    def nested() -> labkeras.Model:
        inner = labkeras.Sequential([layers.Dense(32, activation=_wavy) for _ in range(4)], name="inner")
        return labkeras.Sequential([labkeras.Input((32,)), inner, layers.Dense(1)])

    x = np.random.default_rng(2).random((8, 32), dtype=np.float32)
    plain = _made(nested, None)
    full = _made(nested, RematScope())
    named = _made(nested, RematScope("list_of_layers", layer_names=["inner"]))
    assert _kept(full, x) == 5 * x.size
    assert _kept(named, x) == 2 * x.size
    for scoped in (full, named):
        _assert_same_step(_made(nested, None), scoped, x)
    assert _kept(plain, x) > _kept(full, x)


def test_the_innermost_scope_counts() -> None:
    with RematScope("full"):
        with RematScope(None):
            without = layers.Dense(1)
        within = layers.Dense(1)
    after = layers.Dense(1)
    assert [layer._remat is not None for layer in (without, within, after)] == [False, True, False]


def test_a_scope_is_left_when_an_error_leaves_it() -> None:
    with pytest.raises(ZeroDivisionError), RematScope():
        _ = 1 / 0
    assert layers.Dense(1)._remat is None


def test_nothing_is_computed_twice_where_there_is_no_gradient() -> None:
    calls = []

    class Noting(layers.Layer):
        def call(self, inputs: Tensor) -> Tensor:
            calls.append(torch.is_grad_enabled())
            return inputs * 2

    with RematScope():
        layer = Noting()
    with torch.no_grad():
        layer(torch.ones(2))
    assert calls == [False]


def test_a_third_run_sees_what_the_first_one_saw() -> None:
    model = _made(lambda: labkeras.Sequential([layers.Dropout(0.5, seed=1), layers.Dense(4)]), RematScope())
    x = torch.ones(3, 4, requires_grad=True)
    model(x)
    loss = model(x, training=True).square().sum()
    (first,) = torch.autograd.grad(loss, x, retain_graph=True)
    (second,) = torch.autograd.grad(loss, x)
    assert torch.equal(first, second)


def test_layers_in_a_scope_are_copied_and_pickled_with_it() -> None:
    model = _made(_image_model, RematScope())
    kept = _kept(model, _IMAGES)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert _kept(other, _IMAGES) == kept
        forward = other.layers[1].forward
        assert forward.__self__ is other.layers[1]


def test_a_config_does_not_know_of_scopes() -> None:
    with RematScope():
        layer = layers.Dense(2)
    assert layers.Dense.from_config(layer.get_config())._remat is None


def test_a_layer_of_elsewhere_is_called_in_a_scope_with_a_warning() -> None:
    layer = layers.Dense(2, name="head")
    with RematScope(), pytest.warns(UserWarning, match="'head' .* was made outside of it"):
        layer(labkeras.Input((3,)))


def test_wrong_modes_are_named() -> None:
    with pytest.raises(InvalidArgumentError, match=r"Did you mean 'full'\? Received: mode='ful'"):
        RematScope("ful")
    assert repr(eval(repr(RematScope("larger_than", 5)))) == repr(RematScope("larger_than", 5))


# --- remat --------------------------------------------------------------------------------------------------------


def test_remat_of_a_function_keeps_its_arguments_alone() -> None:
    x = torch.rand(50, requires_grad=True)
    again = remat(_wavy)
    assert again.__name__ == "_wavy"
    assert sum(tensor.numel() for tensor in _saved(lambda: again(x))) == 50
    again(x).sum().backward()
    other = x.detach().clone().requires_grad_()
    _wavy(other).sum().backward()
    assert torch.equal(x.grad, other.grad)  # type: ignore[arg-type]


def test_remat_watches_the_layers_that_a_function_calls() -> None:
    def build() -> tuple[Any, Any]:
        return layers.BatchNormalization(renorm=True), layers.Dropout(0.5, seed=4)

    results = []
    for wrap in (lambda f: f, remat):
        norm, dropout = _made(build, None)

        @wrap
        def block(x: Tensor, *, scale: float, norm: Any = norm, dropout: Any = dropout) -> Tensor:
            return _wavy(dropout(norm(x, training=True), training=True)) * scale

        x = torch.tensor(_IMAGES[:, 0, 0], requires_grad=True)
        norm(x.detach())
        block(x, scale=2.0).sum().backward()
        block(x, scale=2.0).sum().backward()
        results.append((x.grad, *norm.buffers(), *dropout.buffers(), norm.gamma.grad))
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_remat_of_a_layer_and_of_a_method_within_one() -> None:
    class Inside(layers.Layer):
        def __init__(self, wrap: Any, **base: Any) -> None:
            super().__init__(**base)
            self.dropout = layers.Dropout(0.5, seed=4)
            self.again = wrap(self._inner)

        def _inner(self, x: Tensor) -> Tensor:
            return _wavy(self.dropout(x))

        def call(self, inputs: Tensor, training: bool = False) -> Tensor:
            return self.again(inputs)  # type: ignore[no-any-return]

    x = np.random.default_rng(3).random((4, 5), dtype=np.float32)

    def build(wrap: Any) -> labkeras.Model:
        return labkeras.Sequential([labkeras.Input((5,)), layers.Dense(5), Inside(wrap), layers.Dense(2)])

    plain, again = _made(lambda: build(lambda f: f), None), _made(lambda: build(remat), None)
    _assert_same_step(plain, again, x)
    assert _kept(again, x) < _kept(plain, x)
    layer = plain.layers[0]
    assert torch.equal(remat(layer)(x), layer(x))


def test_remat_on_placeholders_records_what_the_function_calls() -> None:
    inputs = labkeras.Input((3,))
    dense = layers.Dense(2)
    model = labkeras.Model(inputs, remat(lambda x: torch.relu(dense(x)))(inputs))
    assert dense in model.layers
    assert model(np.ones((1, 3), np.float32)).shape == (1, 2)


# --- torch.compile --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["full", "larger_than", "activations"])
def test_compiled_in_one_graph_it_is_the_same(mode: str) -> None:
    def build() -> labkeras.Model:
        inputs = labkeras.Input((6, 6, 3))
        x = layers.Conv2D(8, 3, padding="same", activation="gelu")(inputs)
        x = layers.BatchNormalization()(x)
        x = layers.Dropout(0.3, seed=3)(x)
        x = layers.Conv2D(8, 3, activation="gelu", activity_regularizer="l2")(x)
        return labkeras.Model(inputs, layers.GlobalAveragePooling2D()(x))

    plain = _made(build, None)
    scoped = _made(build, RematScope(mode))
    torch._dynamo.reset()
    compiled = torch.compile(scoped, backend="aot_eager", fullgraph=True)
    x = torch.tensor(_IMAGES)
    for model in (plain, compiled):
        model(x, training=True).square().mean().backward()
    for one, other in zip(
        [*(weight.grad for weight in plain.parameters()), *plain.buffers()],
        [*(weight.grad for weight in scoped.parameters()), *scoped.buffers()],
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_with_jit_compile_it_is_the_same() -> None:
    def build() -> labkeras.Model:
        inputs = labkeras.Input((6,))
        x = layers.Dropout(0.3)(layers.Dense(16, activation="gelu")(inputs))
        return labkeras.Model(inputs, layers.Dense(3)(x))

    x, y = _IMAGES[:, 0, :2].reshape(24, 6), np.eye(3, dtype=np.float32)[_CLASSES]
    losses = []
    for scope in (None, RematScope()):
        model = _made(build, scope)
        model.compile("sgd", "mse", jit_compile=True)
        set_random_seed(3)
        losses.append(model.fit(x, y, batch_size=8, epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)


@pytest.mark.slow
def test_compiled_it_keeps_less() -> None:
    def build() -> labkeras.Model:
        return labkeras.Sequential([labkeras.Input((64,)), *(layers.Dense(64, activation=_wavy) for _ in range(4))])

    x = np.ones((32, 64), np.float32)
    kept = []
    for scope in (None, RematScope()):
        model = _made(build, scope)
        torch._dynamo.reset()
        compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
        compiled(torch.tensor(x), training=True)
        weights = {weight.data_ptr() for weight in model.parameters()}
        saved = _saved(lambda compiled=compiled: compiled(torch.tensor(x), training=True))
        kept.append(sum(tensor.numel() for tensor in saved if tensor.data_ptr() not in weights))
    plain, scoped = kept
    assert scoped < 0.6 * plain


def _wavy(x: Tensor) -> Tensor:
    """An activation with several inner results that its gradient needs."""
    return torch.exp(torch.sin(x)) * torch.cos(x)
