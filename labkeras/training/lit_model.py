"""LitModel: the LightningModule that trains a model.

Under a Trainer of the user's it is a module like any other: Lightning does backward, step, precision and clipping. In
a plain `fit` it takes several batches in one `training_step` and does those steps itself (`manual`): Lightning's loop
costs some 0.5 ms a step, which is more than a small model needs for all its work. What is computed is the same, bit
for bit.
"""

import functools
import warnings
from collections.abc import Callable, Collection
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from labkeras.callbacks.callback import Mode
from labkeras.callbacks.callback_list import CallbackList
from labkeras.nest import flatten, map_structure, pack
from labkeras.training.compiled import Compiled, LazyLogs
from labkeras.training.data import Steps, ready

__all__ = ["HomingLitModel", "LitModel", "as_arrays", "call_model"]


class LitModel(pl.LightningModule):
    """Trains, evaluates and predicts with a compiled model.

    Args:
        model: the model, a `torch.nn.Module`.
        compiled: its losses, metrics and optimizer; None to predict only.
        callbacks: Keras's callbacks, called here in Keras's order.
        initial_epoch: the number of the Trainer's first epoch.
        manual: whether each `training_step` gets an iterable of batches, and does all their steps.
    """

    def __init__(
        self,
        model: Any,
        compiled: Compiled | None,
        callbacks: CallbackList | None = None,
        initial_epoch: int = 0,
        manual: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.automatic_optimization = not manual
        self.train_logs: dict[str, Any] = {}
        self.validation_logs: dict[str, Any] = {}
        self.predictions: list[Any] = []
        self._row: dict[str, Any] = {}
        # Not attributes of the module: their states are no part of its state_dict, and move on their own.
        object.__setattr__(self, "compiled", compiled)
        object.__setattr__(self, "callbacks", callbacks if callbacks is not None else CallbackList([], model=model))
        self._initial_epoch = initial_epoch
        self.validation_freq: int | Collection[int] | None = None
        """After how many epochs to validate, or after which, counted from 1; None leaves that to the Trainer."""
        self._saw_data = False
        self._steps = {"train": 0, "test": 0, "predict": 0}
        self._in_fit = False
        self._regularized: list[Any] = []

    compiled: Any
    callbacks: Any

    @property
    def epoch(self) -> int:
        """The number of the epoch, as Keras counts."""
        return self._initial_epoch + int(self.current_epoch)

    def forward(self, x: Any) -> Any:
        """The model's outputs."""
        return self.model(x)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer of `compile`, given the model's trainable weights."""
        optimizer: torch.optim.Optimizer = self.compiled.prepared_optimizer(self.model)
        return optimizer

    # --- training -----------------------------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        self._in_fit = True
        # A model of ours rests in eval mode; Lightning trains what is in train mode.
        self.train()
        self._find_regularized()
        self.compiled.follow(self.model)
        self.compiled.to(self.device)

    def on_train_start(self) -> None:
        self.callbacks.on_train_begin()

    def on_train_epoch_start(self) -> None:
        self.compiled.reset()
        self._steps["train"] = 0
        self._saw_data = False
        self.train_logs, self.validation_logs = {}, {}
        if self.validation_freq is not None:
            # Lightning counts from the first epoch of this run, Keras from epoch 0.
            self.trainer.check_val_every_n_epoch = (
                1 if self._validates_after(self.epoch + 1) else self.current_epoch + 2
            )
        self.callbacks.on_epoch_begin(self.epoch)

    def _validates_after(self, epoch: int) -> bool:
        freq = self.validation_freq
        return epoch % freq == 0 if isinstance(freq, int) else epoch in (freq or ())

    def training_step(self, batch: Any, batch_idx: int) -> Tensor | None:
        self._saw_data = True
        if self.automatic_optimization:
            return self._train_automatically(batch)
        optimizer = self.compiled.optimizer
        self._run_steps(batch, "train", lambda x, y, weight: self._train_manually(optimizer, x, y, weight))
        return None

    def _train_automatically(self, batch: Any) -> Tensor:
        x, y, weight = ready(batch)
        step = self._steps["train"]
        self._steps["train"] += 1
        hooks = self.callbacks.needs_batch_hooks("train")
        if hooks:
            self.callbacks.on_train_batch_begin(step)
        y_pred = call_model(self.model, x, training=True)
        loss = self._loss(x, y, y_pred, weight)
        self.compiled.update(loss, y, y_pred, weight)
        if hooks:
            self._after_batch("train", step)
            self.trainer.should_stop = self.trainer.should_stop or self.model.stop_training
        scaled: Tensor = self.compiled.scaled(loss)
        return scaled

    def _train_manually(self, optimizer: Any, x: Any, y: Any, weight: Any) -> None:
        y_pred = call_model(self.model, x, training=True)
        loss = self._loss(x, y, y_pred, weight)
        optimizer.zero_grad()
        self.compiled.scaled(loss).backward()
        optimizer.step()
        self.compiled.update(loss, y, y_pred, weight)

    def _loss(self, x: Any, y: Any, y_pred: Any, weight: Any) -> Tensor:
        model = self.model
        if _has_own_loss(model.__class__):
            loss: Tensor = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weight)
            return loss
        added = [loss for owner in dict.fromkeys(getattr(model, "_loss_owners", ())) for loss in owner._losses]
        penalties = [weight.regularizer(weight) for weight in self._regularized if weight.requires_grad]
        total: Tensor = self.compiled.total_loss(y, y_pred, weight, [*added, *penalties])
        return total

    def on_validation_start(self) -> None:
        if self._in_fit:
            self.train_logs = self.compiled.logs_of_all()
        else:
            self._find_regularized()
            self.compiled.follow(self.model)
        self.compiled.to(self.device)
        self.compiled.reset()
        self._steps["test"] = 0
        self.callbacks.on_test_begin()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._run_steps(batch, "test", self._test_one)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """The same as validation, for a Trainer of the user's."""
        self._run_steps(batch, "test", self._test_one)

    def _test_one(self, x: Any, y: Any, weight: Any) -> None:
        y_pred = call_model(self.model, x, training=False)
        self.compiled.update(self._loss(x, y, y_pred, weight), y, y_pred, weight)

    def on_validation_epoch_end(self) -> None:
        self.validation_logs = self.compiled.logs_of_all()
        self.callbacks.on_test_end(self.validation_logs)
        if self.automatic_optimization:
            self.log_dict({f"val_{name}": value for name, value in self.validation_logs.items()})

    def on_test_start(self) -> None:
        self._find_regularized()
        self.compiled.follow(self.model)
        self.compiled.to(self.device)
        self.compiled.reset()

    def on_test_epoch_end(self) -> None:
        self.log_dict({f"test_{name}": value for name, value in self.compiled.logs_of_all().items()})

    def on_train_epoch_end(self) -> None:
        if not self._saw_data:
            warnings.warn("the data has no more batches: training stops here.", stacklevel=1)
            self.trainer.should_stop = True
            return
        # The epoch's row is written here: Lightning calls its own callbacks' hook of this name before the module's.
        logs = self.train_logs or self.compiled.logs_of_all()
        if self.automatic_optimization:
            self.log_dict(logs)
        row = dict(sorted(logs.items())) | {
            f"val_{name}": self.validation_logs[name] for name in sorted(self.validation_logs)
        }
        self._row = row
        self.callbacks.on_epoch_end(self.epoch, row)
        if getattr(self.model, "stop_training", False):
            self.trainer.should_stop = True

    def on_fit_end(self) -> None:
        # Inference is the resting state, also after a Trainer of the user's.
        self.eval()

    def on_train_end(self) -> None:
        self._in_fit = False
        if getattr(self.compiled.optimizer, "use_ema", False):
            self.compiled.optimizer.finalize_variable_values(self.model.trainable_variables)
        self.callbacks.on_train_end(self._row)

    # --- prediction ---------------------------------------------------------------------------------------------------

    def on_predict_start(self) -> None:
        self.predictions = []
        self._steps["predict"] = 0
        self.callbacks.on_predict_begin()

    def predict_step(self, batch: Any, batch_idx: int) -> Any:
        self._run_steps(batch, "predict", self._predict_one)
        return None if isinstance(batch, Steps) else self.predictions[-1]

    def _predict_one(self, x: Any, y: Any, weight: Any) -> None:
        outputs = call_model(self.model, x, training=False)
        self.predictions.append(map_structure(lambda tensor: tensor.detach().cpu(), outputs))

    def on_predict_end(self) -> None:
        self.callbacks.on_predict_end()

    def _find_regularized(self) -> None:
        # Once a run: looking through all weights in each step would cost more than a small model's step.
        weights = self.model.parameters()
        self._regularized = [weight for weight in weights if getattr(weight, "regularizer", None) is not None]

    # --- steps --------------------------------------------------------------------------------------------------------

    def _run_steps(self, batch: Any, mode: Mode, run: Callable[[Any, Any, Any], None]) -> None:
        """Runs the steps of one call of Lightning's, with the batch hooks that somebody needs."""
        hooks = self.callbacks.needs_batch_hooks(mode)
        begin = getattr(self.callbacks, f"on_{mode}_batch_begin")
        moves = self.device.type != "cpu"
        for x, y, weight in batch if isinstance(batch, Steps) else [ready(batch)]:
            if moves:
                x, y, weight = map_structure(self._to_device, (x, y, weight))
            if not hooks:
                run(x, y, weight)
                continue
            step = self._steps[mode]
            self._steps[mode] += 1
            begin(step)
            run(x, y, weight)
            self._after_batch(mode, step)
            if mode == "train" and self.model.stop_training:
                self.trainer.should_stop = True
                return

    def _after_batch(self, mode: Mode, step: int) -> None:
        logs = LazyLogs(self.compiled.logs if mode != "predict" else lambda: {"outputs": self.predictions[-1]})
        getattr(self.callbacks, f"on_{mode}_batch_end")(step, logs)

    def _to_device(self, leaf: Any) -> Any:
        return leaf.to(self.device, non_blocking=True) if isinstance(leaf, Tensor) else leaf


class HomingLitModel(LitModel):
    """Brings home what a process that Lightning started found out: the weights' `state_dict` is all that comes back
    from it."""

    def setup(self, stage: str) -> None:
        if self.compiled is not None:
            self.compiled.unshare()
        # Again, in this process: only the first one shows progress, and each has its part of the steps.
        params = dict(self.callbacks.params)
        if params.get("steps") is not None:
            params["steps"] = -(-params["steps"] // self.trainer.world_size)
        self.callbacks.set_params(params)

    def get_extra_state(self) -> dict[str, Any]:
        history = self.callbacks.history
        if history is None:
            return {}
        values = {name: [float(value) for value in listed] for name, listed in history.history.items()}
        return {"epoch": list(history.epoch), "history": values}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        history = self.callbacks.history
        if history is not None and state:
            history.epoch, history.history = state["epoch"], state["history"]


def call_model(model: Any, x: Any, training: bool) -> Any:
    """A model's outputs; a module of torch's that takes no `training` goes by its own mode."""
    return model(x, training=training) if hasattr(model, "_call_spec") else model(x)


@functools.cache
def _has_own_loss(model_class: Any) -> bool:
    classes = (cls for cls in model_class.__mro__ if "compute_loss" in vars(cls))
    return not next(classes, torch.nn.Module).__module__.startswith(("labkeras.", "torch."))


def as_arrays(predictions: list[Any]) -> Any:
    """The outputs of batches, joined along the samples, as arrays."""
    joined = [torch.cat(parts) for parts in zip(*(flatten(outputs) for outputs in predictions), strict=True)]
    # NumPy has no bfloat16.
    return pack(predictions[0], [(t.float() if t.dtype is torch.bfloat16 else t).numpy() for t in joined])
