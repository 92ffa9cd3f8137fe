"""Processes: the LightningModule of a run of several processes, and what comes home from those that end with it."""

import atexit
import functools
import shutil
import signal
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.strategies.launchers import _MultiProcessingLauncher
from torch import Tensor

from labkeras.callbacks.callback import Mode
from labkeras.callbacks.diagnostics import Diagnostics
from labkeras.callbacks.history import History
from labkeras.callbacks.processes import in_any_process
from labkeras.callbacks.progbar_logger import ProgbarLogger
from labkeras.callbacks.tensorboard import TensorBoard
from labkeras.distribution import replicas
from labkeras.distribution.replicas import Place
from labkeras.nest import flatten, map_structure, pack
from labkeras.optimizers.optimizer import Optimizer
from labkeras.optimizers.torch_optimizer import TorchOptimizer
from labkeras.random import SeedGenerator
from labkeras.training.data import Batches
from labkeras.training.dealing import part
from labkeras.training.devices import DevicePlan
from labkeras.training.lit_model import LitModel
from labkeras.training.quiet import hush
from labkeras.training.steps import steps_for

__all__ = ["JointLitModel", "Luggage", "joint_module", "optimizers_of"]

# In how many steps an accelerator is asked once whether a process has to end.
_LOOK_EVERY = 32


def joint_module(plan: DevicePlan, trainer: pl.Trainer, *arguments: Any) -> "JointLitModel":
    """The module that a Trainer of several processes is to run.

    Args:
        plan: the devices of the run.
        trainer: the Trainer.
        *arguments: those of `LitModel`.
    """
    distribution = plan.distribution
    module = _class_for(distribution)(*arguments)
    module.distribution, module.splits_batches = distribution, plan.splits_batches
    module.deals = distribution is None or distribution.auto_shard_dataset
    module.luggage = Luggage.for_trainer(trainer)
    return module


class JointLitModel(LitModel):
    """Trains a model in several processes, so that they do together what one would do with all their samples.

    In each step every process has its part of the batch, if only a stand-in that does not count; losses are weighed so
    that the mean of the gradients is that of the whole batch; the processes stop together.
    """

    distribution: Any = None
    """The distribution that is set, if any."""
    splits_batches = False
    """Whether a batch is shared by all processes; otherwise each has batches of its own."""
    deals = True
    """Whether each process takes its part of the data; otherwise it is given only that anyway."""
    batches: Batches | None = None
    """What is trained or worked on, to know how many batches this process gets."""
    luggage: "Luggage | None" = None
    """What brings the outcome home, where processes end with the run."""
    _spare: Any = None
    _may_stop = False
    _has_to_end = False

    def setup(self, stage: str) -> None:
        """Finds out where this process stands, and makes its state its own."""
        super().setup(stage)
        if self.luggage is not None and self.compiled is not None:
            self.compiled.unshare()
        _end_group_with_interpreter()
        place = self.place()
        replicas.take(place)
        _draw_alike()
        if place.rank > 0:
            torch.manual_seed(zlib.crc32(torch.get_rng_state().numpy().tobytes()) + place.rank)
        # Again, now that it is known how many batches this process gets, and whether it is the one that speaks.
        steps = None if self.batches is None else self.batches.steps
        self.callbacks.set_params({**(self.callbacks.params or {}), "steps": steps})
        # DDP copies the first process's buffers to all before each step: not those in which each counts for itself.
        self._ddp_params_and_buffers_to_ignore = [
            f"{path}.{name}"
            for path, module in self.named_modules()
            if isinstance(module, SeedGenerator) or hasattr(module, "update_state")
            for name, _ in module.named_buffers(recurse=False)
        ]

    def place(self) -> Place:
        """Where this process stands among those that have different samples."""
        return Place(self.trainer.global_rank, self.trainer.world_size, self.splits_batches, self.deals)

    def on_train_start(self) -> None:
        super().on_train_start()
        listening = any(
            callback.needs_batch_hooks("train")
            for callback in self.callbacks.callbacks
            if not isinstance(callback, ProgbarLogger | History | TensorBoard | Diagnostics)
        )
        self._ending: list[Tensor] = []
        _on_sigterm(self._note_end)
        self._may_stop = in_any_process(listening or self.steps.updates_itself)
        # Where Lightning does not do the step, its strategy does not reduce gradients either.
        self._reducing = [] if self.automatic_optimization else _reducing(optimizers_of(self.model, self.compiled))

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        if in_any_process(self.trainer.should_stop):
            self._stop()

    def on_train_end(self) -> None:
        super().on_train_end()
        for end in self._reducing:
            end()

    def on_validation_start(self) -> None:
        if not self._in_fit:
            _on_sigterm(signal.SIG_DFL)
        super().on_validation_start()

    def on_predict_start(self) -> None:
        _on_sigterm(signal.SIG_DFL)
        # Again, now that it is known that this is one of several processes.
        object.__setattr__(self, "steps", steps_for(self.model, self.compiled))
        super().on_predict_start()

    def on_predict_end(self) -> None:
        self.predictions = _in_order(self.predictions)
        super().on_predict_end()

    def teardown(self, stage: str) -> None:
        """Makes the processes alike again, and packs what is to come home."""
        _draw_alike()
        if self.luggage is not None and self.trainer.is_global_zero:
            self.luggage.pack(self)

    def _run_step(self, mode: Mode, run: Callable[[Any, Any, Any], None], x: Any, y: Any, weight: Any) -> None:
        rows = _row_count(x)
        x, y, weight = self._or_stand_in(rows, x, y, weight)
        if mode == "predict":
            super()._run_step(mode, run, x, y, weight)
            if not rows:
                self.predictions[-1] = part(self.predictions[-1], slice(0, 0))
            return
        # A callback may want the same as SIGTERM does.
        has_to_end = self._has_to_end or getattr(self.model, "_has_to_end", False)
        with replicas.in_step(rows, self.device, has_to_end) as step:
            super()._run_step(mode, run, x, y, weight)
        if mode == "train":
            self._leave_together(step.ending())

    def _run_again(self, run: Callable[[Any, Any, Any], None], x: Any, y: Any, weight: Any) -> None:
        rows = _row_count(x)
        with replicas.in_step(rows, self.device):
            super()._run_again(run, *self._or_stand_in(rows, x, y, weight))

    def _or_stand_in(self, rows: int, x: Any, y: Any, weight: Any) -> tuple[Any, Any, Any]:
        """A batch, or, if it has no samples, one of the last that had, or like it."""
        if rows:
            self._spare = part((x, y, weight), slice(0, 1))
            return x, y, weight
        spare: tuple[Any, Any, Any] = _zeros_like((x, y, weight)) if self._spare is None else self._spare
        return spare

    def _end_step(self, mode: Mode) -> None:
        super()._end_step(mode)
        if mode == "train":
            self._agree()

    def _leave_together(self, ending: Tensor) -> None:
        """Ends all processes after the step in which one was told to; one that ends alone would leave others waiting.

        Lightning's handler talks to the other processes within the signal, whatever they are just talking about.
        """
        self._ending.append(ending)
        if ending.device.type != "cpu" and len(self._ending) < _LOOK_EVERY:
            return  # a look makes an accelerator wait
        ending, self._ending = torch.stack(self._ending).sum(), []
        if ending.item():
            raise SystemExit(128 + signal.SIGTERM)

    def _note_end(self, *_: Any) -> None:
        self._has_to_end = True

    def _agree(self) -> None:
        """Stops all processes after the step in which one wants to; one that stops alone would leave others waiting."""
        if not self._may_stop:
            self.trainer.should_stop = False  # until the end of the epoch, where all are asked
        elif in_any_process(bool(self.trainer.should_stop)):
            self._stop()

    def _stop(self) -> None:
        self.model.stop_training = True
        self.trainer.should_stop = True


class Luggage:
    """Brings home what the first of the processes that Lightning started found out; the weights come by themselves."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="labkeras-")

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A process that was spawned begins with this: it is to be as quiet as the one that called `fit`.
        hush()
        vars(self).update(state)

    @classmethod
    def for_trainer(cls, trainer: pl.Trainer) -> "Luggage | None":
        """What a Trainer needs: nothing if its processes go on after the run."""
        return cls() if isinstance(trainer.strategy.launcher, _MultiProcessingLauncher) else None

    def pack(self, module: LitModel) -> None:
        """Writes the outcome of a run, in the process that has it."""
        outcome: dict[str, Any] = {
            "validation_logs": {name: float(value) for name, value in module.validation_logs.items()},
            "predictions": module.predictions,
            "stop_training": bool(getattr(module.model, "stop_training", False)),
            "callbacks": [_numbers_of(callback) for callback in module.callbacks.callbacks],
            "random": torch.get_rng_state(),
            "optimizers": [],
        }
        if module.trainer.state.fn == "fit":
            optimizers = optimizers_of(module.model, module.compiled)
            outcome["optimizers"] = [one.state_dict() if getattr(one, "built", True) else None for one in optimizers]
        torch.save(outcome, self._path)

    def unpack(self, module: LitModel) -> None:
        """Gives a module, its model and its callbacks what `pack` wrote in another process."""
        # Predictions may be of any type: this was written by a process of ours, to a folder that only its user opens.
        outcome = torch.load(self._path, weights_only=False)
        module.validation_logs, module.predictions = outcome["validation_logs"], outcome["predictions"]
        module.model.stop_training = outcome["stop_training"]
        for callback, numbers in zip(module.callbacks.callbacks, outcome["callbacks"], strict=True):
            for name in numbers.keys() & vars(callback).keys():
                setattr(callback, name, numbers[name])
        torch.set_rng_state(outcome["random"])
        for optimizer, state in zip(optimizers_of(module.model, module.compiled), outcome["optimizers"], strict=False):
            if state is None:
                continue
            if isinstance(optimizer, Optimizer):
                optimizer.build(module.model.trainable_variables)
            optimizer.load_state_dict(state)

    def discard(self) -> None:
        """Removes what was written."""
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _path(self) -> Path:
        return Path(self._folder) / "outcome.pt"


def _class_for(distribution: Any) -> type[JointLitModel]:
    if distribution is None or not distribution.splits_weights:
        return JointLitModel
    from labkeras.training.sharded_model import ShardedLitModel  # loads half a second of torch, and stands on this file

    return ShardedLitModel


@functools.cache
def _end_group_with_interpreter() -> None:
    """Sees to it, once, that the group of processes ends before the interpreter: gloo's threads abort one that goes
    before them. Lightning does it for NCCL alone."""
    atexit.register(_end_group)


def _end_group() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def optimizers_of(model: Any, compiled: Any) -> list[torch.optim.Optimizer]:
    """The optimizers of a model: that of `compile`, and those that it has as attributes."""
    found = [getattr(compiled, "optimizer", None), *vars(model).values()]
    return list({id(one): one for one in found if isinstance(one, torch.optim.Optimizer)}.values())


def _reducing(optimizers: list[torch.optim.Optimizer]) -> list[Callable[[], None]]:
    """Has optimizers average gradients over the replicas before each step; returns what ends that."""
    ends: list[Callable[[], None]] = []
    for optimizer in optimizers:
        if isinstance(optimizer, Optimizer) and not isinstance(optimizer, TorchOptimizer):
            optimizer.reduce_gradients = replicas.averaged
            ends.append(partial(setattr, optimizer, "reduce_gradients", None))
        elif getattr(optimizer, "built", True):
            ends.append(optimizer.register_step_pre_hook(_reduce_in_place).remove)
    return ends


def _reduce_in_place(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    params = [param for group in optimizer.param_groups for param in group["params"] if param.grad is not None]
    for param, grad in zip(params, replicas.averaged([param.grad for param in params]), strict=True):
        param.grad = grad


def _on_sigterm(handler: Any) -> None:
    """Sets what the signal does until the end of the run, when Lightning sets it back."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _draw_alike() -> None:
    """Gives all processes the random numbers of the first."""
    said = [torch.get_rng_state()]
    dist.broadcast_object_list(said, src=0)
    torch.set_rng_state(said[0])


def _in_order(predictions: list[Any]) -> list[Any]:
    """The outputs for all samples, in their order, from those of each replica."""
    place = replicas.current()
    if place.count == 1:
        return predictions
    of_all: list[Any] = [None] * place.count
    dist.all_gather_object(of_all, [flatten(outputs) for outputs in predictions], group=place.group)
    # Of each batch, each process has had the samples behind those of the one before it.
    steps = [outputs for step in zip(*of_all, strict=True) for outputs in step]
    return [pack(predictions[0], [torch.cat(leaves) for leaves in zip(*steps, strict=True)])] if steps else []


def _row_count(x: Any) -> int:
    sizes = (len(leaf) for leaf in flatten(x) if isinstance(leaf, Tensor) and leaf.ndim)
    return next(sizes, 1)


def _zeros_like(batch: Any) -> Any:
    """A sample like those that a batch without any would have."""
    return map_structure(
        lambda leaf: leaf.new_zeros((1, *leaf.shape[1:])) if isinstance(leaf, Tensor) and leaf.ndim else leaf, batch
    )


def _numbers_of(callback: Any) -> dict[str, Any]:
    """What a callback has found out, as far as that is numbers and words."""
    return {
        name: value
        for name, value in vars(callback).items()
        if name != "params" and all(map(_is_plain, _leaves(value)))
    }


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.keys()
    yield from flatten(value)


def _is_plain(leaf: Any) -> bool:
    return leaf is None or isinstance(leaf, bool | int | float | str)
