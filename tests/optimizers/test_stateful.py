"""What an optimizer keeps: before and after `build`, in torch's `state_dict`, in archives, and when it is exchanged."""

import copy
import pickle
from typing import Any

import pytest
import torch

from labkeras.errors import InvalidArgumentError, NotBuiltError
from labkeras.optimizers import SGD, Adam, RMSprop
from labkeras.variable import Variable
from tests.helpers.check_optimizer import gradients, labkeras_weights, train


@pytest.mark.parametrize("name", ["param_groups", "state", "defaults"])
def test_what_needs_parameters_says_so_before_build(name: str) -> None:
    with pytest.raises(NotBuiltError, match=rf"Adam has no `{name}` before it is built: call `optimizer\.build"):
        getattr(Adam(), name)
    assert not hasattr(Adam(), name)


@pytest.mark.parametrize("use", [Adam.step, Adam.zero_grad, Adam.state_dict])
def test_what_needs_parameters_cannot_be_called_before_build(use: Any) -> None:
    with pytest.raises(NotBuiltError, match="before it is built"):
        use(Adam())


def test_an_optimizer_needs_a_parameter() -> None:
    with pytest.raises(InvalidArgumentError, match=r"at least one variable to update\. Received: variables=\[\]"):
        Adam().build([])


def test_building_twice_changes_nothing() -> None:
    weights = labkeras_weights()
    optimizer = Adam()
    optimizer.build(weights)
    train(optimizer, weights, gradients()[:2])
    optimizer.build(labkeras_weights())
    assert optimizer.trainable_variables[0] is weights[0]
    assert optimizer.iterations.item() == 2


def test_variables_share_the_memory_of_the_state() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = Adam()
    optimizer.build([("layer.weight", weight)])
    assert [variable.path for variable in optimizer.variables[2:]] == [
        "adam/layer.weight_momentum",
        "adam/layer.weight_velocity",
    ]
    optimizer.variables[2].assign([3.0, 4.0])
    assert optimizer.state[weight]["momentum"].tolist() == [3.0, 4.0]


def test_a_state_is_loaded_before_the_first_step_and_not_shared() -> None:
    weights, others = labkeras_weights(), labkeras_weights()
    trained, fresh = Adam(), Adam()
    trained.build(weights)
    train(trained, weights, gradients()[:3])
    fresh.build(others)
    fresh.load_state_dict(trained.state_dict())
    assert fresh.iterations.item() == 3
    momentum = fresh.state[others[0]]["momentum"]
    assert torch.equal(momentum, trained.state[weights[0]]["momentum"])
    assert momentum.data_ptr() != trained.state[weights[0]]["momentum"].data_ptr()


def test_a_state_of_other_settings_is_refused_whole() -> None:
    plain, amsgrad = Adam(), Adam(amsgrad=True)
    for optimizer in (plain, amsgrad):
        optimizer.build(labkeras_weights())
    train(plain, plain.trainable_variables, gradients()[:1])
    with pytest.raises(InvalidArgumentError, match=r"it has no 'velocity_hat' for a parameter of shape \(4, 3\)"):
        amsgrad.load_state_dict(plain.state_dict())
    assert amsgrad.iterations.item() == 0
    with pytest.raises(InvalidArgumentError, match="it has 'velocity_hat', which this optimizer does not keep"):
        plain.load_state_dict(amsgrad.state_dict())


def test_a_state_of_an_optimizer_of_torch_is_refused() -> None:
    optimizer = SGD()
    optimizer.build([torch.nn.Parameter(torch.ones(2))])
    with pytest.raises(InvalidArgumentError, match="its groups have no 'iterations'"):
        optimizer.load_state_dict(torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1).state_dict())


def test_a_state_of_other_shapes_is_refused() -> None:
    one, other = Adam(), Adam()
    one.build([torch.nn.Parameter(torch.ones(2))])
    other.build([torch.nn.Parameter(torch.ones(3))])
    with pytest.raises(InvalidArgumentError, match=r"its 'momentum' has the shape \(2,\) in place of \(3,\)"):
        other.load_state_dict(one.state_dict())


def test_an_archive_of_another_number_of_variables_is_left_aside_with_a_warning() -> None:
    optimizer = Adam()
    with pytest.warns(UserWarning, match="'adam' is not loaded: it has 2 variables, the saved one 5"):
        optimizer.load_own_variables({str(index): 0 for index in range(5)})
    with pytest.raises(
        InvalidArgumentError, match=r"an array for each of the 2 variables of 'adam'. Received: 1 arrays"
    ):
        optimizer.set_weights([1])


@pytest.mark.parametrize("built", [False, True])
def test_optimizers_are_pickled_and_copied(built: bool) -> None:
    optimizer = Adam(use_ema=True)
    if built:
        weights = labkeras_weights()
        optimizer.build(weights)
        torch.optim.lr_scheduler.StepLR(optimizer, 1)
        train(optimizer, weights, gradients()[:2])
    for other in (pickle.loads(pickle.dumps(optimizer)), copy.deepcopy(optimizer)):
        assert other.get_config() == optimizer.get_config()
        assert [variable.tolist() for variable in other.variables] == [v.tolist() for v in optimizer.variables]
        assert other.built is built
        if built:
            train(other, other.trainable_variables, gradients()[2:4])


def test_exchanged_state_takes_effect() -> None:
    # Lightning moves optimizers between devices by exchanging the tensors in their state.
    weights, others = labkeras_weights(), labkeras_weights()
    through, moved = Adam(), Adam()
    for optimizer, params in ((through, weights), (moved, others)):
        optimizer.build(params)
        train(optimizer, params, gradients()[:3])
    for number, (param, slots) in enumerate(moved.state.items()):
        for slot in slots:
            slots[slot] = slots[slot].clone()
        if number == 0:
            moved.state[param] = dict(slots)
    for optimizer, params in ((through, weights), (moved, others)):
        train(optimizer, params, gradients()[3:6])
    assert all(torch.equal(one, other) for one, other in zip(weights, others, strict=True))
    for (_, one), (_, other) in zip(through.state.items(), moved.state.items(), strict=True):
        assert torch.equal(one["momentum"], other["momentum"])


@pytest.mark.parametrize("with_state", [False, True])
def test_a_parameter_may_be_exchanged_by_hand(with_state: bool) -> None:
    old, other = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(1))
    optimizer = RMSprop(0.1)
    optimizer.apply([torch.ones(2), torch.ones(1)], [old, other])
    new = torch.nn.Parameter(torch.ones(3))
    optimizer.param_groups[0]["params"][0] = new
    del optimizer.state[old]
    if with_state:
        optimizer.state[new] = {"velocity": torch.full((3,), 4.0)}
    optimizer.apply([torch.ones(3), torch.ones(1)], [new, other])
    expected = 0.9 * (4.0 if with_state else 0.0) + 0.1
    torch.testing.assert_close(optimizer.state[new]["velocity"], torch.full((3,), expected))
    assert [tuple(variable.shape) for variable in optimizer.variables[2:]] == [(1,), (3,)]


def test_a_group_may_be_added_and_has_its_own_settings() -> None:
    first, second = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    optimizer = SGD(0.5, weight_decay=0.5)
    optimizer.build([first])
    optimizer.add_param_group({"params": [second], "lr": 0.25, "weight_decay": 0.0})
    optimizer.apply([torch.ones(1), torch.ones(1)])
    assert first.item() == 0.75 - 0.5
    assert second.item() == 1.0 - 0.25


def test_parameters_of_several_data_types_are_updated_together() -> None:
    dtypes = (torch.float32, torch.float64, torch.bfloat16)
    weights = [torch.nn.Parameter(torch.ones(2, dtype=dtype)) for dtype in dtypes]
    optimizer = Adam(0.5, global_clipnorm=1.0)
    optimizer.apply([torch.ones(2), torch.ones(2), torch.ones(2)], weights)
    for weight in weights:
        torch.testing.assert_close(weight, torch.full_like(weight, 0.5), rtol=1e-4, atol=0.0)
    store: dict[str, Any] = {}
    optimizer.save_own_variables(store)
    optimizer.load_own_variables(store)
    assert optimizer.state[weights[2]]["momentum"].dtype == torch.bfloat16


def test_initializers_of_slots_must_match_their_names() -> None:
    optimizer = SGD()
    optimizer.build([Variable([1.0], name="w")])
    with pytest.raises(InvalidArgumentError, match="as many initializers as names"):
        optimizer.add_optimizer_variables(optimizer.trainable_variables, ["a", "b"], ["zeros"])
    a, b = optimizer.add_optimizer_variables(optimizer.trainable_variables, ["a", "b"], ["ones", "zeros"])
    assert (a[0].item(), b[0].item()) == (1.0, 0.0)
    with pytest.raises(InvalidArgumentError, match=r"must be an initializer or its name\. Received: initializer=None"):
        optimizer.add_optimizer_variables(optimizer.trainable_variables, "c", None)
