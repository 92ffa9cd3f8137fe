"""check_metric: that a metric does what every metric does."""

import copy
import pickle
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.distribution import initialize
from labkeras.layers import Dense
from labkeras.metrics import Metric
from labkeras.models import Sequential
from labkeras.nest import flatten
from labkeras.testing import component
from labkeras.testing.comparing import assert_same, sample
from labkeras.testing.component import Component, need
from labkeras.testing.processes import run_ranks
from labkeras.testing.properties import checked, expect, named

__all__ = ["METRIC_PROPERTIES", "MetricCase", "check_metric", "metric_case"]

_ROWS, _COLUMNS = 12, 4


@dataclass(frozen=True)
class MetricCase(Component):
    """A metric class, how to make it, and truth and predictions to call it on."""

    kind: str = "metrics"
    y_true: Any = None
    y_pred: Any = None

    def batch(self, rows: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """Rows of truth and predictions."""
        return torch.as_tensor(self.y_true[rows]), torch.as_tensor(self.y_pred[rows])

    def of(self, *parts: slice, **more: Any) -> Metric:
        """A new metric that has taken in some rows, a batch for each part."""
        metric: Metric = self.made(**more)
        for part in parts or (slice(None),):
            metric.update_state(*self.batch(part))
        return metric

    @property
    def thirds(self) -> list[slice]:
        """All rows in three parts of different sizes."""
        first, second = len(self.y_pred) // 2, len(self.y_pred) * 3 // 4
        return [slice(0, first), slice(first, second), slice(second, None)]


def streaming(case: MetricCase) -> None:
    """Batch by batch, of any sizes, the result is that of all rows at once.

    Keep sums and counts in variables (`self.add_variable`), and divide in `result` alone: a mean of batches' means
    weighs the rows of small batches more.
    """
    found, expected = case.of(*case.thirds).result(), case.of().result()
    assert_same(found, expected, "result of three batches", tolerance=1e-5)


def result(case: MetricCase) -> None:
    """The result is a number (or a dict of numbers) on the state's device, finite also before the first batch.

    Return a tensor of shape () from `result`, and use `ops.divide_no_nan` where the count may still be 0.
    """
    for what, metric in (("a new one", case.made()), ("one that has seen data", case.of())):
        for value in flatten(metric.result()):
            is_number = isinstance(value, Tensor) and value.ndim == 0 and value.is_floating_point()
            expect(is_number, f"result of {what}", expected="a tensor of shape () of floats", received=repr(value))
            expect(bool(value.isfinite()), f"result of {what}", expected="a finite number", received=value.item())
    asked = case.of()
    assert_same(asked.result(), asked.result(), "the result, asked for a second time")


def reset(case: MetricCase) -> None:
    """After `reset_state()` it is as new.

    Variables made with `add_variable` are reset by the base; what is kept elsewhere needs a `reset_state` of its own.
    """
    metric = case.of()
    metric.reset_state()
    assert_same(metric.result(), case.made().result(), "result after reset_state()")
    metric.update_state(*case.batch(case.thirds[0]))
    assert_same(metric.result(), case.of(case.thirds[0]).result(), "result of the batch after reset_state()")


def sample_weight(case: MetricCase) -> None:
    """With `sample_weight`, a weight of 1 changes nothing, 0 leaves a sample out, and 2 counts it twice.

    Take `sample_weight=None` in `update_state`, and multiply both the sum and the count by it.
    """
    rows = len(case.y_pred)
    ones = case.made()
    ones.update_state(*case.batch(), torch.ones(rows))
    assert_same(ones.result(), case.of().result(), "result with weights of 1", tolerance=1e-5)
    half = rows // 2
    zeros = case.made()
    zeros.update_state(*case.batch(), (torch.arange(rows) < half).float())
    assert_same(zeros.result(), case.of(slice(0, half)).result(), "result with weights of 0", tolerance=1e-5)
    twice = case.made()
    twice.update_state(*case.batch(), 1 + (torch.arange(rows) < half).float())
    expected = case.of(slice(0, half), slice(0, None)).result()
    assert_same(twice.result(), expected, "result with weights of 2", tolerance=1e-5)


def processes(case: MetricCase) -> None:
    """The state of two processes merges into the result of all rows (`with metric.synced()`).

    Keep the state in variables whose sum over processes is the state of all rows: sums and counts, not quotients;
    what must not be summed says so with `add_variable(aggregation=…)`.
    """
    expected = [value.item() for value in flatten(case.of().result())]
    for rank, (merged, own) in enumerate(run_ranks(_merged, case)):
        same = np.allclose(merged, expected, rtol=1e-5, atol=1e-6)
        expect(same, f"result in process {rank}, merged", expected=expected, received=merged)
        part = [value.item() for value in flatten(case.of(_halves(case)[rank]).result())]
        same = np.allclose(own, part, rtol=1e-5, atol=1e-6)
        expect(same, f"result in process {rank} afterwards, of its own rows", expected=part, received=own)


def numpy_inputs(case: MetricCase) -> None:
    """It takes arrays as it takes tensors.

    Begin `update_state` with `ops.conversion.to_tensor`, or with a function of labkeras that converts.
    """
    metric = case.made()
    metric.update_state(case.y_true, case.y_pred)
    assert_same(metric.result(), case.of().result(), "result for arrays")


def detached(case: MetricCase) -> None:
    """It keeps no graph: its state has no gradients, even if the predictions have.

    Begin `update_state` with `y_pred = y_pred.detach()`: the graph of each batch of an epoch would stay in memory.
    """
    truth, predictions = case.batch()
    metric = case.made()
    metric.update_state(truth, predictions.clone().requires_grad_())
    linked = [variable.name for variable in metric.variables if variable.requires_grad or variable.grad_fn is not None]
    expect(not linked, "state with a graph", expected=[], received=linked)
    held = any(leaf.requires_grad for leaf in flatten(metric.result()))
    expect(not held, "result with a graph", expected=False, received=held)


def state(case: MetricCase) -> None:
    """All it knows is in `variables`: the stateless methods compute the same, and leave it alone.

    Keep the state in variables, each in an attribute of its own; no Python numbers or lists of batches.
    """
    metric = case.of(case.thirds[0])
    before = [variable.detach().clone() for variable in metric.variables]
    expect(before, "variables", expected="at least one", received=before)
    later = metric.stateless_update_state(metric.stateless_reset_state(), *case.batch())
    assert_same(metric.stateless_result(later), case.of().result(), "stateless_result")
    for variable, value in zip(metric.variables, before, strict=True):
        assert_same(variable.detach(), value, f"{variable.name!r} after the stateless methods")


def copies(case: MetricCase) -> None:
    """Copies (deepcopy, pickle) go on by themselves from the same state.

    Keep no lambdas, locks or open files in attributes.
    """
    first, *rest = case.thirds
    metric = case.of(first)
    for how, other in (("deepcopy", copy.deepcopy(metric)), ("pickle", pickle.loads(pickle.dumps(metric)))):
        for part in rest:
            other.update_state(*case.batch(part))
        assert_same(other.result(), case.of(first, *rest).result(), f"result of a {how}")
        assert_same(metric.result(), case.of(first).result(), f"result of the original of a {how}")


def dtypes(case: MetricCase) -> None:
    """Predictions in half precision and in double give about the same result.

    Let the state have the metric's type; convert with `y_pred.to(self.total.dtype)`.
    """
    expected = case.of().result()
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        truth, predictions = case.batch()
        metric = case.made()
        rounded = predictions.to(dtype)
        metric.update_state(truth, rounded)
        other = case.made()
        other.update_state(truth, rounded.float())
        assert_same(metric.result(), other.result(), f"result for {dtype} predictions", tolerance=2e-2)
        types = {leaf.dtype for leaf in flatten(metric.result())}
        wanted = {leaf.dtype for leaf in flatten(expected)}
        expect(types == wanted, f"type of the result for {dtype} predictions", expected=wanted, received=types)


def cuda(case: MetricCase) -> None:
    """On a GPU it gives what it gives on the CPU, and its state follows the data there.

    Move the state in `update_state` (`self._move_to(y_pred.device)`), or build on `Mean` or `MeanMetricWrapper`.
    """
    need(torch.cuda.is_available(), "there is no CUDA device")
    metric = case.made().to("cuda")
    metric.update_state(*(part.cuda() for part in case.batch()))
    for found, wanted in zip(flatten(metric.result()), flatten(case.of().result()), strict=True):
        assert_same(found.cpu(), wanted, "result on the GPU", tolerance=1e-4)


def fit(case: MetricCase) -> None:
    """A model is compiled with it: training and evaluation log it, and evaluation gives the metric of all rows.

    Give it a `name`; let `update_state` take `(y_true, y_pred, sample_weight=None)`.
    """
    need(case.y_pred.ndim > 1, "the predictions have no axis of features")
    metric = case.made()
    model = Sequential([Dense(case.y_pred.shape[-1], activation="softmax")])
    # Whatever the truth is: the metric alone is looked at.
    model.compile("sgd", lambda y_true, y_pred: (y_pred**2).mean(-1), metrics=[metric])
    inputs = sample((*case.y_pred.shape[:-1], 8))
    logged = model.evaluate(inputs, case.y_true, batch_size=5, verbose=0, return_dict=True)
    expected = case.made()
    expected.update_state(torch.as_tensor(case.y_true), torch.as_tensor(model.predict(inputs, verbose=0)))
    value = expected.result()
    wanted = value if isinstance(value, dict) else {metric.name: value}
    for name, number in wanted.items():
        expect(name in logged, "the logs of evaluate()", expected=f"{name!r}", received=sorted(logged))
        same = np.isclose(logged[name], number.item(), rtol=1e-4, atol=1e-5)
        expect(same, f"{name!r} of evaluate()", expected=number.item(), received=logged[name])


METRIC_PROPERTIES = named(
    component.docstring,
    component.types,
    component.lightning,
    component.config,
    component.serialization,
    result,
    streaming,
    reset,
    sample_weight,
    state,
    copies,
    numpy_inputs,
    detached,
    dtypes,
    cuda,
    fit,
    processes,
)
"""The properties of metrics, in the order in which they are looked at."""


def check_metric(
    cls: type[Metric],
    arguments: Mapping[str, Any] | None = None,
    *,
    y_true: Any = None,
    y_pred: Any = None,
    skip: Collection[str] = (),
) -> None:
    """Checks that a metric does what every metric does: streams, resets, weighs, merges over processes, …

    Args:
        cls: the metric's class.
        arguments: what it is made with.
        y_true: the truth, at least 4 rows; rows with a single 1 unless given, which are labels and numbers alike.
        y_pred: predictions, as many rows; probabilities that add up to 1 unless given.
        skip: names of properties that the metric cannot have; `METRIC_PROPERTIES` has them all.

    Raises:
        PropertyError: an AssertionError that names the metric, the property, what was found, and what to do.
        InvalidArgumentError: if `skip` names what is no property.

    Example:
        >>> from labkeras.metrics import MeanSquaredError
        >>> check_metric(MeanSquaredError, skip=("processes",))
    """
    checked(METRIC_PROPERTIES, metric_case(cls, arguments, y_true, y_pred), skip)


def metric_case(
    cls: type[Metric], arguments: Mapping[str, Any] | None = None, y_true: Any = None, y_pred: Any = None
) -> MetricCase:
    """What the properties look at; takes what `check_metric` takes."""
    odds = np.exp(sample((_ROWS, _COLUMNS), "float64"))
    y_true = np.eye(_COLUMNS, dtype="float32")[np.arange(_ROWS) % _COLUMNS] if y_true is None else np.asarray(y_true)
    y_pred = odds / odds.sum(-1, keepdims=True) if y_pred is None else np.asarray(y_pred)
    return MetricCase(cls, dict(arguments or {}), "metrics", y_true, y_pred.astype("float32"))


def _halves(case: MetricCase) -> Sequence[slice]:
    # Of different sizes, so that a mean of the processes' means is not the mean.
    third = len(case.y_pred) // 3
    return slice(0, third), slice(third, None)


def _merged(case: MetricCase) -> tuple[list[float], list[float]]:
    initialize()
    metric = case.of(_halves(case)[torch.distributed.get_rank()])
    with metric.synced():
        merged = [value.item() for value in flatten(metric.result())]
    return merged, [value.item() for value in flatten(metric.result())]
