"""Layers that take the next one along compute what both do one after the other, and hooks see what they would."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from labkeras import Input, layers, models
from labkeras.layers.remat import RematScope


def _normed(x: Any) -> Any:
    return layers.Activation("relu")(layers.BatchNormalization()(x))


def _added(x: Any) -> Any:
    return layers.Activation("relu")(layers.Add()([x, layers.Conv2D(3, 1)(x)]))


def _convolved(x: Any) -> Any:
    return layers.Activation("relu")(layers.Conv2D(4, 3)(x))


def _pooled(x: Any) -> Any:
    return layers.MaxPooling2D(2, padding="same")(layers.Conv2D(4, 2, activation="relu")(x))


def _pooled_only(x: Any) -> Any:
    return layers.MaxPooling2D()(layers.Conv2D(4, 3, activation="tanh")(x))


PAIRS = pytest.mark.parametrize("pair", [_normed, _added, _convolved, _pooled, _pooled_only])


def _model(pair: Callable[[Any], Any]) -> Any:
    x = Input((7, 7, 3))
    return models.Model(x, pair(x))


def _one_by_one(model: Any, x: torch.Tensor, training: bool) -> torch.Tensor:
    """The model's layers called by hand, in their order."""
    values = [x]
    for layer in model.layers[1:]:
        inputs = [x, values[-1]] if isinstance(layer, layers.Add) else values[-1]
        values.append(layer(inputs, training=training))
    return values[-1]


@PAIRS
@pytest.mark.parametrize("training", [False, True])
def test_values_gradients_and_state_are_those_of_two_runs(pair: Callable[[Any], Any], training: bool) -> None:
    model = _model(pair)
    assert "_run_with" in model.code
    results = []
    state = {name: value.clone() for name, value in model.state_dict().items()}
    for run in (lambda x: model(x, training=training), lambda x: _one_by_one(model, x, training)):
        model.load_state_dict(state)
        model.zero_grad()
        x = torch.randn((5, 7, 7, 3), generator=torch.Generator().manual_seed(1)).requires_grad_()
        outputs = run(x)
        outputs.square().sum().backward()
        results.append([outputs, x.grad, *(w.grad for w in model.parameters()), *(b.clone() for b in model.buffers())])
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=0)


@PAIRS
def test_a_hook_on_either_layer_sees_its_own_output(pair: Callable[[Any], Any]) -> None:
    model = _model(pair)
    first, second = model.layers[-2:]
    seen: dict[str, torch.Tensor] = {}
    first.register_forward_hook(lambda module, args, output: seen.update(first=output.clone()))
    second.register_forward_hook(lambda module, args, output: seen.update(second=output.clone()))
    x = torch.randn(2, 7, 7, 3)
    outputs = model(x)
    assert torch.equal(seen["second"], outputs)
    assert seen["first"].shape == (2, *first.output.shape[1:])
    if not isinstance(second, layers.MaxPooling2D):
        assert (seen["first"] < 0).any()


def test_an_activation_that_was_changed_counts() -> None:
    model = _model(_normed)
    model.layers[-1].activation = torch.tanh
    assert (model(torch.randn(2, 7, 7, 3)) < 0).any()


def test_a_result_that_others_use_stays_as_it_is() -> None:
    x = Input((7, 7, 3))
    normed = layers.BatchNormalization()(x)
    model = models.Model(x, [normed, layers.Activation("relu")(normed)])
    assert "_run_with" not in model.code
    assert (model(torch.randn(2, 7, 7, 3))[0] < 0).any()


def test_a_view_of_the_model_that_ends_between_the_two_sees_what_is_there() -> None:
    model = _model(_normed)
    view = models.Model(model.inputs, model.layers[1].output)
    assert (view(torch.randn(2, 7, 7, 3)) < 0).any()
    assert (model(torch.randn(2, 7, 7, 3)) >= 0).all()


def test_layers_that_compute_again_are_left_alone() -> None:
    with RematScope(mode="full"):
        model = _model(_normed)
    x = torch.randn(4, 7, 7, 3, requires_grad=True)
    model(x, training=True).sum().backward()
    assert x.grad is not None


def test_in_mixed_precision_each_runs_for_itself() -> None:
    x = Input((7, 7, 3))
    normed = layers.BatchNormalization(dtype="mixed_bfloat16")(x)
    model = models.Model(x, layers.Activation("relu", dtype="mixed_bfloat16")(normed))
    assert model(torch.randn(2, 7, 7, 3)).dtype == torch.bfloat16
