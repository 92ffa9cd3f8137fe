"""LossScaleOptimizer: Keras's numbers, config and saved variables around other optimizers; torch's way of stepping."""

import copy
import io
import pickle
from typing import Any

import keras
import numpy as np
import pytest
import torch

from labkeras import optimizers
from labkeras.errors import InvalidArgumentError, InvalidTypeError
from labkeras.optimizers import SGD, Adam, LossScaleOptimizer
from labkeras.variable import Variable
from tests.helpers.check_optimizer import gradients, labkeras_weights

_INNER: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("Adam", {"clipnorm": 0.5, "use_ema": True, "ema_overwrite_frequency": 3}),
    ("AdamW", {"gradient_accumulation_steps": 2}),
    ("RMSprop", {"global_clipnorm": 1.0}),
]
_INNER_IDS = [name for name, _ in _INNER]
# The 4th step and the 5th overflow; with growth after 3 good steps, the scale goes 8 8 16 8 4 4 4 8 …
_OVERFLOWS = {3: np.inf, 4: np.nan}


def _scaled_gradients(steps: int = 12) -> list[list[np.ndarray[Any, Any]]]:
    grads = gradients(steps=steps)
    for step, value in _OVERFLOWS.items():
        grads[step][1][0] = value
    return grads


def _ours(name: str = "SGD", arguments: dict[str, Any] | None = None) -> tuple[LossScaleOptimizer, list[Variable]]:
    inner = getattr(optimizers, name)(**({"learning_rate": 0.1} if arguments is None else arguments), name="inner")
    optimizer = LossScaleOptimizer(inner, initial_scale=8.0, dynamic_growth_steps=3, name="outer")
    weights = labkeras_weights()
    optimizer.build(weights)
    return optimizer, weights


def _theirs(name: str, arguments: dict[str, Any]) -> tuple[Any, list[Any]]:
    inner = getattr(keras.optimizers, name)(**arguments, name="inner")
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0, dynamic_growth_steps=3, name="outer")
    with keras.name_scope("dense"):
        weights = [keras.Variable(weight.numpy(), name=weight.name) for weight in labkeras_weights()]
    optimizer.build(weights)
    return optimizer, weights


def _step(optimizer: LossScaleOptimizer, weights: list[Variable], grads: list[Any]) -> None:
    for weight, grad in zip(weights, grads, strict=True):
        weight.grad = torch.tensor(grad)
    optimizer.step()
    optimizer.zero_grad()


@pytest.mark.parametrize(("name", "arguments"), _INNER, ids=_INNER_IDS)
@pytest.mark.parametrize("way", ["step", "apply"])
def test_every_step_is_keras(name: str, arguments: dict[str, Any], way: str) -> None:
    ours, weights = _ours(name, arguments)
    theirs, their_weights = _theirs(name, arguments)
    for grads in _scaled_gradients():
        theirs.apply([torch.tensor(grad) for grad in grads], their_weights)
        if way == "step":
            _step(ours, weights, grads)
        else:
            ours.apply(grads, weights)
        assert [variable.path for variable in ours.variables] == [variable.path for variable in theirs.variables]
        for one, other in zip([*weights, *ours.variables], [*their_weights, *theirs.variables], strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=2e-4, atol=2e-5, err_msg=other.path)
        assert ours.dynamic_scale.item() == float(theirs.dynamic_scale)
        assert ours.step_counter.item() == int(theirs.step_counter)
    assert ours.iterations.item() == int(theirs.iterations)


def test_the_scale_halves_at_once_and_doubles_after_good_steps() -> None:
    ours, weights = _ours()
    scales = []
    for grads in _scaled_gradients(10):
        _step(ours, weights, grads)
        scales.append(ours.dynamic_scale.item())
    assert scales == [8, 8, 16, 8, 4, 4, 4, 8, 8, 8]


def test_a_step_left_out_changes_neither_weights_nor_state() -> None:
    ours, weights = _ours("Adam", {"use_ema": True})
    grads = _scaled_gradients()
    _step(ours, weights, grads[0])
    before = [variable.numpy() for variable in (*weights, *ours.inner_optimizer.variables)]
    _step(ours, weights, grads[3])
    for one, other in zip(before, (*weights, *ours.inner_optimizer.variables), strict=True):
        np.testing.assert_array_equal(one, other.numpy())


def test_the_loss_is_scaled_before_and_after_building() -> None:
    inner = SGD(0.1)
    optimizer = LossScaleOptimizer(inner, initial_scale=4.0)
    assert optimizer.scale_loss(torch.tensor(3.0)).item() == 12.0
    weights = labkeras_weights()
    optimizer.build(weights)
    optimizer.dynamic_scale.assign(2.0)
    assert optimizer.scale_loss(torch.tensor(3.0)).item() == 6.0


def test_a_scaled_backward_and_a_step_are_an_unscaled_one() -> None:
    ours, weights = _ours("Adam", {"learning_rate": 0.001})
    plain, plain_weights = Adam(), labkeras_weights()
    plain.build(plain_weights)
    for _ in range(5):
        for optimizer, of_optimizer in ((ours, weights), (plain, plain_weights)):
            loss = sum((weight.square().sum() for weight in of_optimizer), torch.zeros(()))
            optimizer.zero_grad()
            optimizer.scale_loss(loss).backward()
            optimizer.step()
    for one, other in zip(weights, plain_weights, strict=True):
        assert torch.equal(one, other)  # powers of 2 come off again without a trace


def test_a_closure_computes_the_gradients() -> None:
    ours, weights = _ours()
    start = weights[1].numpy()

    def closure() -> torch.Tensor:
        ours.zero_grad()
        loss = weights[1].sum()
        ours.scale_loss(loss).backward()
        return loss

    assert ours.step(closure).item() == pytest.approx(start.sum(), abs=1e-6)
    np.testing.assert_allclose(weights[1].numpy(), start - 0.1, rtol=1e-6)


def test_gradients_can_be_unscaled_before_the_step() -> None:
    ours, weights = _ours()
    start = weights[1].numpy()
    ours.scale_loss(weights[1].sum() * 5).backward()
    ours.unscale_gradients()
    ours.unscale_gradients()
    assert torch.equal(weights[1].grad, torch.full((3,), 5.0))  # type: ignore[arg-type]
    torch.nn.utils.clip_grad_value_(weights, 1.0)
    ours.step()
    np.testing.assert_allclose(weights[1].numpy(), start - 0.1, rtol=1e-6)


def test_infinite_gradients_that_were_clipped_are_still_left_out() -> None:
    ours, weights = _ours()
    start = weights[1].numpy()
    weights[1].grad = torch.tensor([torch.inf, 1.0, 1.0])
    ours.unscale_gradients()
    torch.nn.utils.clip_grad_value_(weights, 1.0)
    ours.step()
    np.testing.assert_array_equal(weights[1].numpy(), start)
    assert ours.dynamic_scale.item() == 4.0


def test_without_gradients_nothing_happens() -> None:
    ours, _ = _ours()
    ours.step()
    assert (ours.step_counter.item(), ours.dynamic_scale.item()) == (0, 8.0)


def test_gradients_that_are_given_stay_as_they_are() -> None:
    ours, weights = _ours()
    grads = [torch.ones_like(weight) for weight in weights]
    ours.apply(grads, weights)
    assert all(bool((grad == 1).all()) for grad in grads)


@pytest.mark.parametrize("step", [0, 3])
def test_a_stateless_step_is_keras_and_leaves_the_optimizer_alone(step: int) -> None:
    ours, weights = _ours("Adam", {})
    theirs, their_weights = _theirs("Adam", {})
    before = [variable.numpy() for variable in (*weights, *ours.variables)]
    grads = [torch.tensor(grad) for grad in _scaled_gradients()[step]]
    new, new_state = ours.stateless_apply(ours.variables, grads, weights)
    expected, expected_state = theirs.stateless_apply(
        [variable.value for variable in theirs.variables], grads, [weight.value for weight in their_weights]
    )
    for one, other in zip([*new, *new_state], [*expected, *expected_state], strict=True):
        np.testing.assert_allclose(one.detach(), torch.as_tensor(other).detach().cpu(), rtol=2e-4, atol=2e-5)
    for value, variable in zip(before, (*weights, *ours.variables), strict=True):
        np.testing.assert_array_equal(value, variable.numpy())


def test_the_scale_stays_a_number_that_gradients_can_be_divided_by() -> None:
    ours, weights = _ours()
    for start, grad, end in ((2.0**127, 1.0, 2.0**127), (2.0**-126, np.nan, 2.0**-126)):
        ours.dynamic_scale.assign(start)
        for _ in range(3):
            _step(ours, weights, [np.full(weight.shape, grad, np.float32) for weight in weights])
        assert ours.dynamic_scale.item() == end


# --- around other optimizers --------------------------------------------------------------------------------------


def test_the_learning_rate_is_that_of_the_inner_optimizer() -> None:
    ours, _ = _ours()
    assert ours.learning_rate.item() == pytest.approx(0.1)
    ours.learning_rate = 0.5
    assert ours.inner_optimizer.learning_rate.item() == 0.5
    ours.learning_rate.assign(0.25)
    assert ours.param_groups[0]["lr"] == 0.25
    torch.optim.lr_scheduler.LambdaLR(ours, lambda epoch: 0.5)
    assert ours.inner_optimizer.learning_rate.item() == 0.125


def test_it_takes_over_the_scaling_of_the_inner_optimizer() -> None:
    inner = SGD(loss_scale_factor=4.0)
    LossScaleOptimizer(inner)
    assert inner.loss_scale_factor is None


def test_the_averages_of_the_inner_optimizer_become_the_weights() -> None:
    ours, weights = _ours("SGD", {"learning_rate": 0.1, "use_ema": True})
    for grads in gradients(steps=3):
        _step(ours, weights, grads)
    averages = [ours.state[weight]["average"].clone() for weight in weights]
    ours.finalize_variable_values(weights)
    for weight, average in zip(weights, averages, strict=True):
        assert torch.equal(weight, average)


def test_weights_can_be_left_out_of_weight_decay() -> None:
    optimizer = LossScaleOptimizer(SGD(0.1, weight_decay=0.5), initial_scale=2.0)
    weights = labkeras_weights()
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build(weights)
    start = [weight.numpy() for weight in weights]
    _step(optimizer, weights, [np.zeros(weight.shape, np.float32) for weight in weights])
    decayed = [not np.array_equal(weight.numpy(), before) for weight, before in zip(weights, start, strict=True)]
    assert decayed == [weight.name != "bias" for weight in weights]


def test_an_optimizer_of_torch_can_be_the_inner_one() -> None:
    weights, plain = labkeras_weights(), labkeras_weights()
    ours = LossScaleOptimizer(torch.optim.Adam(weights, lr=0.1), initial_scale=8.0)
    ours.build(weights)
    theirs = torch.optim.Adam(plain, lr=0.1)
    for grads in gradients(steps=4):
        _step(ours, weights, [grad * np.float32(8) for grad in grads])
        for weight, grad in zip(plain, grads, strict=True):
            weight.grad = torch.tensor(grad)
        theirs.step()
    for one, other in zip(weights, plain, strict=True):
        torch.testing.assert_close(one.detach(), other.detach(), rtol=1e-6, atol=1e-7)


def test_hooks_run_with_the_steps_that_are_taken() -> None:
    ours, weights = _ours()
    seen: list[str] = []
    ours.register_step_pre_hook(lambda *_: seen.append("before"))
    ours.register_step_post_hook(lambda *_: seen.append("after"))
    for grads in _scaled_gradients()[:4]:
        _step(ours, weights, grads)
    assert seen == ["before", "after"] * 3


def test_groups_that_are_added_are_the_inner_optimizers() -> None:
    ours, weights = _ours()
    more = torch.nn.Parameter(torch.ones(2))
    ours.add_param_group({"params": [more], "lr": 1.0})
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    more.grad = torch.full((2,), 8.0)
    ours.step()
    assert more.tolist() == [0.0, 0.0]


# --- config, state ------------------------------------------------------------------------------------------------


def test_configs_are_exchanged_with_keras() -> None:
    ours = LossScaleOptimizer(Adam(0.25, name="inner"), initial_scale=4.0, dynamic_growth_steps=7, name="outer")
    written = optimizers.serialize(ours)
    theirs = keras.optimizers.deserialize(written)
    assert list(ours.get_config()) == list(theirs.get_config())
    assert theirs.get_config()["initial_scale"] == 4.0
    read = optimizers.deserialize(keras.optimizers.serialize(theirs))
    assert isinstance(read, LossScaleOptimizer)
    assert read.get_config() == ours.get_config()


def test_older_configs_that_name_what_is_off_are_read() -> None:
    config = LossScaleOptimizer(SGD()).get_config() | {"clipnorm": None, "use_ema": False, "dynamic": True}
    assert LossScaleOptimizer.from_config(config).initial_scale == 2.0**15


@pytest.mark.parametrize(("name", "arguments"), _INNER, ids=_INNER_IDS)
def test_variables_are_exchanged_with_keras(name: str, arguments: dict[str, Any]) -> None:
    theirs, their_weights = _theirs(name, arguments)
    for grads in _scaled_gradients():
        theirs.apply([torch.tensor(grad) for grad in grads], their_weights)
    store: dict[str, Any] = {}
    theirs.save_own_variables(store)
    ours, _ = _ours(name, arguments)
    ours.load_own_variables(store)
    saved: dict[str, Any] = {}
    ours.save_own_variables(saved)
    assert list(saved) == list(store)
    for key, value in store.items():
        np.testing.assert_array_equal(saved[key], value)
    back, _ = _theirs(name, arguments)
    back.load_own_variables(saved)
    assert float(back.dynamic_scale) == float(theirs.dynamic_scale)


@pytest.mark.parametrize("way", ["state_dict", "deepcopy", "pickle"])
def test_training_goes_on_as_if_it_had_not_been_broken_off(way: str) -> None:
    grads = _scaled_gradients()
    through, weights = _ours("Adam", {"use_ema": True})
    for values in grads[:5]:
        _step(through, weights, values)
    if way == "state_dict":
        written = io.BytesIO()
        torch.save(through.state_dict(), written)
        written.seek(0)
        resumed, resumed_weights = _ours("Adam", {"use_ema": True})
        for weight, value in zip(resumed_weights, weights, strict=True):
            weight.assign(value)
        resumed.load_state_dict(torch.load(written, weights_only=True))
    elif way == "deepcopy":
        resumed, resumed_weights = copy.deepcopy((through, weights))
    else:
        resumed, resumed_weights = pickle.loads(pickle.dumps((through, weights)))
    for values in grads[5:]:
        _step(through, weights, values)
        _step(resumed, resumed_weights, values)
    assert resumed.dynamic_scale.item() == through.dynamic_scale.item()
    for one, other in zip((*weights, *through.variables), (*resumed_weights, *resumed.variables), strict=True):
        assert torch.equal(one, other)


def test_a_state_without_a_scale_is_refused() -> None:
    ours, _ = _ours()
    plain = SGD(0.1)
    plain.build(labkeras_weights())
    with pytest.raises(InvalidArgumentError, match="not that of a LossScaleOptimizer: its groups have no dynamic_sc"):
        ours.load_state_dict(plain.state_dict())
    assert ours.dynamic_scale.item() == 8.0


def test_its_repr_makes_an_equal_one() -> None:
    ours = LossScaleOptimizer(SGD(0.5, momentum=0.25), initial_scale=2.0)
    assert eval(repr(ours)).get_config() == ours.get_config()


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clipnorm": 1.0}, r"`clipnorm` is an argument of the inner optimizer.*Received: clipnorm=1\.0"),
        ({"initial_scal": 1.0}, r"Did you mean 'initial_scale'\? Received: initial_scal=1\.0"),
        ({"dynamic": False}, r"`loss_scale_factor`\. Received: dynamic=False"),
        ({"initial_scale": 0.0}, r"a number above 0\. Received: initial_scale=0\.0"),
        ({"initial_scale": np.inf}, r"a number above 0\. Received: initial_scale=inf"),
        ({"dynamic_growth_steps": 0}, r"at least 1\. Received: dynamic_growth_steps=0"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        LossScaleOptimizer(SGD(), **arguments)


@pytest.mark.parametrize("inner", ["adam", None, LossScaleOptimizer])
def test_what_cannot_be_inside_is_refused(inner: Any) -> None:
    with pytest.raises(InvalidTypeError, match=r"`inner_optimizer` must be an optimizer.*Received: inner_optimizer="):
        LossScaleOptimizer(LossScaleOptimizer(SGD()) if inner is LossScaleOptimizer else inner)


def test_the_scale_cannot_be_set_before_there_is_one() -> None:
    with pytest.raises(InvalidArgumentError, match=r"give `initial_scale`\. Received: built=False"):
        LossScaleOptimizer(SGD()).dynamic_scale.assign(2.0)


def test_sparse_gradients_are_refused_by_name() -> None:
    ours, weights = _ours()
    weights[0].grad = torch.eye(4, 3).to_sparse()
    with pytest.raises(InvalidArgumentError, match=r"dense/kernel is sparse"):
        ours.step()
