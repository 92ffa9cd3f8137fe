"""Diagnostics: writes to the TensorBoard how gradients flow and weights move."""

import warnings
from typing import Any, Literal

from labkeras.callbacks.board_summaries import bucketed, histogram_summary, joined, scalar_summary
from labkeras.callbacks.callback import Callback, Logs, Mode
from labkeras.callbacks.processes import is_distributed, is_main_process
from labkeras.callbacks.step_probe import StepProbe
from labkeras.errors import InvalidArgumentError

__all__ = ["Diagnostics"]


class Diagnostics(Callback):
    """Looks at some batches of training, and shows in the TensorBoard beside it how training goes.

    In the first of every so many batches it looks at gradients, weights and outputs of layers; the others it leaves
    alone. Training computes the same with it and without it. It writes, in "train":

    - `gradient_norm` of all weights, and `gradient_norm/dense` of a layer's: the gradients that the optimizer gets,
      before it clips them. What a Trainer's `gradient_clip_val` clipped is clipped, too;
    - `update_ratio` and `update_ratio/dense`: the norm of the step over that of the weights. About 0.001 is usual;
      much less, and a layer hardly learns, much more, and it may not settle;
    - histograms `gradients/dense/kernel`, `weights/dense/kernel` and `activations/dense`, which are the outputs.

    Where gradients are accumulated over several batches it looks until the weights change. With `jit_compile=True` a
    step is one program, and its gradients and outputs are not to be seen; weights and update ratios are.

    Args:
        every: after how many batches to look again, written against the number of the batch from 1; or "epoch", to look
            at the first of each epoch, written against the number of the epoch from 0.
        gradient_norms: whether to write these.
        update_ratios: whether to write these; all weights are copied for it.
        weights: whether to write histograms of the weights.
        gradients: whether to write histograms of the gradients.
        activations: whether to write histograms of the outputs of layers.

    Raises:
        InvalidArgumentError: for another `every`; when training begins, if there is no `TensorBoard` beside it.

    Example:
        >>> callbacks = [TensorBoard("logs"), Diagnostics(every=100, gradients=True)]
    """

    takes_tensor_logs = True

    def __init__(
        self,
        every: Literal["epoch"] | int = "epoch",
        gradient_norms: bool = True,
        update_ratios: bool = True,
        weights: bool = False,
        gradients: bool = False,
        activations: bool = False,
    ) -> None:
        super().__init__()
        if every != "epoch" and not (isinstance(every, int) and not isinstance(every, bool) and every > 0):
            raise InvalidArgumentError(
                f"`every` must be 'epoch' or a positive number of batches. Received: every={every!r}"
            )
        self.every = every
        self.gradient_norms = gradient_norms
        self.update_ratios = update_ratios
        self.weights = weights
        self.gradients = gradients
        self.activations = activations
        self._epoch = self._batch = 0
        self._probe: StepProbe | None = None
        self._step = 0
        self._updates: int | None = None
        self._can_look = self._sees_inside = True

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._drop()  # what a run left that was broken off within a batch

    def needs_batch_hooks(self, mode: Mode) -> bool:
        return mode == "train" and is_main_process()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self.board is None:
            raise InvalidArgumentError(
                "Diagnostics writes to a TensorBoard: add one to the callbacks, such as TensorBoard('logs'). "
                "Received: callbacks without a TensorBoard"
            )
        self._batch = 0
        self._can_look = True
        self._sees_inside = is_distributed() or not _is_compiled(self.model)
        if not self._sees_inside and (self.gradient_norms or self.gradients or self.activations):
            warnings.warn(
                "Diagnostics cannot see gradients and outputs of layers in a model with `jit_compile=True`, where a "
                "step is one program; it writes weights and update ratios. Compile with `jit_compile=False` to see "
                "them.",
                stacklevel=2,
            )
        if self.gradient_norms:
            self.board.add_charts("Diagnostics", {"gradient norms": ["^gradient_norm"]})
        if self.update_ratios:
            self.board.add_charts("Diagnostics", {"update : weight": ["^update_ratio"]})

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._drop()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._batch += 1
        if self._probe is None and self._is_due(batch) and self._may_look():
            self._step = self._epoch if self.every == "epoch" else self._batch
            self._updates = self._updates_done()
            self._probe = StepProbe(
                self.model,
                gradients=self._sees_inside and (self.gradient_norms or self.gradients),
                updates=self.update_ratios,
                activations=self._sees_inside and self.activations,
            )

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        # No update yet: gradients are accumulated, or were not finite and the step was left out.
        if self._probe is not None and (self._updates is None or self._updates_done() != self._updates):
            probe = self._probe
            self._drop()
            self._write(probe)

    def state_dict(self) -> dict[str, Any]:
        """How many batches were counted."""
        return {"batch": self._batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._batch = state["batch"]

    def _is_due(self, batch: int) -> bool:
        return batch == 0 if self.every == "epoch" else (self._batch - 1) % self.every == 0

    def _may_look(self) -> bool:
        if self._can_look and any(hasattr(weight, "full_tensor") for weight in self.model.parameters()):
            self._can_look = False
            warnings.warn(
                "Diagnostics writes nothing in a run whose weights are split among the processes, none of which has "
                "whole gradients. `TensorBoard(histogram_freq=1)` writes the weights, which are whole after an epoch.",
                stacklevel=2,
            )
        return self._can_look

    def _updates_done(self) -> int | None:
        """How often the weights changed; None if nobody counts, as where a model's own code has several optimizers."""
        count = getattr(getattr(self.model, "optimizer", None), "updates_done", None)
        return None if count is None else int(count())

    def _drop(self) -> None:
        if self._probe is not None:
            self._probe.finish()
        self._probe = None

    def _write(self, probe: StepProbe) -> None:
        numbers: dict[str, float] = {}
        if self.gradient_norms:
            numbers |= _tagged("gradient_norm", probe.gradient_norms())
        if self.update_ratios:
            numbers |= _tagged("update_ratio", probe.update_ratios())
        histograms = {f"activations/{name}": buckets for name, buckets in probe.activations.items()}
        if self.weights:
            histograms |= {f"weights/{name}": bucketed(weight) for name, weight in probe.weights().items()}
        if self.gradients:
            histograms |= {f"gradients/{name}": bucketed(gradient) for name, gradient in probe.gradients().items()}
        drawn = [histogram_summary(tag, buckets) for tag, buckets in histograms.items()]
        assert self.board is not None
        self.board.add_summary(joined([scalar_summary(numbers), *drawn]), self._step)


def _tagged(tag: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{tag}/{name}" if name else tag: value for name, value in values.items()}


def _is_compiled(model: Any) -> bool:
    return bool(getattr(getattr(model, "_compiled", None), "jit_compile", False))
