"""LitModel: the LightningModule that trains a model.

Under a Trainer of the user's it is a module like any other: Lightning does backward, step, precision and clipping. In
a plain `fit` it takes several batches in one `training_step` and does those steps itself (`manual`): Lightning's loop
costs some 0.5 ms a step, which is more than a small model needs for all its work. What is computed is the same, bit
for bit. A model with its own `train_step` does backward and step in that, however its batches come.
"""

import warnings
from collections.abc import Callable, Collection
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import GradClipAlgorithmType
from torch import Tensor

from labkeras.callbacks.callback import Mode
from labkeras.callbacks.callback_list import CallbackList
from labkeras.nest import map_structure
from labkeras.optimizers import LossScaleOptimizer
from labkeras.optimizers.wrapper import innermost
from labkeras.training.batch_hooks import BatchHooks
from labkeras.training.compiled import Compiled
from labkeras.training.data import Steps, ready
from labkeras.training.passes import Passes, check_passes
from labkeras.training.precision import check_precision
from labkeras.training.steps import EagerSteps, begin_run, detached_outputs, own_method, steps_for

__all__ = ["LitModel"]


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
        self.automatic_optimization = not manual and not own_method(type(model), "train_step")
        self.validation_logs: dict[str, Any] = {}
        self.predictions: list[Any] = []
        self._row: dict[str, Any] = {}
        # Not attributes of the module: their states are no part of its state_dict, and move on their own.
        object.__setattr__(self, "compiled", compiled)
        object.__setattr__(self, "callbacks", callbacks if callbacks is not None else CallbackList([], model=model))
        object.__setattr__(self, "steps", steps_for(model, compiled))
        self._hooks = BatchHooks(self.callbacks, 1 if compiled is None else compiled.steps_per_execution)
        self._manual = manual
        self._initial_epoch = initial_epoch
        self.validation_freq: int | Collection[int] | None = None
        """After how many epochs to validate, or after which, counted from 1; None leaves that to the Trainer."""
        self._in_fit = False
        self._passed_over = 0
        self._passes: Passes | None = None
        self._train_logs: tuple[int, dict[str, Any]] = 0, {}

    compiled: Any
    callbacks: Any
    steps: EagerSteps

    @property
    def epoch(self) -> int:
        """The number of the epoch, as Keras counts."""
        return self._initial_epoch + int(self.current_epoch)

    def forward(self, x: Any) -> Any:
        """The model's outputs."""
        return self.model(x)

    def configure_optimizers(self) -> torch.optim.Optimizer | None:
        """The optimizer of `compile`, given the model's trainable weights.

        None if the model has none, or has a `compile` and a `train_step` of its own, with whatever optimizers.
        """
        if self.steps.updates_itself and own_method(type(self.model), "compile"):
            return None
        optimizer: torch.optim.Optimizer = self.compiled.prepared_optimizer(self.model)
        return optimizer if self.compiled.optimizer.built else None

    # --- training -----------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        # The first hook of a run: Lightning has not moved the model to another type yet.
        optimizer = None if self.compiled is None else self.compiled.optimizer
        check_precision(self.model, optimizer, self.trainer.precision)
        check_passes(optimizer, self.trainer)

    def on_fit_start(self) -> None:
        self._in_fit = True
        # A model of ours rests in eval mode; Lightning trains what is in train mode.
        self.train()
        self._begin_run()

    def on_train_start(self) -> None:
        self.callbacks.on_train_begin()
        # A callback that takes up a run that was broken off says with which epoch to go on, and after how many of
        # its batches.
        self._passed_over = getattr(self.model, "_initial_batch", None) or 0
        first = getattr(self.model, "_initial_epoch", None)
        if first:
            epochs = self.trainer.fit_loop.max_epochs
            if epochs is not None and epochs >= 0:
                self.trainer.fit_loop.max_epochs = max(0, self._initial_epoch + epochs - first)
            self._initial_epoch = first

    def on_train_epoch_start(self) -> None:
        self.steps.reset()
        self.steps.check.begin_epoch(self.epoch)
        self._hooks.begin("train")
        self._train_logs, self.validation_logs = (0, {}), {}
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
        if self.automatic_optimization:
            return self._train_automatically(batch)
        self._run_steps(batch, "train", self.steps.train)
        if not self._manual:
            # What Lightning counts as steps are those of its own optimizers.
            self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.increment_completed()
        return None

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if self.automatic_optimization and getattr(self.compiled.optimizer, "needs_closure", False):
            self._passes = Passes(self.model)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.automatic_optimization:
            if self._passes is not None:
                self._passes.finish()
            self._end_step("train")  # now the weights are those after the step

    def _train_automatically(self, batch: Any) -> Tensor | None:
        """Forward and loss; Lightning does the rest of the step."""
        x, y, weight = ready(batch)
        losses = []
        # An optimizer that needs gradients at several points has Lightning call this again.
        is_first = self._passes is None or self._passes.begin()

        def run(x: Any, y: Any, weight: Any) -> None:
            loss, y_pred = self.steps.forward(x, y, weight, training=True)
            if is_first:
                self.steps.check(loss, x)
                self.steps.update(loss, x, y, y_pred, weight)
            losses.append(loss)

        if is_first:
            self._run_step("train", run, x, y, weight)
        else:
            self._run_again(run, x, y, weight)
        if not losses:
            return None
        scaled: Tensor = self.compiled.scaled(losses[0])
        return scaled

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        ours = self.compiled.optimizer
        if isinstance(ours, LossScaleOptimizer):
            ours.unscale_gradients()  # now, before Lightning clips them

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        scale = getattr(innermost(self.compiled.optimizer), "loss_scale_factor", None)
        if not (scale and gradient_clip_val):
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)
            return
        # Not by `clip_gradients`, which takes no other limit than the Trainer's.
        algorithm = GradClipAlgorithmType(gradient_clip_algorithm or GradClipAlgorithmType.NORM)
        self.trainer.precision_plugin.clip_gradients(optimizer, gradient_clip_val * scale, algorithm)

    def on_validation_start(self) -> None:
        if self.trainer.sanity_checking or not self._in_fit:
            self._begin_run()
        else:
            self._hooks.finish()
            self.callbacks.before_validation(self._hooks.count("train"))
            self._train_logs = self._hooks.count("train"), self.steps.logs_of_all()
            self._set_aside = self.compiled.set_aside(), self.steps.returned
        self.steps.reset()
        self._hooks.begin("test")
        if not self.trainer.sanity_checking:
            self.callbacks.on_test_begin()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._run_steps(batch, "test", self.steps.test)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """The same as validation, for a Trainer of the user's."""
        self._run_steps(batch, "test", self.steps.test)

    def on_validation_epoch_end(self) -> None:
        if self.trainer.sanity_checking:
            return
        self._hooks.finish()
        self.validation_logs = self.steps.logs_of_all()
        self.callbacks.on_test_end(self.validation_logs)
        if not self._manual:
            self.log_dict({f"val_{name}": value for name, value in self.validation_logs.items()})
        if self._in_fit:
            take_back, self.steps.returned = self._set_aside
            take_back()

    def on_test_start(self) -> None:
        self._begin_run()
        self.steps.reset()

    def on_test_epoch_end(self) -> None:
        self.log_dict({f"test_{name}": value for name, value in self.steps.logs_of_all().items()})

    def on_train_epoch_end(self) -> None:
        self.steps.check.finish()
        self._hooks.finish()
        if not self._hooks.count("train"):
            warnings.warn("the data has no more batches: training stops here.", stacklevel=1)
            self.trainer.should_stop = True
            return
        # The epoch's row is written here: Lightning calls its own callbacks' hook of this name before the module's.
        count, logs = self._train_logs
        if count < self._hooks.count("train"):  # there was no validation, or not at the end of the epoch
            logs = self.steps.logs_of_all()
        if not self._manual:
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
        optimizer = self.compiled.optimizer
        if getattr(innermost(optimizer), "use_ema", False):
            optimizer.finalize_variable_values(self.model.trainable_variables)
        self.callbacks.on_train_end(self._row)

    # --- prediction ---------------------------------------------------------------------------------------------------

    def on_predict_start(self) -> None:
        self.predictions = []
        self._hooks.begin("predict")
        self.callbacks.on_predict_begin()

    def predict_step(self, batch: Any, batch_idx: int) -> Any:
        self._run_steps(batch, "predict", self._predict)
        return None if isinstance(batch, Steps) else self.predictions[-1]

    def _predict(self, x: Any, y: Any, weight: Any) -> None:
        self.predictions.append(detached_outputs(self.steps.predict(x, y, weight)))

    def on_predict_end(self) -> None:
        self._hooks.finish()
        self.callbacks.on_predict_end()

    # --- steps --------------------------------------------------------------------------------------------------------

    def _begin_run(self) -> None:
        """Looks at the model once more: it may have got weights and metrics since."""
        steps = begin_run(self.model, self.compiled, self.device)
        steps.check.enabled = not self.callbacks.handles_nan
        object.__setattr__(self, "steps", steps)

    def _run_steps(self, batch: Any, mode: Mode, run: Callable[[Any, Any, Any], None]) -> None:
        """Runs the steps of one call of Lightning's, until somebody stops training."""
        moves = self.device.type != "cpu"
        for x, y, weight in batch if isinstance(batch, Steps) else [ready(batch)]:
            if moves:
                x, y, weight = map_structure(self._to_device, (x, y, weight))
            self._run_step(mode, run, x, y, weight)
            del x, y, weight  # their memory is for the next batch
            if mode == "train" and self.trainer.should_stop:
                return

    def _run_step(self, mode: Mode, run: Callable[[Any, Any, Any], None], x: Any, y: Any, weight: Any) -> None:
        """Runs one step, with the batch hooks that somebody needs."""
        if mode == "train" and self._hooks.count("train") < self._passed_over:
            self._pass_over(x, y, weight)
            return
        self._hooks.before(mode, self.steps.logs if mode != "predict" else self._last_outputs)
        run(x, y, weight)
        if mode != "train" or not self.automatic_optimization:
            self._end_step(mode)

    def _run_again(self, run: Callable[[Any, Any, Any], None], x: Any, y: Any, weight: Any) -> None:
        """Runs another pass of a step, which no callback hears of."""
        run(x, y, weight)

    def _end_step(self, mode: Mode) -> None:
        self._hooks.after(mode)
        if mode == "train" and getattr(self.model, "stop_training", False):
            self.trainer.should_stop = True

    def _pass_over(self, x: Any, y: Any, weight: Any) -> None:
        """Takes no step on a batch that was trained on before the run was broken off within this epoch."""
        self._hooks.pass_over()
        if self._hooks.count("train") == self._passed_over:
            self._passed_over = 0
            with torch.no_grad():
                self.steps.test(x, y, weight)  # makes the metrics that wait for a batch; they get their values next
            self.callbacks.resume_batch()

    def _last_outputs(self) -> dict[str, Any]:
        return {"outputs": self.predictions[-1]}

    def _to_device(self, leaf: Any) -> Any:
        return leaf.to(self.device, non_blocking=True) if isinstance(leaf, Tensor) else leaf
