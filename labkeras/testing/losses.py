"""check_loss: that a loss does what every loss does."""

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.layers import Dense
from labkeras.losses import Loss
from labkeras.models import Sequential
from labkeras.testing import component
from labkeras.testing.comparing import assert_same, sample, tensors_of
from labkeras.testing.component import Component, need
from labkeras.testing.processes import run_ranks
from labkeras.testing.properties import checked, expect, named

__all__ = ["LOSS_PROPERTIES", "LossCase", "check_loss", "loss_case"]

_ROWS, _COLUMNS = 6, 4


@dataclass(frozen=True)
class LossCase(Component):
    """A loss class, how to make it, and truth and predictions to call it on."""

    kind: str = "losses"
    y_true: Any = None
    y_pred: Any = None

    def truth(self) -> Any:
        """The truth as tensors."""
        return tensors_of(self.y_true)

    def predictions(self, requires_grad: bool = False, dtype: Any = None) -> Any:
        """The predictions as new tensors."""
        tensor = torch.tensor(self.y_pred) if dtype is None else torch.tensor(self.y_pred, dtype=dtype)
        return tensor.requires_grad_(requires_grad)

    def values(self, **more: Any) -> Tensor:
        """The loss of each sample, or of each value where there are several."""
        result: Tensor = self.made(reduction="none", **more)(self.truth(), self.predictions())
        return result


def values(case: LossCase) -> None:
    """With `reduction="none"` there is a finite value for each sample, the first axis.

    Let `call` return a tensor whose first axis is the batch, without a mean over it; keep logarithms and quotients away
    from 0 (`torch.clamp`, an epsilon).
    """
    found = case.values()
    rows = len(case.y_pred)
    expect(found.ndim > 0 and len(found) == rows, "the values", expected=f"{rows} rows", received=tuple(found.shape))
    expect(bool(found.isfinite().all()), "the values", expected="finite numbers", received=found.tolist())


def rows_are_independent(case: LossCase) -> None:
    """A sample's value does not depend on the others of its batch.

    Reduce along the last axes only; what is to be shared by a batch belongs in a metric.
    """
    loss = case.made(reduction="none")
    whole = loss(case.truth(), case.predictions())
    for row in range(len(case.y_pred)):
        alone = loss(case.truth()[row : row + 1], case.predictions()[row : row + 1])
        assert_same(alone, whole[row : row + 1], f"value of row {row} alone")


def reductions(case: LossCase) -> None:
    """Each reduction is what its name says of the values: their sum, or their mean.

    Write `call` and leave `__call__` to the base; pass `reduction` on to `super().__init__`.
    """
    each = case.values()
    wanted = {"sum": each.sum(), "sum_over_batch_size": each.mean(), "mean": each.mean(), "none": each}
    for reduction, expected in wanted.items():
        found = case.made(reduction=reduction)(case.truth(), case.predictions())
        assert_same(found, expected, f"the loss with reduction={reduction!r}")


def sample_weight(case: LossCase) -> None:
    """Weights multiply the samples' values; a weight of 0 leaves a sample out.

    Let `call` return a value for each sample, unreduced: the base multiplies and averages.
    """
    each = case.values()
    weights = torch.linspace(0, 2, len(each))
    shaped = weights.reshape(-1, *[1] * (each.ndim - 1))
    found = case.made(reduction="none")(case.truth(), case.predictions(), weights)
    assert_same(found, each * shaped, "values with weights")
    found = case.made(reduction="sum")(case.truth(), case.predictions(), weights)
    assert_same(found, (each * shaped).sum(), "sum with weights")


def masks(case: LossCase) -> None:
    """Steps that the predictions' mask leaves out do not count.

    As for `sample_weight`.
    """
    each = case.values()
    mask = torch.arange(each.numel()).reshape(each.shape) % 3 > 0
    predictions = case.predictions()
    predictions._keras_mask = mask
    found = case.made(reduction="sum_over_batch_size")(case.truth(), predictions)
    assert_same(found, each[mask].mean(), "mean with a mask")


def numpy_inputs(case: LossCase) -> None:
    """It takes arrays as it takes tensors.

    Leave `__call__` to the base, which converts.
    """
    found = case.made()(case.y_true, case.y_pred)
    assert_same(found, case.made()(case.truth(), case.predictions()), "loss of arrays")


def gradients(case: LossCase) -> None:
    """The gradient of the predictions is that which small steps show (`torch.autograd.gradcheck`, in double), finite.

    Look for `.detach()`, comparisons and roundings on the way; a square root or logarithm needs a little above 0.
    """
    loss = case.made(dtype="float64") if case.takes("dtype") else case.made()
    need(case.takes("dtype"), "the constructor takes no `dtype`, so that it cannot compute in double")
    truth, predictions = case.truth(), case.predictions(True, torch.float64)
    (gradient,) = torch.autograd.grad(loss(truth, predictions), predictions)
    expect(bool(gradient.isfinite().all()), "the gradient", expected="finite numbers", received=gradient.tolist())
    expect(bool((gradient != 0).any()), "the gradient", expected="some that is not 0", received=gradient.tolist())
    torch.autograd.gradcheck(lambda values: loss(truth, values), (predictions,), eps=1e-6, atol=1e-5, rtol=1e-3)


def dtypes(case: LossCase) -> None:
    """Its result has the loss's `dtype`, whatever the predictions have.

    Pass `dtype` on to `super().__init__`; make no tensor of a fixed type in `call`.
    """
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        found = case.made()(case.truth(), case.predictions(dtype=dtype))
        expect(found.dtype == torch.float32, f"type for {dtype} predictions", expected="float32", received=found.dtype)
        expect(bool(found.isfinite()), f"loss of {dtype} predictions", expected="finite", received=found.item())
    need(case.takes("dtype"), "the constructor takes no `dtype`")
    found = case.made(dtype="float64")(case.truth(), case.predictions())
    expect(found.dtype == torch.float64, "type with dtype='float64'", expected="float64", received=found.dtype)


def autocast(case: LossCase) -> None:
    """Under `torch.autocast` the loss stays near, and its gradient finite.

    Compute in the type of the arguments, which the base has cast.
    """
    expected = case.made()(case.truth(), case.predictions())
    predictions = case.predictions(requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = case.made()(case.truth(), predictions)
    assert_same(found.float(), expected, "loss under autocast", tolerance=5e-2)
    torch.autograd.backward(found)
    expect(bool(predictions.grad.isfinite().all()), "gradient", expected="finite", received=predictions.grad)


def meta(case: LossCase) -> None:
    """It is computed on the meta device, without values.

    Branch on shapes and settings, not on values.
    """
    found = case.made()(case.truth().to("meta"), case.predictions().to("meta"))
    expect(found.device.type == "meta", "device of the loss", expected="meta", received=found.device)


def cuda(case: LossCase) -> None:
    """On a GPU it is what it is on the CPU.

    Make tensors on the device of the predictions.
    """
    need(torch.cuda.is_available(), "there is no CUDA device")
    found = case.made()(case.truth().cuda(), case.predictions().cuda())
    assert_same(found.cpu(), case.made()(case.truth(), case.predictions()), "loss on the GPU", tolerance=1e-4)


def compile(case: LossCase) -> None:
    """`torch.compile(fullgraph=True)` traces it in one piece.

    Avoid branches on values, `.item()` and `.numpy()` in `call`.
    """
    torch._dynamo.reset()
    loss = case.made()
    compiled = torch.compile(lambda truth, predictions: loss(truth, predictions), fullgraph=True, backend="eager")
    expected = loss(case.truth(), case.predictions())
    assert_same(compiled(case.truth(), case.predictions()), expected, "the compiled loss")


def vmap(case: LossCase) -> None:
    """`torch.func.vmap` over a stack of batches gives what a loop gives.

    Change no tensor in place that is not made from the arguments.
    """
    loss = case.made()
    truth, predictions = (torch.stack([one, one.flip(0)]) for one in (case.truth(), case.predictions()))
    found = torch.func.vmap(lambda a, b: loss(a, b))(truth, predictions)
    expected = torch.stack([loss(a, b) for a, b in zip(truth, predictions, strict=True)])
    assert_same(found, expected, "loss under vmap")


def fit(case: LossCase) -> None:
    """A model is compiled with it and trained; the loss goes down.

    The gradient must point to better predictions: see `gradients`.
    """
    predictions = case.predictions()
    need(predictions.ndim > 1, "the predictions have no axis of features")
    model = _model(case)
    inputs = sample((*predictions.shape[:-1], 8))
    before = model.evaluate(inputs, case.y_true, verbose=0)
    model.optimizer.learning_rate = 0.05
    model.fit(inputs, case.y_true, epochs=30, batch_size=len(inputs), verbose=0)
    after = model.evaluate(inputs, case.y_true, verbose=0)
    expect(after < before, "the loss after 30 steps of training", expected=f"less than {before}", received=after)


def processes(case: LossCase) -> None:
    """Two processes (DDP) that share a batch train with it as one process does with the whole batch.

    As for `rows_are_independent`, and leave the reduction to the base, which knows of the processes.
    """
    need(case.predictions().ndim > 1, "the predictions have no axis of features")
    alone = _fitted(case, 8)
    for together in run_ranks(_fitted, case, 4):
        for one, other in zip(together, alone, strict=True):
            assert_same(torch.as_tensor(one), torch.as_tensor(other), "weights after two epochs", tolerance=1e-4)


def copies(case: LossCase) -> None:
    """A deepcopy computes the same.

    Keep settings in attributes; no locks, open files or lambdas.
    """
    loss = case.made()
    expected = loss(case.truth(), case.predictions())
    assert_same(copy.deepcopy(loss)(case.truth(), case.predictions()), expected, "loss of a copy")


LOSS_PROPERTIES = named(
    component.docstring,
    component.types,
    component.lightning,
    component.config,
    component.serialization,
    values,
    rows_are_independent,
    reductions,
    sample_weight,
    masks,
    numpy_inputs,
    copies,
    gradients,
    dtypes,
    autocast,
    meta,
    cuda,
    compile,
    vmap,
    fit,
    processes,
)
"""The properties of losses, in the order in which they are looked at."""


def check_loss(
    cls: type[Loss],
    arguments: Mapping[str, Any] | None = None,
    *,
    y_true: Any = None,
    y_pred: Any = None,
    skip: Collection[str] = (),
) -> None:
    """Checks that a loss does what every loss does: config, reductions, weights, masks, gradients, data types, …

    Args:
        cls: the loss's class.
        arguments: what it is made with.
        y_true: the truth to call it on; rows with a single 1 unless given, which are labels and numbers alike.
        y_pred: predictions, with the batch as the first axis; probabilities that add up to 1 unless given.
        skip: names of properties that the loss cannot have; `LOSS_PROPERTIES` has them all.

    Raises:
        PropertyError: an AssertionError that names the loss, the property, what was found, and what to do.
        InvalidArgumentError: if `skip` names what is no property.

    Example:
        >>> from labkeras.losses import MeanSquaredError
        >>> check_loss(MeanSquaredError)
    """
    checked(LOSS_PROPERTIES, loss_case(cls, arguments, y_true, y_pred), skip)


def loss_case(
    cls: type[Loss], arguments: Mapping[str, Any] | None = None, y_true: Any = None, y_pred: Any = None
) -> LossCase:
    """What the properties look at; takes what `check_loss` takes."""
    logits = sample((_ROWS, _COLUMNS), "float64")
    odds = np.exp(logits)
    y_true = np.eye(_COLUMNS, dtype="float32")[np.arange(_ROWS) % _COLUMNS] if y_true is None else np.asarray(y_true)
    y_pred = odds / odds.sum(-1, keepdims=True) if y_pred is None else np.asarray(y_pred)
    return LossCase(cls, dict(arguments or {}), "losses", y_true, y_pred.astype("float32"))


def _activation_for(predictions: Any) -> str | None:
    """What makes the outputs of a model like the predictions: probabilities that add up to 1, others, or any number."""
    if predictions.min() < 0 or predictions.max() > 1:
        return None
    return "softmax" if np.allclose(predictions.sum(-1), 1, atol=1e-4) else "sigmoid"


def _model(case: LossCase) -> Any:
    torch.manual_seed(0)
    model = Sequential([Dense(case.y_pred.shape[-1], activation=_activation_for(case.y_pred))])
    model.compile("adam", case.made())
    return model


def _fitted(case: LossCase, batch_size: int) -> list[Any]:
    """The weights of a model after two steps on eight rows."""
    model = _model(case)
    x = sample((8, *case.y_pred.shape[1:-1], 5))
    y = np.resize(case.y_true, (8, *case.y_true.shape[1:]))
    trainer = {"accelerator": "cpu"}  # a forked process cannot use a GPU
    model.fit(x, y, batch_size=batch_size, epochs=2, shuffle=False, verbose=0, trainer=trainer)
    weights: list[Any] = model.get_weights()
    return weights
