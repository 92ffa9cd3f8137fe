"""SAM: the closed form on a quadratic, a loop written by hand, and all that training does around a step."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from labkeras import Input, Model, callbacks, layers, optimizers
from labkeras.distribution import DeviceMesh, LayoutMap, ModelParallel
from labkeras.errors import InvalidArgumentError, UnsupportedArgumentError
from labkeras.models import Sequential
from labkeras.optimizers import SGD, Adam, LossScaleOptimizer
from labkeras.random import set_random_seed
from labkeras.testing import check_optimizer, run_ranks
from labkeras_sam.sam import SAM

LIGHTNINGS = {"gradient_clip_val": 1e9}
"""Arguments for a Trainer that has Lightning do the steps."""


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [{"rho": 0.05}, {"rho": 0.5, "adaptive": True}, {"rho": 0.0}])
def test_it_is_what_every_optimizer_is(arguments: dict[str, Any]) -> None:
    check_optimizer(SAM, {"inner_optimizer": "sgd", **arguments})


# --- the formula ------------------------------------------------------------------------------------------------------


def closure_of(optimizer: Any, loss: Callable[[], Tensor]) -> Callable[[], Tensor]:
    def run() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    return run


def test_on_a_quadratic_it_is_the_closed_form() -> None:
    matrix = torch.tensor([[3.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimizer = SAM(SGD(0.1), rho=0.3)
    optimizer.build([weight])
    expected = weight.detach().clone()
    for _ in range(5):
        optimizer.step(closure_of(optimizer, lambda: weight @ matrix @ weight / 2))
        gradient = matrix @ expected
        expected = expected - 0.1 * matrix @ (expected + 0.3 * gradient / gradient.norm())
        assert_close(weight.detach(), expected)


def test_adaptive_measures_the_distance_relative_to_each_weight() -> None:
    start = torch.tensor([2.0, -0.5, 0.0], dtype=torch.float64)
    weight = torch.nn.Parameter(start.clone())
    slope = torch.tensor([1.0, 4.0, -2.0], dtype=torch.float64)
    optimizer = SAM(SGD(0.1), rho=0.5, adaptive=True, eta=0.01)
    optimizer.build([weight])
    optimizer.step(closure_of(optimizer, lambda: (slope * weight**3).sum()))

    gradient, scale = 3 * slope * start**2, start.abs() + 0.01
    climbed = start + 0.5 * scale**2 * gradient / (scale * gradient).norm()
    assert_close(weight.detach(), start - 0.1 * 3 * slope * climbed**2)


def test_adaptive_sharpness_stays_when_weights_are_scaled() -> None:
    """The property that gives ASAM its point: `a * b` is the same function for `(2 * a, b / 2)`."""

    def climbed(a: float, b: float) -> float:
        weights = [torch.nn.Parameter(torch.tensor([value], dtype=torch.float64)) for value in (a, b)]
        optimizer = SAM(SGD(0.0), rho=0.2, adaptive=True, eta=0.0)
        optimizer.build(weights)
        seen: list[float] = []

        def loss() -> Tensor:
            product = (weights[0] * weights[1]).sum()
            seen.append(product.item())
            return product**2

        optimizer.step(closure_of(optimizer, loss))
        return seen[1]

    assert climbed(1.5, 2.0) == pytest.approx(climbed(3.0, 1.0))


def test_it_goes_back_bit_for_bit_even_if_the_second_pass_fails() -> None:
    weight = torch.nn.Parameter(torch.randn(100))
    before = weight.detach().clone()
    optimizer = SAM("sgd", rho=0.1)
    optimizer.build([weight])
    count = []

    def loss() -> Tensor:
        count.append(1)
        if len(count) == 2:
            raise RuntimeError("no more")
        return (weight**2).sum()

    with pytest.raises(RuntimeError, match="no more"):
        optimizer.step(closure_of(optimizer, loss))
    assert torch.equal(weight.detach(), before)


def test_without_gradients_it_stays_where_it_is() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = SAM("sgd")
    optimizer.build([weight])
    optimizer.step(closure_of(optimizer, lambda: (weight * 0).sum()))
    assert weight.tolist() == [1.0, 1.0, 1.0]


def test_rho_0_is_the_inner_optimizer() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = SAM(SGD(0.5), rho=0.0)
    assert not optimizer.needs_closure
    optimizer.apply([torch.ones(3)], [weight])
    assert weight.tolist() == [0.5, 0.5, 0.5]


# --- training ---------------------------------------------------------------------------------------------------------


def network(**options: Any) -> Model:
    set_random_seed(3)
    model = Sequential([Input((5,)), layers.Dense(8, activation="tanh"), layers.Dense(3)])
    model.compile(optimizer=SAM(**options), loss="mse", metrics=["mae"])
    return model


DATA = np.random.default_rng(0).normal(size=(24, 5)).astype("float32")
TARGETS = np.random.default_rng(1).normal(size=(24, 3)).astype("float32")


def by_hand(model: Model, rho: float, learning_rate: float, steps: int) -> list[Tensor]:
    """SAM with gradient descent, by autograd alone."""
    network = copy.deepcopy(model)
    weights = list(network.parameters())
    x, y = torch.tensor(DATA), torch.tensor(TARGETS)
    for _ in range(steps):
        grads = torch.autograd.grad(((network(x) - y) ** 2).mean(), weights)
        norm = torch.cat([grad.flatten() for grad in grads]).norm()
        with torch.no_grad():
            for weight, grad in zip(weights, grads, strict=True):
                weight += rho * grad / norm
        sharp = torch.autograd.grad(((network(x) - y) ** 2).mean(), weights)
        with torch.no_grad():
            for weight, grad, there in zip(weights, grads, sharp, strict=True):
                weight -= rho * grad / norm
                weight -= learning_rate * there
    return [weight.detach() for weight in weights]


@pytest.mark.parametrize("way", ["fit", "trainer", "train_on_batch", "compiled"])
def test_fit_does_what_a_loop_written_by_hand_does(way: str) -> None:
    model = network(inner_optimizer=SGD(0.1), rho=0.2)
    expected = by_hand(model, rho=0.2, learning_rate=0.1, steps=6)
    if way == "train_on_batch":
        for _ in range(6):
            model.train_on_batch(DATA, TARGETS)
    else:
        if way == "compiled":
            model.compile(optimizer=model.optimizer, loss="mse", jit_compile=True)
        trainer = LIGHTNINGS if way == "trainer" else None
        model.fit(DATA, TARGETS, batch_size=24, epochs=6, shuffle=False, verbose=0, trainer=trainer)
    for weight, wanted in zip(model.parameters(), expected, strict=True):
        assert_close(weight.detach(), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("trainer", [None, LIGHTNINGS])
def test_loss_metrics_and_callbacks_count_each_batch_once(trainer: Any) -> None:
    model = network(inner_optimizer=SGD(0.0), rho=5.0)
    batches: list[int] = []
    listener = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    history = model.fit(DATA, TARGETS, batch_size=8, epochs=2, verbose=0, callbacks=[listener], trainer=trainer)
    assert batches == [0, 1, 2, 0, 1, 2]
    plain = model.evaluate(DATA, TARGETS, verbose=0, return_dict=True)
    for epoch in range(2):
        assert history.history["loss"][epoch] == pytest.approx(plain["loss"], rel=1e-5)
        assert history.history["mae"][epoch] == pytest.approx(plain["mae"], rel=1e-5)
    assert int(model.optimizer.iterations) == 6


@pytest.mark.parametrize("trainer", [None, LIGHTNINGS])
def test_moving_statistics_are_those_of_the_first_pass(trainer: Any) -> None:
    model = Sequential([Input((5,)), layers.Dense(4), layers.BatchNormalization(momentum=0.9), layers.Dense(3)])
    model.compile(optimizer=SAM(SGD(0.1), rho=3.0), loss="mse")
    with torch.no_grad():
        hidden = model.layers[0](torch.tensor(DATA))
    model.fit(DATA, TARGETS, batch_size=24, epochs=1, shuffle=False, verbose=0, trainer=trainer)
    assert_close(model.layers[1].moving_mean.as_subclass(Tensor), 0.1 * hidden.mean(0))


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("trainer", [None, LIGHTNINGS])
def test_both_passes_have_the_same_dropout_mask(seed: int | None, trainer: Any) -> None:
    masks: list[Tensor] = []

    class Noting(layers.Dropout):
        def call(self, inputs: Tensor, training: bool = False) -> Any:
            outputs = super().call(inputs, training=training)
            if training and outputs.device.type != "meta":
                masks.append((outputs == 0).detach().clone())
            return outputs

    model = Sequential([Input((5,)), Noting(0.5, seed=seed), layers.Dense(3)])
    model.compile(optimizer=SAM("sgd", rho=1.0), loss="mse", run_eagerly=True)
    masks.clear()
    model.fit(DATA, TARGETS, batch_size=12, epochs=1, verbose=0, trainer=trainer)
    first, again, second, second_again = masks
    assert torch.equal(first, again)
    assert torch.equal(second, second_again)
    assert not torch.equal(first, second)


def test_a_step_leaves_the_random_state_as_one_pass_would() -> None:
    states = []
    for rho in (0.0, 0.5):
        set_random_seed(5)
        model = Sequential([Input((5,)), layers.Dropout(0.5), layers.Dense(3)])
        model.compile(optimizer=SAM("sgd", rho=rho), loss="mse")
        model.fit(DATA, TARGETS, batch_size=12, epochs=2, verbose=0)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


def test_gradients_of_several_steps_are_averaged_by_the_inner_optimizer() -> None:
    model = network(inner_optimizer=SGD(0.1, gradient_accumulation_steps=2), rho=0.1)
    start = [weight.detach().clone() for weight in model.parameters()]
    model.train_on_batch(DATA, TARGETS)
    assert all(torch.equal(weight, before) for weight, before in zip(model.parameters(), start, strict=True))
    model.train_on_batch(DATA, TARGETS)
    expected = by_hand_start(model, start)
    for weight, wanted in zip(model.parameters(), expected, strict=True):
        assert_close(weight.detach(), wanted, rtol=1e-4, atol=1e-6)


def by_hand_start(model: Model, start: list[Tensor]) -> list[Tensor]:
    """Two steps from one place, averaged, are one step."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for weight, value in zip(other.parameters(), start, strict=True):
            weight.copy_(value)
    return by_hand(other, rho=0.1, learning_rate=0.1, steps=1)


def test_the_trainers_accumulation_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="gradient_accumulation_steps"):
        network().fit(DATA, TARGETS, verbose=0, trainer={"accumulate_grad_batches": 2})


def test_averages_of_the_inner_optimizer_are_taken_at_the_end() -> None:
    model = network(inner_optimizer=SGD(0.5, use_ema=True, ema_momentum=0.5), rho=0.1)
    model.fit(DATA, TARGETS, batch_size=8, epochs=3, verbose=0)
    for weight in model.parameters():
        assert torch.equal(weight.detach(), model.optimizer.state[weight]["average"])


def test_clips_schedules_and_callbacks_reach_the_inner_optimizer() -> None:
    schedule = optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    model = network(inner_optimizer=SGD(schedule, global_clipnorm=1e-3), rho=0.1)
    start = [weight.detach().clone() for weight in model.parameters()]
    model.fit(DATA, TARGETS, batch_size=24, epochs=1, verbose=0)
    moved = torch.cat([(w.detach() - b).flatten() for w, b in zip(model.parameters(), start, strict=True)]).norm()
    assert float(moved) == pytest.approx(0.1 * 1e-3, rel=1e-3)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)

    model = network(inner_optimizer="sgd")
    model.fit(DATA, TARGETS, epochs=2, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: 0.25)])
    assert float(model.optimizer.inner_optimizer.learning_rate) == 0.25


def test_float16_scales_both_gradients() -> None:
    set_random_seed(3)
    model = Sequential([Input((5,)), layers.Dense(8, activation="tanh"), layers.Dense(3)])
    optimizer = LossScaleOptimizer(SAM(SGD(0.1), rho=0.2), initial_scale=1024.0)
    model.compile(optimizer=optimizer, loss="mse")
    expected = by_hand(model, rho=0.2, learning_rate=0.1, steps=4)
    model.fit(DATA, TARGETS, batch_size=24, epochs=4, shuffle=False, verbose=0)
    for weight, wanted in zip(model.parameters(), expected, strict=True):
        assert_close(weight.detach(), wanted, rtol=1e-4, atol=1e-6)
    assert int(optimizer.step_counter) == 4


def test_a_step_whose_gradients_are_infinite_is_left_out_and_the_scale_halved() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = LossScaleOptimizer(SAM(SGD(0.1), rho=0.2), initial_scale=8.0)
    optimizer.build([weight])
    passes = []

    def run() -> Tensor:
        optimizer.zero_grad()
        passes.append(1)
        loss = (weight * (float("inf") if len(passes) == 2 else 1.0)).sum()
        optimizer.scale_loss(loss).backward()
        return loss

    optimizer.step(run)
    assert weight.tolist() == [1.0, 1.0, 1.0]
    assert float(optimizer.dynamic_scale) == 4.0


def test_mixed_precision_trains() -> None:
    model = network(inner_optimizer=Adam(0.01))
    history = model.fit(DATA, TARGETS, epochs=8, verbose=0, trainer={"precision": "bf16-mixed"})
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_what_takes_steps_without_a_closure_is_told_so() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    with pytest.raises(InvalidArgumentError, match=r"more than one point.*closure=None"):
        SAM("sgd").apply([torch.ones(3)], [weight])


def test_weights_that_are_split_among_processes_are_refused() -> None:
    def run() -> str:
        layout_map = LayoutMap(DeviceMesh((2,), ["batch"], ["cpu:0", "cpu:1"]))
        layout_map[".*dense.*kernel"] = ("batch", None)
        with ModelParallel(layout_map=layout_map).scope(), pytest.raises(UnsupportedArgumentError) as caught:
            network().fit(DATA, TARGETS, verbose=0)
        return str(caught.value)

    assert all("more than one point" in text for text in run_ranks(run))


# --- configs and state ------------------------------------------------------------------------------------------------


def test_the_name_is_enough() -> None:
    optimizer = optimizers.get("sam")
    assert isinstance(optimizer, SAM)
    assert isinstance(optimizer.inner_optimizer, Adam)


def test_a_config_makes_an_equal_optimizer() -> None:
    optimizer = SAM(SGD(0.3, momentum=0.9), rho=0.1, adaptive=True, eta=0.1)
    config = optimizers.serialize(optimizer)
    assert config["registered_name"] == "labkeras-sam>SAM"
    again = optimizers.deserialize(config)
    assert isinstance(again, SAM)
    assert again.get_config() == optimizer.get_config()
    assert again.inner_optimizer.momentum == 0.9


def test_learning_rate_is_that_of_the_inner_optimizer() -> None:
    optimizer = SAM("sgd", learning_rate=0.25)
    assert float(optimizer.inner_optimizer.learning_rate) == 0.25
    again = SAM.from_config(optimizer.get_config())
    assert float(again.learning_rate) == 0.25


def test_the_state_is_that_of_the_inner_optimizer() -> None:
    models = [network(inner_optimizer=Adam(0.05)) for _ in range(2)]
    models[0].fit(DATA, TARGETS, batch_size=8, epochs=2, shuffle=False, verbose=0)
    models[1].optimizer.build(models[1].trainable_variables)
    models[1].load_state_dict(models[0].state_dict())
    models[1].optimizer.load_state_dict(models[0].optimizer.state_dict())
    for model in models:
        model.fit(DATA, TARGETS, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("trainer", [None, LIGHTNINGS])
def test_a_run_that_was_broken_off_goes_on_bit_for_bit(tmp_path: Path, trainer: Any) -> None:
    class Breaks(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if int(self.model.optimizer.iterations) == 5:
                raise KeyboardInterrupt

    def trained(folder: Path, *more: callbacks.Callback) -> Model:
        set_random_seed(3)
        layer = layers.Dense(8, activation="tanh")
        model = Sequential([Input((5,)), layer, layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(3)])
        model.compile(optimizer=SAM(Adam(0.01), rho=0.2), loss="mse")
        backup = callbacks.BackupAndRestore(folder, save_freq=2)
        model.fit(DATA, TARGETS, batch_size=8, epochs=3, verbose=0, callbacks=[backup, *more], trainer=trainer)
        return model

    through = trained(tmp_path / "through")
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "broken", Breaks())
    resumed = trained(tmp_path / "broken")
    assert int(resumed.optimizer.iterations) == 9
    for one, other in zip(
        [*through.parameters(), *through.buffers()], [*resumed.parameters(), *resumed.buffers()], strict=True
    ):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("name", "value"), [("rho", -1), ("rho", float("inf")), ("eta", "0.1")])
def test_it_names_the_bad_number(name: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"at least 0\. Received: {name}={value!r}"):
        SAM("sgd", **{name: value})


@pytest.mark.parametrize("inner", [SAM("sgd"), torch.optim.LBFGS])
def test_an_optimizer_that_takes_closures_itself_is_no_inner_one(inner: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="inner_optimizer"):
        SAM(inner)
