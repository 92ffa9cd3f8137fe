"""CompiledOwnSteps: programs of a model's own `train_step`, `test_step` and `predict_step`."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor

from labkeras.nest import flatten, map_structure, pack
from labkeras.optimizers.optimizer import Optimizer
from labkeras.training.compilation.compiled_steps import CompiledSteps
from labkeras.training.compilation.recording import NotRecordableError
from labkeras.training.compilation.stages import FedOptimizer, Stage
from labkeras.training.steps import OwnSteps, packed

__all__ = ["CompiledOwnSteps"]

# Stands for a tensor among what the model's code returns.
_RESULT = object()


class CompiledOwnSteps(CompiledSteps, OwnSteps):
    """The steps of a model that brings its own, as compiled programs, where that is possible.

    As with Keras on JAX, the model's code runs when it is recorded, and not in each step: what it counts in Python
    stands still.
    """

    def train(self, x: Any, y: Any, weight: Any) -> None:
        # The first step may build optimizers and metrics; programs begin when all that they keep is there.
        if self._trains and not self._programs.began:
            self._programs.began = True
            OwnSteps.train(self, x, y, weight)
            return
        super().train(x, y, weight)

    def _stages(self, mode: str) -> list[Callable[[], Stage]]:
        if mode == "train" and self._trains:
            return [partial(_OwnStep, self, "train_step", self._optimizers())]
        if mode == "test" and self._tests:
            return [partial(_OwnStep, self, "test_step", [])]
        if mode == "predict" and self._predicts:
            return [partial(_OwnStep, self, "predict_step", [])]
        return super()._stages(mode)

    def _settle(self, mode: str, batch: tuple[Any, Any, Any]) -> None:
        is_own = {"train": self._trains, "test": self._tests}
        if not is_own.get(mode, False):
            super()._settle(mode, batch)

    def _optimizers(self) -> list[Any]:
        held = [value for value in vars(self.model).values() if isinstance(value, torch.optim.Optimizer)]
        every = {id(one): one for one in [self.compiled.optimizer, *held]}.values()
        return [one for one in every if getattr(one, "built", True)]


class _OwnStep:
    """A method of the model, whole.

    Args:
        steps: the steps of the model.
        method: its name.
        optimizers: those that it may use.
    """

    def __init__(self, steps: CompiledOwnSteps, method: str, optimizers: Sequence[Any]) -> None:
        for optimizer in optimizers:
            if not (isinstance(optimizer, Optimizer) and optimizer.is_traceable()):
                raise NotRecordableError(f"its `{method}` uses {type(optimizer).__name__}, whose step is not recorded")
        self._steps = steps
        self._method = method
        self._fed = [(optimizer, FedOptimizer(optimizer)) for optimizer in optimizers]
        self._stepped: list[Any] = []
        self._returned: Any = None

    def state(self) -> list[Tensor]:
        model, compiled = self._steps.model, self._steps.compiled
        metrics = () if compiled is None else compiled.metrics
        variables = [variable for metric in metrics for variable in getattr(metric, "variables", ())]
        fed = [tensor for _, fed in self._fed for tensor in fed.state()]
        return [*model.parameters(), *model.buffers(), *variables, *fed]

    def record(self, x: Any, y: Any, weight: Any) -> list[Tensor]:
        model = self._steps.model
        before = [(param, param.grad) for param in model.parameters()]
        with ExitStack() as stack:
            stack.enter_context(torch.set_grad_enabled(self._method == "train_step"))
            recorded = [
                (optimizer, stack.enter_context(optimizer.recording(fed.numbers))) for optimizer, fed in self._fed
            ]
            try:
                returned = getattr(model, self._method)(packed(x, y, weight))
            finally:
                for param, grad in before:
                    param.grad = grad
        if any(fed.steps > 1 for _, fed in recorded):
            raise NotRecordableError(f"its `{self._method}` takes several steps of one optimizer")
        self._stepped = [optimizer for optimizer, fed in recorded if fed.steps]
        leaves = flatten(returned)
        self._returned = map_structure(lambda leaf: _RESULT if isinstance(leaf, Tensor) else leaf, returned)
        return [leaf.detach() for leaf in leaves if isinstance(leaf, Tensor)]

    def begin(self) -> None:
        for _, fed in self._fed:
            fed.renew()

    def end(self, results: Sequence[Tensor], x: Any, y: Any, weight: Any) -> Any:
        for optimizer in self._stepped:
            optimizer.count_step()
        values = iter(results)
        leaves = [next(values) if leaf is _RESULT else leaf for leaf in flatten(self._returned)]
        returned = pack(self._returned, leaves)
        if self._method != "predict_step":
            self._steps.returned = returned
        return returned
