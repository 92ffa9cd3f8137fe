"""The shortest way through a functional model gives what calling it gives."""

from typing import Any

import numpy as np
import pytest
import torch

from labkeras import Input, Layer, layers, models
from labkeras.models.settled import SettledCall


class _AddsLoss(Layer):
    def call(self, inputs: Any) -> Any:
        self.add_loss(inputs.square().mean())
        return inputs


def _model(*extra: Any) -> Any:
    model = models.Sequential([Input((4,)), layers.Dense(3, activation="tanh"), *extra])
    model(np.zeros((1, 4), "float32"))
    return model


X = torch.arange(20.0).reshape(5, 4)


def test_it_gives_what_a_call_gives() -> None:
    model = _model(layers.Dropout(0.5, seed=3))
    way = SettledCall.of(model)
    assert way is not None
    assert torch.equal(way(X, False), model(X, training=False))
    model.train()
    model.layers[1].seed_generator.state.assign([3, 0])
    expected = model(X, training=True)
    model.layers[1].seed_generator.state.assign([3, 0])
    assert torch.equal(way(X, True), expected)


def test_losses_are_those_of_the_last_call() -> None:
    model = _model(_AddsLoss())
    way = SettledCall.of(model)
    assert way is not None
    for _ in range(3):
        way(X, False)
    assert len(model.losses) == 1


def test_hooks_on_the_model_are_called() -> None:
    model, seen = _model(), []
    way = SettledCall.of(model)
    assert way is not None
    model.register_forward_hook(lambda module, args, output: seen.append(output.shape))
    way(X, False)
    assert seen == [(5, 3)]


def test_hooks_on_all_modules_are_called() -> None:
    model, seen = _model(), []
    way = SettledCall.of(model)
    assert way is not None
    handle = torch.nn.modules.module.register_module_forward_hook(lambda module, args, output: seen.append(module))
    way(X, False)
    handle.remove()
    assert model in seen


@pytest.mark.parametrize("x", [X.double(), X.reshape(5, 4, 1), X.int()])
def test_other_data_takes_the_long_way(x: torch.Tensor) -> None:
    model = _model()
    way = SettledCall.of(model)
    assert way is not None
    assert torch.equal(way(x, False), model(x, training=False))


def test_torch_modules_follow_the_flag_whatever_mode_the_model_rests_in() -> None:
    model = _model(torch.nn.Dropout(0.99))
    way = SettledCall.of(model)
    assert way is not None
    assert not torch.equal(way(X, True), way(X, False))


def test_models_whose_call_is_more_than_their_graph_have_no_such_way() -> None:
    class Own(models.Sequential):
        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            return super().call(inputs) * 2

    own = Own([Input((4,)), layers.Dense(3)])
    own(X)
    assert SettledCall.of(own) is None
    assert SettledCall.of(models.Sequential([layers.Dense(3)])) is None
    masked = models.Sequential([Input((4,), dtype="int64"), layers.Embedding(9, 2, mask_zero=True)])
    masked(torch.ones((2, 4), dtype=torch.int64))
    assert SettledCall.of(masked) is None


def test_a_model_that_got_a_layer_more_takes_the_long_way() -> None:
    model = _model()
    way = SettledCall.of(model)
    assert way is not None
    model.add(layers.Dense(2))
    assert way(X, False).shape == (5, 2)
