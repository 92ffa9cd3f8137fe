"""What every optimizer does: arguments, learning rate, steps, and its place among torch's."""

import warnings
from typing import Any

import keras
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

import labkeras
from labkeras.errors import InvalidArgumentError, InvalidTypeError
from labkeras.optimizers import SGD, Adam, AdamW, RMSprop
from labkeras.optimizers.schedules import ExponentialDecay
from labkeras.variable import Variable
from tests.helpers.check_optimizer import gradients, labkeras_weights, train


def one_weight(value: float = 1.0) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor([value]))


def built(optimizer: Any, *weights: torch.Tensor) -> Any:
    optimizer.build(weights)
    return optimizer


# --- Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rate": "fast"}, r"`learning_rate` must be a number.*Received: learning_rate='fast'"),
        ({"learning_rate": True}, r"`learning_rate` must be a number.*Received: learning_rate=True"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be a number"),
        ({"learning_rate": ExponentialDecay}, "`learning_rate` must be a number"),
        ({"clipnorm": 1.0, "clipvalue": 2.0}, r"only one of.*Received: clipnorm=1\.0, clipvalue=2\.0"),
        ({"gradient_accumulation_steps": 1}, "integer of at least 2, or None. Received: gradient_accumulation_steps=1"),
        ({"use_ema": True, "ema_momentum": 1.1}, r"`ema_momentum` must be in \[0, 1\]\. Received: ema_momentum=1\.1"),
        ({"use_ema": True, "ema_overwrite_frequency": 1.5}, r"Received: ema_overwrite_frequency=1\.5"),
        ({"learning_rte": 0.1}, r"Adam has no argument `learning_rte`\. Did you mean 'learning_rate'\?"),
        ({"betas": (0.9, 0.99)}, r"Adam has no argument `betas`.*Received: betas=\(0\.9, 0\.99\)"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        Adam(**arguments)


@pytest.mark.parametrize("rate", [1, np.float32(1.0), torch.tensor(1.0), np.array(1.0)])
def test_any_real_number_is_a_learning_rate(rate: Any) -> None:
    assert SGD(rate).learning_rate.item() == 1.0


def test_the_old_word_for_the_learning_rate_is_taken_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="SGD: `lr` is now called `learning_rate`") as caught:
        optimizer = SGD(lr=0.5)
    assert optimizer.learning_rate.item() == 0.5
    assert caught[0].filename == __file__


def test_decay_is_ignored_with_a_warning_as_in_keras() -> None:
    with pytest.warns(UserWarning, match="SGD: `decay` is no longer an argument and is ignored") as caught:
        SGD(decay=1e-6)
    assert caught[0].filename == __file__


def test_names_are_counted() -> None:
    assert [Adam().name, Adam().name, AdamW().name, RMSprop(name="mine").name] == ["adam", "adam_1", "adam_w", "mine"]


def test_repr_can_be_pasted_back() -> None:
    optimizer = SGD(0.5, momentum=0.25, clipnorm=1.0)
    assert eval(repr(optimizer)).get_config() == optimizer.get_config()
    assert "learning_rate=<labkeras" in repr(SGD(ExponentialDecay(0.1, 1, 0.5)))


# --- Learning rate and iterations


def test_the_learning_rate_is_set_and_assigned() -> None:
    weight = one_weight()
    optimizer = SGD(0.5)
    optimizer.learning_rate = 0.25
    built(optimizer, weight)
    assert optimizer.param_groups[0]["lr"] == 0.25
    optimizer.learning_rate = 0.1
    assert optimizer.param_groups[0]["lr"] == 0.1
    optimizer.learning_rate.assign(0.3)
    assert optimizer.param_groups[0]["lr"] == 0.3
    optimizer.learning_rate.assign_add(0.2)
    assert optimizer.learning_rate.item() == pytest.approx(0.5)
    optimizer.learning_rate.assign_sub(0.25)
    assert optimizer.get_config()["learning_rate"] == pytest.approx(0.25)
    optimizer.param_groups[0]["lr"] = 1.0
    optimizer.apply([torch.ones(1)])
    assert weight.item() == 0.0


def test_a_schedule_is_followed_and_not_replaced_by_a_number() -> None:
    weight = one_weight(0.0)
    optimizer = SGD(ExponentialDecay(1.0, 1, 0.5))
    rates = []
    for _ in range(3):
        optimizer.apply([torch.ones(1)], [weight])
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == [1.0, 0.5, 0.25]
    assert optimizer.learning_rate.item() == 0.125
    assert weight.item() == -1.75
    with pytest.raises(InvalidTypeError, match=r"which a number cannot replace.*Received: learning_rate=0\.1"):
        optimizer.learning_rate = 0.1
    optimizer.learning_rate = ExponentialDecay(8.0, 1, 0.5)
    assert optimizer.learning_rate.item() == 1.0
    with pytest.raises(InvalidArgumentError, match="a group of parameters can have its own `lr` only if"):
        optimizer.add_param_group({"params": [one_weight()], "lr": 0.1})


def test_a_function_is_asked_once_a_step() -> None:
    rates = iter([1.0, 2.0])
    weight = one_weight(0.0)
    optimizer = SGD(lambda: next(rates))
    optimizer.apply([torch.ones(1)], [weight])
    optimizer.apply([torch.ones(1)])
    assert weight.item() == -3.0


def test_iterations_count_steps_and_are_assigned() -> None:
    optimizer = built(Adam(), one_weight())
    optimizer.apply([torch.ones(1)])
    assert optimizer.iterations.item() == 1
    optimizer.iterations.assign(10)
    assert optimizer.param_groups[0]["iterations"] == 10
    unbuilt = Adam()
    unbuilt.iterations.assign(5)
    assert built(unbuilt, one_weight()).iterations.item() == 5


def test_iterations_count_updates_where_gradients_are_accumulated() -> None:
    optimizer = built(SGD(gradient_accumulation_steps=2), one_weight())
    for _ in range(5):
        optimizer.apply([torch.ones(1)])
    assert optimizer.iterations.item() == 2
    assert optimizer.variables[0].item() == 5


# --- Steps


def test_step_leaves_gradients_and_autograd_as_they_are() -> None:
    for arguments in ({"clipnorm": 0.1}, {"clipvalue": 0.1}, {"global_clipnorm": 0.1}, {"loss_scale_factor": 2.0}):
        weight = one_weight()
        weight.grad = torch.tensor([3.0])
        built(Adam(**arguments, weight_decay=0.1), weight).step()
        assert weight.grad.item() == 3.0
    assert torch.is_grad_enabled()
    with torch.no_grad():
        built(SGD(), weight).step()
        assert not torch.is_grad_enabled()


def test_step_calls_the_closure_with_autograd_on_and_returns_its_loss() -> None:
    weight = one_weight(3.0)
    optimizer = built(SGD(1.0), weight)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (weight**2).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 9.0
    assert weight.item() == -3.0


def test_step_skips_parameters_without_gradient_and_is_silent() -> None:
    weights = [one_weight(), one_weight()]
    optimizer = built(Adam(0.5, weight_decay=0.5), *weights)
    optimizer.step()
    assert optimizer.iterations.item() == 0
    weights[1].grad = torch.zeros(1)
    optimizer.step()
    assert [weight.item() for weight in weights] == [1.0, 0.75]


def test_zero_grad_forgets_or_zeroes() -> None:
    weight = one_weight()
    optimizer = built(SGD(), weight)
    weight.grad = torch.ones(1)
    optimizer.zero_grad(set_to_none=False)
    assert weight.grad.item() == 0.0
    optimizer.zero_grad()
    assert weight.grad is None


def test_apply_warns_of_missing_gradients_and_raises_for_none_at_all() -> None:
    weights = [Variable([1.0], name="kernel"), Variable([1.0], name="bias")]
    optimizer = SGD(1.0)
    with pytest.warns(UserWarning, match="there is no gradient for bias") as caught:
        optimizer.apply([torch.ones(1), None], weights)
    assert caught[0].filename == __file__
    assert [weight.item() for weight in weights] == [0.0, 1.0]
    with pytest.raises(
        InvalidArgumentError, match="no gradient for any variable: does the loss depend on kernel, bias"
    ):
        optimizer.apply([None, None], weights)


def test_apply_takes_arrays_and_any_strides() -> None:
    weight = torch.nn.Parameter(torch.zeros(2, 3))
    optimizer = SGD(1.0, momentum=0.5)
    gradient = np.arange(6.0).reshape(3, 2).T  # float64, not contiguous
    optimizer.apply([gradient], [weight])
    assert weight.tolist() == (-gradient).tolist()
    optimizer.apply([])
    assert optimizer.iterations.item() == 1


def test_apply_gradients_takes_pairs_in_any_order() -> None:
    weights = [one_weight(), one_weight()]
    optimizer = built(SGD(1.0), *weights)
    iterations = optimizer.apply_gradients([(torch.tensor([2.0]), weights[1]), (torch.tensor([1.0]), weights[0])])
    assert [weight.item() for weight in weights] == [0.0, -1.0]
    assert iterations.item() == 1


@pytest.mark.parametrize(
    ("grads", "variables", "message"),
    [
        ([torch.ones(1)], None, "the optimizer must be built"),
        ([torch.ones(1)] * 2, [one_weight()], r"one gradient for each variable\. Received: 2 gradients, 1 variables"),
        ([torch.ones(3)], [one_weight()], r"Parameter of shape \(1,\): \(1,\)\. Received: a gradient of shape \(3,\)"),
    ],
)
def test_apply_names_what_does_not_match(grads: Any, variables: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        SGD().apply(grads, variables)


def test_apply_refuses_variables_that_it_was_not_built_with() -> None:
    with pytest.raises(InvalidArgumentError, match=r"only the variables that it was built with.*Received: stranger"):
        built(SGD(), one_weight()).apply([torch.ones(1)], [Variable([1.0], name="stranger")])


def test_a_sparse_gradient_is_refused_with_advice() -> None:
    embedding = torch.nn.Embedding(3, 2, sparse=True)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(InvalidArgumentError, match=r"is sparse: optimizers take dense ones. Make the embedding with"):
        built(Adam(), embedding.weight).step()


def test_constraints_hold_after_every_step() -> None:
    weight = Variable([1.0, -1.0], name="kernel")
    weight.constraint = lambda values: values.clamp(min=0.0)
    built(SGD(1.0), weight).apply([torch.tensor([-1.0, -0.5])])
    assert weight.tolist() == [2.0, 0.0]


def test_weight_decay_leaves_alone_what_is_excluded_by_name() -> None:
    weights = [Variable([1.0], name="kernel"), Variable([1.0], name="bias"), one_weight(), one_weight()]
    optimizer = SGD(0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias", "^norm"])
    optimizer.build(
        [*[(weight.name, weight) for weight in weights[:2]], ("norm.weight", weights[2]), ("x", weights[3])]
    )
    optimizer.apply([torch.zeros(1)] * 4)
    assert [weight.item() for weight in weights] == [0.75, 1.0, 1.0, 0.75]
    with pytest.raises(InvalidArgumentError, match="must be called before the optimizer is built"):
        optimizer.exclude_from_weight_decay(var_names=["x"])


def test_averages_replace_the_variables_at_the_end() -> None:
    weights = [one_weight(0.0)]
    optimizer = SGD(1.0, use_ema=True, ema_momentum=0.5)
    for _ in range(2):
        optimizer.apply([torch.ones(1)], weights)
    assert weights[0].item() == -2.0
    with pytest.raises(
        InvalidArgumentError, match=r"must hold the 1 variables of the optimizer\. Received: 0 variables"
    ):
        optimizer.finalize_variable_values([])
    optimizer.finalize_variable_values(weights)
    assert weights[0].item() == -1.5
    built(SGD(), *weights).finalize_variable_values([])


def test_the_loss_is_scaled_and_gradients_unscaled() -> None:
    weight = one_weight()
    optimizer = built(SGD(1.0, loss_scale_factor=4.0), weight)
    loss = optimizer.scale_loss(weight.sum())
    assert loss.item() == 4.0
    loss.backward()
    optimizer.step()
    assert weight.item() == 0.0
    assert SGD().scale_loss(loss) is loss


# --- Among torch's


def test_it_is_an_optimizer_of_torch_with_hooks_and_profiler() -> None:
    weights = labkeras_weights()
    optimizer = built(Adam(), *weights)
    assert isinstance(optimizer, torch.optim.Optimizer)
    called = []
    before = optimizer.register_step_pre_hook(lambda *_: called.append("before"))
    after = optimizer.register_step_post_hook(lambda *_: called.append("after"))
    train(optimizer, weights, gradients()[:1])
    assert called == ["before", "after"]
    before.remove()
    after.remove()
    with torch.profiler.profile() as profile:
        train(optimizer, weights, gradients()[:1])
    assert "Optimizer.step#Adam.step" in {event.key for event in profile.key_averages()}
    assert called == ["before", "after"]
    assert optimizer.iterations.item() == 2


def test_schedulers_of_torch_set_the_learning_rate() -> None:
    weights = labkeras_weights()
    optimizer = built(SGD(1.0), *weights)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns if it finds that `step` was replaced or not called
        for values in gradients()[:4]:
            rates.append(optimizer.learning_rate.item())
            train(optimizer, weights, [values])
            scheduler.step()
    assert rates == [1.0, 1.0, 0.5, 0.5]


def test_a_gradient_scaler_skips_steps_that_overflowed() -> None:
    weight = one_weight()
    optimizer = built(SGD(1.0), weight)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    for gradient, expected in ((float("inf"), 1.0), (0.5, 0.5)):
        optimizer.zero_grad()
        scaler.scale(weight.sum() * gradient).backward()
        scaler.step(optimizer)
        scaler.update()
        assert weight.item() == expected
    assert optimizer.iterations.item() == 1


class _Line(pl.LightningModule):
    def __init__(self, optimizer: Any) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.optimizer = optimizer

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        return self.layer(batch).pow(2).mean()

    def configure_optimizers(self) -> Any:
        self.optimizer.build(self.parameters())
        scheduler = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.5)
        return {"optimizer": self.optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}


# Lightning: a tip about the number of workers, and its own use of a deprecated name of torch.
@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*isinstance.treespec, LeafSpec")
def test_lightning_trains_with_it_and_resumes(tmp_path: Any) -> None:
    data = DataLoader(torch.randn(8, 2), batch_size=2)
    off = ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing")
    quiet: dict[str, Any] = dict.fromkeys(off, False)

    def trainer(epochs: int) -> pl.Trainer:
        return pl.Trainer(max_epochs=epochs, accelerator="cpu", gradient_clip_val=1.0, **quiet)

    straight = _Line(Adam(0.1, use_ema=True))
    start = {name: value.clone() for name, value in straight.state_dict().items()}
    trainer(2).fit(straight, data)
    halfway = _Line(Adam(0.1, use_ema=True))
    halfway.load_state_dict(start)
    first = trainer(1)
    first.fit(halfway, data)
    first.save_checkpoint(tmp_path / "halfway.ckpt")
    resumed = _Line(Adam(0.1, use_ema=True))
    trainer(2).fit(resumed, data, ckpt_path=tmp_path / "halfway.ckpt", weights_only=True)
    assert straight.optimizer.iterations.item() == resumed.optimizer.iterations.item() == 8
    assert straight.optimizer.param_groups[0]["lr"] == pytest.approx(0.025)
    assert torch.equal(straight.layer.weight, resumed.layer.weight)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("optimizer", [SGD, Adam, AdamW, RMSprop])
def test_a_step_on_the_gpu_equals_one_on_the_cpu_and_waits_for_nothing(optimizer: Any) -> None:
    arguments = {"global_clipnorm": 1.0, "use_ema": True, "weight_decay": 0.1}
    on_cpu = labkeras_weights()
    on_gpu = [torch.nn.Parameter(weight.detach().cuda()) for weight in on_cpu]
    cpu, gpu = built(optimizer(**arguments), *on_cpu), built(optimizer(**arguments), *on_gpu)
    for values in gradients():
        for cpu_weight, gpu_weight, value in zip(on_cpu, on_gpu, values, strict=True):
            cpu_weight.grad = torch.tensor(value)
            gpu_weight.grad = torch.tensor(value).cuda()
        cpu.step()
        torch.cuda.set_sync_debug_mode("error")
        try:
            gpu.step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    for cpu_weight, gpu_weight in zip(on_cpu, on_gpu, strict=True):
        torch.testing.assert_close(gpu_weight.cpu(), cpu_weight.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop"])
def test_stateless_apply_gives_what_keras_gives_and_changes_nothing(name: str) -> None:
    arguments: dict[str, Any] = {"learning_rate": 0.1, "weight_decay": 0.01}
    ours, theirs = getattr(labkeras.optimizers, name)(**arguments), getattr(keras.optimizers, name)(**arguments)
    start, grad = np.array([1.0, -2.0], "float32"), np.array([0.5, 0.25], "float32")
    weight, keras_weight = torch.nn.Parameter(torch.tensor(start)), keras.Variable(start)
    ours.build([weight])
    theirs.build([keras_weight])
    state = [variable.detach().clone() for variable in ours.variables]
    weights = [torch.tensor(start)]
    keras_state, keras_weights = [variable.value for variable in theirs.variables], [keras_weight.value]
    for _ in range(2):
        weights, state = ours.stateless_apply(state, [torch.tensor(grad)], weights)
        keras_weights, keras_state = theirs.stateless_apply(keras_state, [torch.tensor(grad)], keras_weights)
    np.testing.assert_allclose(weights[0].numpy(), keras_weights[0].detach().numpy(), rtol=1e-5)
    for value, expected in zip(state, keras_state, strict=True):
        np.testing.assert_allclose(value.numpy(), expected.detach().numpy(), rtol=1e-6)
    assert weight.tolist() == start.tolist()
    assert int(ours.iterations) == 0


def test_stateless_apply_needs_a_value_for_each_variable() -> None:
    optimizer = SGD()
    optimizer.build([torch.nn.Parameter(torch.ones(2))])
    with pytest.raises(InvalidArgumentError, match="`optimizer_variables` must have a value for each of the 2"):
        optimizer.stateless_apply([0], [torch.ones(2)], [torch.ones(2)])
