"""Optimizers of torch in the place of ours."""

import copy
from functools import partial

import pytest
import torch

from labkeras.errors import NotBuiltError, SerializationError
from labkeras.optimizers.torch_optimizer import TorchOptimizer


def weights() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(3))]


def test_it_trains_exactly_as_the_torch_optimizer_does() -> None:
    ours, theirs = weights(), weights()
    wrapped = TorchOptimizer(partial(torch.optim.Adam, lr=0.1))
    wrapped.build(ours)
    plain = torch.optim.Adam(theirs, lr=0.1)
    for step in range(5):
        for optimizer, params in ((wrapped, ours), (plain, theirs)):
            for param in params:
                param.grad = torch.full_like(param, step - 1.5)
            optimizer.step()
            optimizer.zero_grad()
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
    assert wrapped.iterations.item() == 5
    assert wrapped.name == "adam"


def test_a_made_optimizer_is_taken_as_it_is() -> None:
    params = weights()
    plain = torch.optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 1.0}], lr=0.5)
    wrapped = TorchOptimizer(plain)
    wrapped.build(params)
    wrapped.apply([torch.ones(2), torch.ones(3)])
    assert params[0].tolist() == [0.5, 0.5]
    assert params[1].tolist() == [0.0, 0.0, 0.0]
    assert wrapped.param_groups is plain.param_groups


def test_the_learning_rate_is_the_torch_optimizers() -> None:
    wrapped = TorchOptimizer(partial(torch.optim.SGD, lr=0.5))
    wrapped.build(weights())
    assert wrapped.learning_rate.item() == 0.5
    wrapped.learning_rate = 0.25
    assert wrapped.optimizer.param_groups[0]["lr"] == 0.25
    scheduler = torch.optim.lr_scheduler.StepLR(wrapped, 1, 0.1)
    wrapped.step()
    scheduler.step()
    assert wrapped.learning_rate.item() == pytest.approx(0.025)


def test_state_is_saved_loaded_and_copied() -> None:
    params = weights()
    wrapped = TorchOptimizer(partial(torch.optim.SGD, lr=0.5, momentum=0.9))
    wrapped.apply([torch.ones(2), torch.ones(3)], params)
    copied, copied_params = copy.deepcopy((wrapped, params))
    loaded, loaded_params = TorchOptimizer(partial(torch.optim.SGD, lr=0.1, momentum=0.9)), copy.deepcopy(params)
    loaded.build(loaded_params)
    loaded.load_state_dict(copy.deepcopy(wrapped.state_dict()))
    wrapped.apply([torch.ones(2), torch.ones(3)])
    for other, other_params in ((copied, copied_params), (loaded, loaded_params)):
        other.apply([torch.ones(2), torch.ones(3)])
        assert torch.equal(other_params[0], params[0])
        assert other.iterations.item() == 2


def test_a_group_of_parameters_can_be_added() -> None:
    params = weights()
    wrapped = TorchOptimizer(partial(torch.optim.SGD, lr=0.5))
    wrapped.build(params[:1])
    wrapped.add_param_group({"params": params[1:]})
    wrapped.apply([torch.ones(2), torch.ones(3)])
    assert params[1].tolist() == [0.5, 0.5, 0.5]


def test_what_needs_parameters_says_so_before_build() -> None:
    wrapped = TorchOptimizer(torch.optim.Adagrad)
    with pytest.raises(NotBuiltError, match=r"'adagrad' is not made yet: call `optimizer\.build"):
        wrapped.step()
    with pytest.raises(NotBuiltError, match="`param_groups` before it is built"):
        wrapped.learning_rate  # noqa: B018 - reading it is the test


def test_it_has_no_config() -> None:
    with pytest.raises(SerializationError, match="an optimizer of torch has no config"):
        TorchOptimizer(torch.optim.Adagrad).get_config()
    assert repr(TorchOptimizer(torch.optim.Adagrad, name="a")).startswith("TorchOptimizer(<class 'torch.optim")
