"""check_optimizer: that an optimizer does what every optimizer does."""

import copy
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from labkeras.errors import InvalidArgumentError
from labkeras.layers import Dense
from labkeras.models import Sequential
from labkeras.optimizers import Optimizer
from labkeras.optimizers.schedules import ExponentialDecay
from labkeras.testing import component
from labkeras.testing.comparing import assert_same, sample
from labkeras.testing.component import Component, need
from labkeras.testing.processes import run_ranks
from labkeras.testing.properties import checked, expect, named
from labkeras.variable import Variable

__all__ = ["OPTIMIZER_PROPERTIES", "OptimizerCase", "check_optimizer", "optimizer_case"]

_SHAPES = {"kernel": (4, 3), "bias": (3,), "cube": (2, 2, 2)}


@dataclass(frozen=True)
class OptimizerCase(Component):
    """An optimizer class, and how to make it."""

    kind: str = "optimizers"

    def with_weights(self, dtype: str = "float32", **more: Any) -> tuple[Optimizer, list[Variable]]:
        """A new one, built with weights that are the same each time."""
        random = np.random.default_rng(0)
        weights = [
            Variable(random.normal(size=shape).astype(dtype), dtype=dtype, name=name) for name, shape in _SHAPES.items()
        ]
        optimizer = self.made(**more)
        optimizer.build(weights)
        return optimizer, weights


def descends(case: OptimizerCase) -> None:
    """Its steps go down a bowl: the loss is less after 50 steps than before.

    The update goes against the gradient: `parameter -= learning_rate * …`. If the formula needs another learning rate
    for a bowl of curvature 1 to 10, pass one in the arguments.
    """
    optimizer, weights = case.with_weights()
    before = _bowl(weights).item()
    for _ in range(50):
        _step(optimizer, weights)
    after = _bowl(weights).item()
    expect(after < before, "the loss after 50 steps", expected=f"less than {before:g}", received=f"{after:g}")


def closure(case: OptimizerCase) -> None:
    """`step(closure)` calls the closure, returns its loss, and does what `step()` does after the same gradients.

    An optimizer that needs several gradients a step says so by `needs_closure`, and refuses to step without one.
    """
    one, its = case.with_weights()
    if one.needs_closure:
        try:
            one.step()
        except InvalidArgumentError:
            return
        expect(False, "step() of an optimizer that needs a closure", expected="InvalidArgumentError", received="a step")
    other, others = case.with_weights()
    for _ in range(5):
        expected = _step(one, its)

        def compute() -> torch.Tensor:
            other.zero_grad()
            loss = _bowl(others)
            torch.autograd.backward(loss)
            return loss

        found = other.step(compute)
        same = found is not None and torch.equal(torch.as_tensor(found).detach(), expected)
        expect(same, "what step(closure) returns", expected=expected, received=found)
    for a, b in zip(others, its, strict=True):
        assert_same(a.detach(), b.detach(), f"{a.name!r} after steps with a closure")


def missing_gradients(case: OptimizerCase) -> None:
    """Parameters without a gradient stay as they are.

    Change only the parameters that `update` is given.
    """
    optimizer, weights = case.with_weights()
    before = [weight.detach().clone() for weight in weights]
    _step(optimizer, weights[:1])
    expect(
        not torch.equal(weights[0].detach(), before[0]),
        "the weight with a gradient",
        expected="a change",
        received="none",
    )
    for weight, value in zip(weights[1:], before[1:], strict=True):
        expect(torch.equal(weight.detach(), value), f"{weight.name!r}", expected="no change", received="another value")


def resumption(case: OptimizerCase) -> None:
    """Saved and loaded (`state_dict`), it goes on bit for bit as if it had not been interrupted.

    Keep what is remembered from step to step in slots (`add_optimizer_variables` in `add_slots`), which `state_dict`
    holds; nothing in attributes of its own.
    """
    through, weights = case.with_weights()
    for _ in range(7):
        _step(through, weights)
    written = io.BytesIO()
    torch.save([through.state_dict(), [weight.detach().clone() for weight in weights]], written)
    written.seek(0)
    saved, values = torch.load(written, weights_only=True)
    resumed, others = case.with_weights()
    for weight, value in zip(others, values, strict=True):
        weight.assign(value)
    resumed.load_state_dict(saved)
    _expect_equal_goings((through, weights), (resumed, others), "one that was saved and loaded")


def variables(case: OptimizerCase) -> None:
    """Its variables, saved as `.keras` files save them, let another one go on in the same way.

    As for `resumption`: what is remembered belongs in slots.
    """
    through, weights = case.with_weights()
    for _ in range(7):
        _step(through, weights)
    store: dict[str, Any] = {}
    through.save_own_variables(store)
    resumed, others = case.with_weights()
    for weight, value in zip(others, weights, strict=True):
        weight.assign(value.detach())
    resumed.load_own_variables(store)
    # A file has the learning rate in float32, as Keras does.
    _expect_equal_goings((through, weights), (resumed, others), "one that was given the variables", tolerance=1e-5)


def copies(case: OptimizerCase) -> None:
    """A deepcopy, together with the weights, goes on by itself in the same way.

    Keep no lambdas, locks, or references to weights in attributes.
    """
    optimizer, weights = case.with_weights()
    for _ in range(3):
        _step(optimizer, weights)
    _expect_equal_goings((optimizer, weights), copy.deepcopy((optimizer, weights)), "a deepcopy")


def groups(case: OptimizerCase) -> None:
    """Groups of parameters may have learning rates of their own; with 0, theirs stay as they are.

    Use the `learning_rate` that `update` is given, not `self.learning_rate`.
    """
    _, (still, *moving) = case.with_weights()
    optimizer = case.made()
    optimizer.build([{"params": [still], "lr": 0.0}, {"params": moving}])
    before = [weight.detach().clone() for weight in (still, *moving)]
    for _ in range(3):
        _step(optimizer, [still, *moving])
    same = torch.equal(still.detach(), before[0])
    expect(same, "a weight in a group with lr=0", expected="no change", received=f"{same=}")
    for weight, value in zip(moving, before[1:], strict=True):
        expect(not torch.equal(weight.detach(), value), f"{weight.name!r}", expected="a change", received="none")


def schedule(case: OptimizerCase) -> None:
    """A learning-rate schedule in place of a number: each step goes at the schedule's rate.

    Pass `learning_rate` on to `super().__init__`, and use what `update` is given.
    """
    need(case.takes("learning_rate"), "the constructor takes no `learning_rate`")
    decayed = ExponentialDecay(0.1, decay_steps=1, decay_rate=0.5)
    scheduled, weights = case.with_weights(learning_rate=decayed)
    by_hand, others = case.with_weights(learning_rate=0.1)
    for index in range(4):
        _step(scheduled, weights)
        by_hand.learning_rate = 0.1 * 0.5**index
        _step(by_hand, others)
        for one, other in zip(weights, others, strict=True):
            assert_same(one.detach(), other.detach(), f"{one.name!r} after step {index + 1}")
    constant, unscheduled = case.with_weights(learning_rate=0.1)
    for _ in range(4):
        _step(constant, unscheduled)
    differ = any(not torch.equal(a.detach(), b.detach()) for a, b in zip(weights, unscheduled, strict=True))
    expect(differ, "four steps at falling rates", expected="other than at a constant one", received=f"{differ=}")
    again = case.cls.from_config(scheduled.get_config())
    rate = again.get_config()["learning_rate"]
    expect(isinstance(rate, dict), "learning_rate of from_config(config)", expected="the schedule", received=repr(rate))


def arguments(case: OptimizerCase) -> None:
    """Keras's arguments of every optimizer work: weight decay, clips, averages, accumulation.

    Take them by `**base` and pass them on to `super().__init__`; leave `step` and `apply` to the base.
    """
    need(case.takes("weight_decay"), "the constructor takes no arguments of the base")
    plain, expected = case.with_weights()
    for _ in range(3):
        _step(plain, expected)
    # An optimizer may look at the gradients' signs alone, or at their ratios, which no clip changes.
    for more, matters in (
        ({"weight_decay": 0.5}, True),
        ({"gradient_accumulation_steps": 3}, True),
        ({"clipnorm": 1.0}, False),
    ):
        optimizer, weights = case.with_weights(**more)
        for _ in range(3):
            _step(optimizer, weights)
        changed = any(not torch.equal(a.detach(), b.detach()) for a, b in zip(weights, expected, strict=True))
        fine = all(bool(weight.detach().isfinite().all()) for weight in weights)
        wanted = "finite weights, other than without it" if matters else "finite weights"
        expect(
            fine and (changed or not matters),
            f"the weights with {more}",
            expected=wanted,
            received=f"{changed=}, finite={fine}",
        )


def dtypes(case: OptimizerCase) -> None:
    """Weights in double and half precision are trained in their type.

    Make slots like the parameters (`add_optimizer_variables` does), and no tensor of a fixed type.
    """
    for dtype in ("float64", "bfloat16"):
        optimizer, weights = case.with_weights()
        cast = [Variable(weight.detach(), dtype=dtype, name=weight.name) for weight in weights]
        optimizer = case.made()
        optimizer.build(cast)
        before = _bowl(cast).item()
        for _ in range(20):
            _step(optimizer, cast)
        after = _bowl(cast).item()
        types = {str(weight.dtype) for weight in cast}
        expect(types == {f"torch.{dtype}"}, f"type of {dtype} weights", expected=dtype, received=types)
        # Small steps are lost in bfloat16.
        falls = after < before if dtype == "float64" else after <= before
        expect(falls, f"the loss of {dtype} weights", expected=f"less than {before:g}", received=after)


def cuda(case: OptimizerCase) -> None:
    """On a GPU it does what it does on the CPU.

    Make slots like the parameters, and no tensor without their device.
    """
    need(torch.cuda.is_available(), "there is no CUDA device")
    optimizer, weights = case.with_weights()
    on_gpu = [torch.nn.Parameter(weight.detach().clone().cuda()) for weight in weights]
    other = case.made()
    other.build(on_gpu)
    for _ in range(5):
        _step(optimizer, weights)
        # Not by autograd, which starts threads for a GPU: a process that has them cannot be forked (`processes`).
        for weight, gradient in zip(on_gpu, [weight.grad for weight in weights], strict=True):
            weight.grad = None if gradient is None else gradient.cuda()
        other.step()
    for weight, moved in zip(weights, on_gpu, strict=True):
        assert_same(moved.detach().cpu(), weight.detach(), f"{weight.name!r} trained on the GPU", tolerance=1e-4)


def fit(case: OptimizerCase) -> None:
    """A model compiled with it is trained, in memory and after `.fit` was called a second time.

    See to `descends` first.
    """
    model = _model(case)
    x, y = _data()
    history = model.fit(x, y, batch_size=16, epochs=5, verbose=0).history["loss"]
    falls = history[-1] < history[0] and bool(np.isfinite(history).all())
    expect(falls, "the losses of five epochs", expected="falling", received=history)
    iterations = int(model.optimizer.iterations)
    expect(iterations == 5 * len(x) // 16, "optimizer.iterations", expected=5 * len(x) // 16, received=iterations)


def processes(case: OptimizerCase) -> None:
    """Two processes (DDP) that share a batch train as one process does with the whole batch.

    Draw no random numbers in `update`, and look at gradients alone: they are averaged over the processes before.
    """
    alone = _fitted(case, 16)
    for together in run_ranks(_fitted, case, 8):
        for one, other in zip(together, alone, strict=True):
            assert_same(torch.as_tensor(one), torch.as_tensor(other), "weights after two epochs", tolerance=1e-4)


OPTIMIZER_PROPERTIES = named(
    component.docstring,
    component.types,
    component.lightning,
    component.config,
    component.serialization,
    descends,
    closure,
    missing_gradients,
    resumption,
    variables,
    copies,
    groups,
    schedule,
    arguments,
    dtypes,
    cuda,
    fit,
    processes,
)
"""The properties of optimizers, in the order in which they are looked at."""


def check_optimizer(
    cls: type[Optimizer], arguments: Mapping[str, Any] | None = None, *, skip: Collection[str] = ()
) -> None:
    """Checks that an optimizer does what every optimizer does: descends, resumes, takes groups and schedules, …

    Args:
        cls: the optimizer's class.
        arguments: what it is made with.
        skip: names of properties that the optimizer cannot have; `OPTIMIZER_PROPERTIES` has them all.

    Raises:
        PropertyError: an AssertionError that names the optimizer, the property, what was found, and what to do.
        InvalidArgumentError: if `skip` names what is no property.

    Example:
        >>> from labkeras.optimizers import SGD
        >>> check_optimizer(SGD, {"momentum": 0.9}, skip=("processes",))
    """
    checked(OPTIMIZER_PROPERTIES, optimizer_case(cls, arguments), skip)


def optimizer_case(cls: type[Optimizer], arguments: Mapping[str, Any] | None = None) -> OptimizerCase:
    """What the properties look at; takes what `check_optimizer` takes."""
    return OptimizerCase(cls, dict(arguments or {}), "optimizers")


def _bowl(weights: Sequence[Any]) -> torch.Tensor:
    """A loss whose least value is 0, with curvatures from 1 to 10."""
    terms = []
    for weight in weights:
        curvature = torch.linspace(1, 10, weight.numel(), dtype=weight.dtype, device=weight.device)
        terms.append((curvature.reshape(weight.shape) * (weight - 0.5) ** 2).sum() / 2)
    return torch.stack(terms).sum()


def _step(optimizer: Optimizer, weights: Sequence[Any]) -> torch.Tensor:
    def compute() -> torch.Tensor:
        optimizer.zero_grad()
        loss = _bowl(weights)
        torch.autograd.backward(loss)
        return loss

    if optimizer.needs_closure:
        return torch.as_tensor(optimizer.step(compute)).detach()
    loss = compute()
    optimizer.step()
    return loss.detach()


def _expect_equal_goings(one: Any, other: Any, what: str, tolerance: float = 0.0) -> None:
    for index in range(5):
        _step(*one)
        _step(*other)
        pairs = zip([*other[1], *other[0].variables], [*one[1], *one[0].variables], strict=True)
        for a, b in pairs:
            found, wanted = torch.as_tensor(a).detach(), torch.as_tensor(b).detach()
            assert_same(found, wanted, f"{what}, {a.name!r} after step {index + 1} from there", tolerance)


def _model(case: OptimizerCase) -> Any:
    torch.manual_seed(0)
    model = Sequential([Dense(8, activation="tanh"), Dense(1)])
    model.compile(case.made(), "mse")
    model.build((None, 4))
    return model


def _data() -> tuple[Any, Any]:
    x = sample((64, 4))
    return x, np.sin(x.sum(-1, keepdims=True))


def _fitted(case: OptimizerCase, batch_size: int) -> list[Any]:
    model = _model(case)
    trainer = {"accelerator": "cpu"}  # a forked process cannot use a GPU
    model.fit(*_data(), batch_size=batch_size, epochs=2, shuffle=False, verbose=0, trainer=trainer)
    weights: list[Any] = model.get_weights()
    return weights
