"""Steps of optimizers that need gradients at several points: torch's L-BFGS, and a wrapper that looks twice."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from labkeras import Input, callbacks, layers
from labkeras.errors import InvalidArgumentError
from labkeras.models import Sequential
from labkeras.optimizers import SGD
from labkeras.optimizers.wrapper import OptimizerWrapper
from labkeras.random import set_random_seed

DATA = np.random.default_rng(0).normal(size=(24, 5)).astype("float32")
TARGETS = np.random.default_rng(1).normal(size=(24, 3)).astype("float32")
LIGHTNINGS = {"gradient_clip_val": 1e9}
"""Arguments for a Trainer that has Lightning do the steps."""


class Twice(OptimizerWrapper):
    """Has the gradients computed three times, and steps with the last."""

    needs_closure = True

    def step(self, closure: Any = None) -> Any:
        run = torch.enable_grad()(self._needs_closure(closure))
        self.losses = [float(run().detach()) for _ in range(3)]
        self.inner_optimizer.step()
        return self.losses[0]


def network(optimizer: Any, *first: Any, **compiling: Any) -> Any:
    set_random_seed(3)
    model = Sequential([Input((5,)), *first, layers.Dense(3)])
    model.compile(optimizer=optimizer, loss="mse", **compiling)
    return model


@pytest.mark.parametrize("trainer", [None, LIGHTNINGS])
def test_lbfgs_of_torch_finds_the_least_squares(trainer: Any) -> None:
    model = network(partial(torch.optim.LBFGS, lr=1.0, max_iter=100, line_search_fn="strong_wolfe"))
    history = model.fit(DATA, TARGETS, batch_size=24, epochs=3, verbose=0, trainer=trainer)
    design = np.column_stack([DATA, np.ones(len(DATA))])
    residual = TARGETS - design @ np.linalg.lstsq(design, TARGETS, rcond=None)[0]
    assert history.history["loss"][-1] == pytest.approx(float((residual**2).mean()), rel=1e-4)


@pytest.mark.parametrize("trainer", [None, LIGHTNINGS])
@pytest.mark.parametrize("seed", [None, 7])
def test_every_pass_draws_the_same_and_only_the_first_counts(trainer: Any, seed: int | None) -> None:
    heard: list[int] = []
    listener = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: heard.append(batch))
    ran = []
    for optimizer in (SGD(0.1), Twice(SGD(0.1))):
        model = network(optimizer, layers.BatchNormalization(), layers.Dropout(0.5, seed=seed))
        ran.append((model, model.fit(DATA, TARGETS, 8, 2, verbose=0, callbacks=[listener], trainer=trainer).history))
        ran[-1] += (torch.get_rng_state(),)
    (plain, once, random), (again, thrice, as_random) = ran
    assert len(set(again.optimizer.losses)) == 1
    assert once == thrice
    assert heard == [0, 1, 2] * 4
    assert torch.equal(random, as_random)
    for one, other in zip(
        [*plain.parameters(), *plain.buffers()], [*again.parameters(), *again.buffers()], strict=True
    ):
        assert torch.equal(one, other)


def test_a_compiled_model_runs_each_pass_as_a_program() -> None:
    ran = []
    for jit_compile in (False, True):
        model = network(Twice(SGD(0.1)), layers.BatchNormalization(), jit_compile=jit_compile)
        model.fit(DATA, TARGETS, batch_size=8, epochs=2, shuffle=False, verbose=0)
        ran.append([*model.parameters(), *model.buffers()])
    for one, other in zip(*ran, strict=True):
        assert_close(one.detach().as_subclass(Tensor), other.detach().as_subclass(Tensor), rtol=1e-4, atol=1e-6)


def test_train_on_batch_gives_the_loss_of_the_first_pass() -> None:
    losses = [network(optimizer).train_on_batch(DATA, TARGETS) for optimizer in (SGD(0.1), Twice(SGD(0.1)))]
    assert float(losses[0]) == float(losses[1])


def test_lightnings_accumulation_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"gradient_accumulation_steps.*accumulate_grad_batches=2"):
        network(Twice(SGD(0.1))).fit(DATA, TARGETS, verbose=0, trainer={"accumulate_grad_batches": 2})


def test_a_wrapper_that_is_given_no_closure_says_what_it_needs() -> None:
    model = network(Twice(SGD(0.1)))
    model.optimizer.build(model.trainable_variables)
    with pytest.raises(InvalidArgumentError, match=r"Twice needs gradients at more than one point.*closure=None"):
        model.optimizer.step()
