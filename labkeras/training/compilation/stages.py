"""Stages: what a step of training, evaluation or prediction has in its graph, and what is left to do around it."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from labkeras.metrics.torchmetrics_adapter import TorchMetric
from labkeras.nest import flatten, map_structure, pack
from labkeras.training.compilation.recording import NotRecordableError
from labkeras.training.steps import EagerSteps

__all__ = [
    "Evaluation",
    "FedOptimizer",
    "Loss",
    "Prediction",
    "SplitTraining",
    "Stage",
    "Training",
    "keeps_metrics_outside",
]


class Stage(Protocol):
    """What is recorded of a step, and what goes on around it."""

    def state(self) -> list[Tensor]:
        """The tensors that the step reads and writes, and that live longer than it."""

    def record(self, x: Any, y: Any, weight: Any) -> list[Tensor]:
        """The step, for a compiler to record: what it does to tensors, and the results that are needed outside."""

    def begin(self) -> None:
        """Brings what the host computes up to date, before each run."""

    def end(self, results: Sequence[Tensor], x: Any, y: Any, weight: Any) -> Any:
        """What is left to do with the results of a run; for a prediction, the outputs."""


class Prediction:
    """The outputs of the model."""

    def __init__(self, steps: EagerSteps) -> None:
        self._steps = steps
        self._outputs: Any = None

    def state(self) -> list[Tensor]:
        return _tensors_of(self._steps.model)

    def record(self, x: Any, y: Any, weight: Any) -> list[Tensor]:
        with torch.no_grad():
            outputs = EagerSteps.predict(self._steps, x)
        self._outputs = map_structure(lambda _: None, outputs)
        return flatten(outputs)

    def begin(self) -> None:
        pass

    def end(self, results: Sequence[Tensor], x: Any, y: Any, weight: Any) -> Any:
        return pack(self._outputs, results)


class Evaluation:
    """The loss and the metrics.

    Args:
        steps: the steps of the model.
        metrics_outside: whether the metrics take in a batch past the graph.
    """

    def __init__(self, steps: EagerSteps, metrics_outside: bool) -> None:
        self._steps = steps
        self._metrics = _Metrics(steps, metrics_outside)

    def state(self) -> list[Tensor]:
        return [*_tensors_of(self._steps.model), *self._metrics.state()]

    def record(self, x: Any, y: Any, weight: Any) -> list[Tensor]:
        with torch.no_grad():
            loss, y_pred = EagerSteps.forward(self._steps, x, y, weight, training=False)
            return self._metrics.record(loss, x, y, y_pred, weight)

    def begin(self) -> None:
        pass

    def end(self, results: Sequence[Tensor], x: Any, y: Any, weight: Any) -> None:
        self._metrics.end(results, x, y, weight)


class Training:
    """All of a training step, for optimizers whose step can be recorded.

    Args:
        steps: the steps of the model.
        metrics_outside: whether the metrics take in a batch past the graph.
    """

    def __init__(self, steps: EagerSteps, metrics_outside: bool) -> None:
        self._steps = steps
        self._metrics = _Metrics(steps, metrics_outside)
        self._optimizer = steps.compiled.optimizer
        self._fed = FedOptimizer(self._optimizer)

    def state(self) -> list[Tensor]:
        return [*_tensors_of(self._steps.model), *self._metrics.state(), *self._fed.state()]

    def record(self, x: Any, y: Any, weight: Any) -> list[Tensor]:
        loss, y_pred = EagerSteps.forward(self._steps, x, y, weight, training=True)
        grads = _gradients(self._steps.compiled.scaled(loss), self._optimizer.trainable_variables)
        with torch.no_grad():
            if self._steps.check.enabled:
                # A loss that is not finite must not spoil the weights: where it comes from is still to be found out.
                bad = ~torch.isfinite(loss)
                grads = [None if grad is None else grad.masked_fill(bad, 0.0) for grad in grads]
            with self._optimizer.recording(self._fed.numbers):
                self._optimizer.step_with(grads)
        return [loss.detach(), *self._metrics.record(loss, x, y, y_pred, weight)]

    def begin(self) -> None:
        self._fed.renew()

    def end(self, results: Sequence[Tensor], x: Any, y: Any, weight: Any) -> None:
        self._steps.check(results[0], x)
        self._optimizer.count_step()
        self._metrics.end(results[1:], x, y, weight)


class FedOptimizer:
    """An optimizer, and the tensors through which a recorded step gets its numbers.

    Args:
        optimizer: an optimizer that is built.
    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        is_double = any(param.dtype is torch.float64 for param in optimizer.trainable_variables)
        dtype = torch.float64 if is_double else torch.float32
        self.numbers = [torch.zeros((), dtype=dtype) for _ in optimizer.numbers()]
        self._places = [number.numpy() for number in self.numbers]

    def state(self) -> list[Tensor]:
        """What a step reads and writes, but for the parameters."""
        return [*(slot for slots in self._optimizer.state.values() for slot in slots.values()), *self.numbers]

    def renew(self) -> None:
        """Brings the numbers up to date."""
        for place, number in zip(self._places, self._optimizer.numbers(), strict=True):
            place.fill(number)


class SplitTraining:
    """Forward, loss and backward; the optimizer takes the gradients as it does without compilation.

    Args:
        steps: the steps of the model.
        metrics_outside: whether the metrics take in a batch past the graph.
    """

    def __init__(self, steps: EagerSteps, metrics_outside: bool) -> None:
        self._steps = steps
        self._metrics = _Metrics(steps, metrics_outside)
        self._optimizer = steps.compiled.optimizer
        self._one = torch.ones(())
        self._scale = torch.ones(())
        self._trained: list[Tensor] = []

    def state(self) -> list[Tensor]:
        return [*_tensors_of(self._steps.model), *self._metrics.state(), self._scale]

    def record(self, x: Any, y: Any, weight: Any) -> list[Tensor]:
        loss, y_pred = EagerSteps.forward(self._steps, x, y, weight, training=True)
        params = self._optimizer.trainable_variables
        grads = _gradients(loss * self._scale.to(loss.device), params)
        self._trained = [param for param, grad in zip(params, grads, strict=True) if grad is not None]
        given = [_strided_as(param, grad) for param, grad in zip(params, grads, strict=True) if grad is not None]
        return [loss.detach(), *given, *self._metrics.record(loss, x, y, y_pred, weight)]

    def begin(self) -> None:
        self._scale.copy_(self._optimizer.scale_loss(self._one))

    def end(self, results: Sequence[Tensor], x: Any, y: Any, weight: Any) -> None:
        self._steps.check(results[0], x)
        self._optimizer.zero_grad()
        for param, grad in zip(self._trained, results[1:], strict=False):
            param.grad = grad
        self._optimizer.step()
        self._metrics.end(results[1 + len(self._trained) :], x, y, weight)


class Loss:
    """Forward and loss, and in the same graph their gradients, for whoever does backward and step: Lightning."""

    def __init__(self, steps: EagerSteps) -> None:
        self._steps = steps
        self._outputs = _Outputs()
        self._params: list[Tensor] = []

    def state(self) -> list[Tensor]:
        return [*_tensors_of(self._steps.model), *_variables_of_metrics(self._steps)]

    def record(self, x: Any, y: Any, weight: Any) -> list[Tensor]:
        loss, y_pred = EagerSteps.forward(self._steps, x, y, weight, training=True)
        params = [param for param in self._steps.model.parameters() if param.requires_grad]
        pairs = [
            (param, grad) for param, grad in zip(params, _gradients(loss, params), strict=True) if grad is not None
        ]
        self._params = [param for param, _ in pairs]
        return [loss.detach(), *(_strided_as(param, grad) for param, grad in pairs), *self._outputs.leaves(y_pred)]

    def begin(self) -> None:
        pass

    def end(self, results: Sequence[Tensor], x: Any, y: Any, weight: Any) -> tuple[Tensor, Any]:
        loss, count = results[0], len(self._params)
        loss = _WithGradients.apply(loss, count, *results[1 : 1 + count], *self._params)  # type: ignore[no-untyped-call]
        return loss, self._outputs.of(results[1 + count :])


class _WithGradients(torch.autograd.Function):
    """A loss whose gradients are known already."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, count: int, *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*tensors[:count])
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        known = ctx.saved_tensors
        return None, None, *(None for _ in known), *(grad * grads[0] for grad in known)


def keeps_metrics_outside(steps: EagerSteps) -> bool:
    """Whether there are metrics that must see each batch themselves, because they keep more than tensors."""
    metrics = () if steps.compiled is None else steps.compiled.metrics
    return any(isinstance(metric, TorchMetric) or not hasattr(metric, "variables") for metric in metrics)


class _Metrics:
    """The metrics' part of a step: in the graph, or past it."""

    def __init__(self, steps: EagerSteps, outside: bool) -> None:
        self._steps = steps
        self._outside = outside
        self._outputs = _Outputs()
        self._logs: dict[str, Any] | None = None

    def state(self) -> list[Tensor]:
        return _variables_of_metrics(self._steps)

    def record(self, loss: Tensor, x: Any, y: Any, y_pred: Any, weight: Any) -> list[Tensor]:
        if self._outside:
            return [loss.detach(), *self._outputs.leaves(y_pred)]
        self._steps.returned = None
        self._steps.update(loss, x, y, y_pred, weight)
        returned, self._steps.returned = self._steps.returned, None
        self._logs = None if returned is None else dict(returned)
        logs: dict[str, Any] = self._logs or {}
        return [value for value in logs.values() if isinstance(value, Tensor)]

    def end(self, results: Sequence[Tensor], x: Any, y: Any, weight: Any) -> None:
        if self._outside:
            self._steps.update(results[0], x, y, self._outputs.of(results[1:]), weight)
        elif self._logs is not None:
            values = iter(results)
            self._steps.returned = {
                name: next(values) if isinstance(value, Tensor) else value for name, value in self._logs.items()
            }


class _Outputs:
    """The model's outputs as results of a graph: without history, but with their masks."""

    def __init__(self) -> None:
        self._structure: Any = None
        self._masked: list[bool] = []

    def leaves(self, y_pred: Any) -> list[Tensor]:
        """The tensors to return from the graph."""
        self._structure = map_structure(lambda _: None, y_pred)
        leaves = flatten(y_pred)
        masks = [getattr(leaf, "_keras_mask", None) for leaf in leaves]
        self._masked = [mask is not None for mask in masks]
        return [*(leaf.detach() for leaf in leaves), *(mask for mask in masks if mask is not None)]

    def of(self, results: Sequence[Tensor]) -> Any:
        """The outputs, of what the graph returned."""
        count = len(self._masked)
        masks = iter(results[count:])
        for leaf, is_masked in zip(results, self._masked, strict=False):
            if is_masked:
                leaf._keras_mask = next(masks)  # type: ignore[attr-defined]  # where Keras keeps it
        return pack(self._structure, results[:count])


def _variables_of_metrics(steps: EagerSteps) -> list[Tensor]:
    return [variable for metric in steps.compiled.metrics for variable in getattr(metric, "variables", ())]


def _gradients(loss: Tensor, params: Sequence[Tensor]) -> list[Tensor | None]:
    wanted = [param for param in params if param.requires_grad]
    if not (loss.requires_grad and wanted):
        raise NotRecordableError("no gradient flows from its loss to a weight")
    found = iter(torch.autograd.grad(loss, wanted, allow_unused=True))
    return [next(found) if param.requires_grad else None for param in params]


def _strided_as(param: Tensor, grad: Tensor) -> Tensor:
    """A gradient with the strides of its parameter, as autograd would put it into `parameter.grad`."""
    if grad.stride() == param.stride():
        return grad
    return torch.empty_strided(param.shape, param.stride(), dtype=grad.dtype, device=grad.device).copy_(grad)


def _tensors_of(model: torch.nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]
