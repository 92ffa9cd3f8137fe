"""CompiledSteps: the steps of a model that was compiled with `jit_compile=True`."""

import warnings
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from labkeras.nest import flatten
from labkeras.training.compilation.programs import Program, Programs, Table
from labkeras.training.compilation.recording import NotRecordableError, values_kept
from labkeras.training.compilation.stages import (
    Evaluation,
    Loss,
    Prediction,
    SplitTraining,
    Stage,
    Training,
    keeps_metrics_outside,
)
from labkeras.training.compiled import Compiled
from labkeras.training.steps import EagerSteps

__all__ = ["CompiledSteps"]

_SETTINGS = ("weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "ema_momentum", "loss_scale_factor")


class CompiledSteps(EagerSteps):
    """Runs steps as compiled programs, where that is possible and pays; the others operation by operation.

    Args:
        model: the model, a `torch.nn.Module`.
        compiled: its losses, metrics and optimizer; None to predict only.
        keeper: what `compile` resolved: it keeps the programs from one run to the next.
    """

    def __init__(self, model: Any, compiled: Compiled | None, keeper: Compiled) -> None:
        super().__init__(model, compiled)
        if keeper.programs is None:
            keeper.programs = Programs()
        self._programs: Programs = keeper.programs
        self._tables: dict[str, Table] = {}
        self._is_eager = False

    def train(self, x: Any, y: Any, weight: Any) -> None:
        optimizer = self.compiled.optimizer
        if optimizer.needs_closure:
            super().train(x, y, weight)  # whose every pass is the program that Lightning's steps have too
            return
        phase = optimizer.phase()
        if phase is None or not self._run("train", phase, x, y, weight):
            self._is_eager = True
            try:
                super().train(x, y, weight)
            finally:
                self._is_eager = False
            self._say_why_not("train")

    def test(self, x: Any, y: Any, weight: Any) -> None:
        if not self._run("test", (), x, y, weight):
            super().test(x, y, weight)
            self._say_why_not("test")

    def predict(self, x: Any, y: Any = None, weight: Any = None) -> Any:
        found = self._program("predict", (), x, None, None)
        if found is not None:
            program, leaves = found
            return program((x, None, None), leaves)
        outputs = super().predict(x)
        self._say_why_not("predict")
        return outputs

    def forward(self, x: Any, y: Any, weight: Any, training: bool) -> tuple[Tensor, Any]:
        """The loss of a batch, and the model's outputs; in training the loss knows its gradients."""
        if training and not self._is_eager:
            found = self._program("loss", (), x, y, weight)
            if found is not None:
                program, leaves = found
                results: tuple[Tensor, Any] = program((x, y, weight), leaves)
                return results
            self._say_why_not("loss")
        return super().forward(x, y, weight, training)

    def reset(self) -> None:
        super().reset()
        # A callback may have frozen a layer, or exchanged a weight.
        self._tables = {}

    def _run(self, mode: str, phase: Hashable, x: Any, y: Any, weight: Any) -> bool:
        """Runs the program of a step; False if there is none."""
        found = self._program(mode, phase, x, y, weight)
        if found is None:
            return False
        program, leaves = found
        program((x, y, weight), leaves)
        return True

    def _program(self, mode: str, phase: Hashable, x: Any, y: Any, weight: Any) -> tuple[Program, list[Tensor]] | None:
        """The program for a batch, with the batch's tensors; None if there is none, and none is to be made now."""
        table = self._tables.get(mode)
        if table is None:
            table = self._begin(mode, (x, y, weight))
        if type(x) is Tensor and type(y) is Tensor and weight is None:
            leaves = [x, y]
            key: Hashable = (phase, x.shape, x.stride(), x.dtype, y.shape, y.stride(), y.dtype)
        else:
            leaves = [leaf for leaf in flatten([x, y, weight]) if isinstance(leaf, Tensor)]
            key = (phase, _kind(x), _kind(y), _kind(weight))
        program = table.programs.get(key)
        if program is None and table.is_worth_one(key):
            program = self._made(mode, table, key, (x, y, weight), leaves)
        return None if program is None else (program, leaves)

    def _begin(self, mode: str, batch: tuple[Any, Any, Any]) -> Table:
        """Looks at the state of the model, and finds the programs for it."""
        try:
            self._settle(mode, batch)
        except Exception as error:  # the step itself will say so in its own words
            table = Table([], refused=_reason(error))
        else:
            table = self._table(mode)
        self._tables[mode] = table
        return table

    def _made(
        self, mode: str, table: Table, key: Hashable, batch: tuple[Any, Any, Any], leaves: list[Tensor]
    ) -> Program | None:
        reason = "there is no batch to compile for"
        modules = [self.model, *(() if self.compiled is None else self._metric_modules())]
        for stage in self._stages(mode):
            try:
                program = table.programs[key] = Program(stage(), batch, leaves, modules)
                return program
            except Exception as error:  # whatever it is, the step itself may do without: then that error is its own
                reason = _reason(error)
        table.refused = reason
        return None

    def _stages(self, mode: str) -> list[Callable[[], Stage]]:
        """What to try to compile, the best first."""
        if mode == "predict":
            return [partial(Prediction, self)]
        if mode == "loss":
            return [partial(Loss, self)]
        outside = keeps_metrics_outside(self)
        places = [True] if outside else [False, True]
        if mode == "test":
            return [partial(Evaluation, self, place) for place in places]
        optimizer = self.compiled.optimizer
        kinds: list[Callable[..., Stage]] = [Training] if optimizer.is_traceable() else []
        return [partial(kind, self, place) for kind in (*kinds, SplitTraining) for place in places]

    def _settle(self, mode: str, batch: tuple[Any, Any, Any]) -> None:
        """Has losses and metrics made that wait for the first batch."""
        if mode == "predict" or self.compiled.is_settled:
            return
        model = self.model
        with torch.inference_mode(False), torch.no_grad(), values_kept([*model.parameters(), *model.buffers()]):
            super().test(*batch)
        self.compiled.reset()
        self.returned = None

    def _table(self, mode: str) -> Table:
        """The programs for the state that the model is in."""
        modules = list(self.model.modules())
        tensors = [*self.model.parameters(), *self.model.buffers()]
        settings: list[Any] = [mode, self.check.enabled, *_autocasts()]
        if mode != "predict":
            tensors += [variable for metric in self.compiled.metrics for variable in getattr(metric, "variables", ())]
        optimizers = self._optimizers() if mode == "train" else []
        for optimizer in optimizers:
            tensors += [slot for slots in optimizer.state.values() for slot in slots.values() if _is_tensor(slot)]
            settings += [getattr(optimizer, name, None) for name in _SETTINGS]
            settings += [(len(group["params"]), group.get("weight_decay")) for group in optimizer.param_groups]
        held = [*modules, *tensors, *optimizers]
        state = (
            tuple(settings),
            tuple(map(id, held)),
            tuple(module.training for module in modules),
            tuple((tensor.requires_grad, tensor.stride(), tensor.dtype, tensor.device) for tensor in tensors),
        )
        return self._programs.table(state, held)

    def _optimizers(self) -> list[Any]:
        """The optimizers that a training step uses."""
        return [self.compiled.optimizer]

    def _metric_modules(self) -> list[torch.nn.Module]:
        return [metric for metric in self.compiled.metrics if isinstance(metric, torch.nn.Module)]

    def _say_why_not(self, mode: str) -> None:
        table = self._tables.get(mode)
        if table is None or table.refused is None or table.refused == self._programs.said:
            return
        self._programs.said = table.refused
        warnings.warn(
            f"the model {getattr(self.model, 'name', type(self.model).__name__)!r} runs without compilation, though "
            f"`jit_compile=True`, as a step of it cannot be compiled: {table.refused}.",
            stacklevel=2,
        )


def _kind(value: Any) -> Hashable:
    """What a program depends on in a part of a batch."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.device
    if isinstance(value, dict):
        return tuple((name, _kind(value[name])) for name in sorted(value))
    if isinstance(value, list | tuple):
        return tuple(map(_kind, value))
    known: Hashable = value
    return known


def _autocasts() -> list[Any]:
    """What torch casts by itself, on which device: a Trainer's precision is of that kind."""
    kinds = ("cpu", "cuda")
    return [torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None for kind in kinds]


def _is_tensor(slot: Any) -> bool:
    return isinstance(slot, Tensor)


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    text = lines[0].rstrip(".") or type(error).__name__
    return text if isinstance(error, NotRecordableError) else f"{type(error).__name__}: {text}"
