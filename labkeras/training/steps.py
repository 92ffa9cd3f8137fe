"""Steps: what one batch of tensors does in training, evaluation and prediction.

`EagerSteps` runs what `compile` said. A model that brings its own `train_step`, `test_step` or `predict_step`, as Keras
has them, or a `training_step`, as Lightning has it, gets `OwnSteps` or `LightningSteps`: `steps_for` looks.
"""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from labkeras.distribution.replicas import together
from labkeras.errors import DataError, InvalidArgumentError, InvalidTypeError
from labkeras.nest import flatten, map_structure, pack
from labkeras.training.compiled import Compiled
from labkeras.training.finite import FiniteCheck
from labkeras.training.passes import Passes

__all__ = [
    "EagerSteps",
    "LightningSteps",
    "OwnSteps",
    "as_arrays",
    "begin_run",
    "detached_outputs",
    "own_method",
    "packed",
    "steps_for",
]


def steps_for(model: Any, compiled: Compiled | None) -> "EagerSteps":
    """The steps of a model: its own, where its class has some."""
    cls = type(model)
    settings = compiled if compiled is not None else getattr(model, "_compiled", None)
    if own_method(cls, "training_step"):
        if settings is not None and settings.jit_compile:
            warnings.warn(
                f"`jit_compile=True` has no effect on model {model.name!r}: a `training_step` of Lightning's kind is "
                "not compiled. Write a `train_step`, or call `torch.compile` on what is slow.",
                stacklevel=2,
            )
        return LightningSteps(model, compiled)
    own = any(own_method(cls, name) for name in ("train_step", "test_step", "predict_step"))
    # A program would keep for good what the processes of a run say to each other in its first step.
    if settings is not None and settings.jit_compile and not together():
        # They bring torch's compiler along, which takes seconds to import.
        from labkeras.training.compilation.compiled_steps import CompiledSteps
        from labkeras.training.compilation.own_steps import CompiledOwnSteps

        return (CompiledOwnSteps if own else CompiledSteps)(model, compiled, settings)
    return (OwnSteps if own else EagerSteps)(model, compiled)


def begin_run(model: Any, compiled: Compiled, device: torch.device) -> "EagerSteps":
    """The steps for a run, with all that it updates where the model is.

    Args:
        model: the model, which has its weights by now.
        compiled: its losses, metrics and optimizer.
        device: where the model is.
    """
    steps = compiled.steps = steps_for(model, compiled)
    compiled.follow(model)
    compiled.to(device)
    return steps


class EagerSteps:
    """The steps of a compiled model, run operation by operation.

    Args:
        model: the model, a `torch.nn.Module`.
        compiled: its losses, metrics and optimizer; None to predict only.

    Attributes:
        returned: the logs that the model's own code returned for the last batch; None if it has none.
        check: looks at the loss of each training batch.
    """

    def __init__(self, model: Any, compiled: Compiled | None) -> None:
        self.model = model
        self.compiled: Any = compiled
        self.returned: Mapping[str, Any] | None = None
        self.check = FiniteCheck(model, at_once=compiled is not None and compiled.run_eagerly)
        self._settled = model._settled_call() if hasattr(model, "_settled_call") else None
        cls = type(model)
        self._own_loss = own_method(cls, "compute_loss")
        self._loss_takes_training = self._own_loss and _takes_training(cls.compute_loss)
        self._own_metrics = own_method(cls, "compute_metrics")
        # Once a run: looking through all weights in each step would cost more than a small model's step.
        self._regularized = [weight for weight in model.parameters() if getattr(weight, "regularizer", None)]

    @property
    def updates_itself(self) -> bool:
        """Whether training must be left to `train`, because the model's own code does backward and step."""
        return False

    def train(self, x: Any, y: Any, weight: Any) -> None:
        """One step: forward, backward, update of the weights, metrics."""
        compiled = self.compiled
        optimizer = compiled.optimizer
        # Before the forward pass, which needs the memory of the old gradients; not after the step: until the next one
        # callbacks may look at them.
        if optimizer.built:
            optimizer.zero_grad()
            if optimizer.needs_closure:
                self._train_in_passes(x, y, weight)
                return
        loss, y_pred = self.forward(x, y, weight, training=True)
        self.check(loss, x)
        if loss.requires_grad:
            compiled.scaled(loss).backward()
            optimizer.step()
        else:
            _warn_of_nothing_to_train(self.model)
        self.update(loss, x, y, y_pred, weight)

    def _train_in_passes(self, x: Any, y: Any, weight: Any) -> None:
        """The same for an optimizer that has loss and gradients computed more than once; the first ones count."""
        first: list[Any] = []
        passes = Passes(self.model)

        def run() -> Tensor:
            is_first = passes.begin()
            if not is_first:
                self.compiled.optimizer.zero_grad()
            loss, y_pred = self.forward(x, y, weight, training=True)
            if not loss.requires_grad:
                _warn_of_nothing_to_train(self.model)
            # Later ones are of points that an optimizer only tries: a search along a line may go too far.
            if is_first:
                self.check(loss, x)
                first.extend((loss, y_pred))
            self.compiled.scaled(loss).backward()
            return loss

        self.compiled.optimizer.step(run)
        passes.finish()
        loss, y_pred = first
        self.update(loss, x, y, y_pred, weight)

    def test(self, x: Any, y: Any, weight: Any) -> None:
        """The loss and metrics of a batch."""
        loss, y_pred = self.forward(x, y, weight, training=False)
        self.update(loss, x, y, y_pred, weight)

    def predict(self, x: Any, y: Any = None, weight: Any = None) -> Any:
        """The outputs for a batch; targets and weights, which a batch may have, are of no use here."""
        return self.call(x, training=False)

    def call(self, x: Any, training: bool) -> Any:
        """The model's outputs; a module of torch's that takes no `training` goes by its own mode."""
        if self._settled is not None:
            return self._settled(x, training)
        return self.model(x, training=training) if hasattr(self.model, "_call_spec") else self.model(x)

    def forward(self, x: Any, y: Any, weight: Any, training: bool) -> tuple[Tensor, Any]:
        """The loss of a batch, and the model's outputs."""
        y_pred = self.call(x, training)
        if self._own_loss:
            return self._own_loss_of(x, y, y_pred, weight, training), y_pred
        added = [loss for owner in dict.fromkeys(getattr(self.model, "_loss_owners", ())) for loss in owner._losses]
        penalties = [weight.regularizer(weight) for weight in self._regularized if weight.requires_grad]
        return self.compiled.total_loss(y, y_pred, weight, [*added, *penalties]), y_pred

    def update(self, loss: Tensor, x: Any, y: Any, y_pred: Any, weight: Any) -> None:
        """Takes a batch into the mean of the loss and the metrics."""
        with torch.no_grad():
            self.compiled.update_loss(loss, _batch_size(x))
            if self._own_metrics:
                logs = self.model.compute_metrics(x, y, y_pred, sample_weight=weight)
                self.returned = _checked_logs(logs, "compute_metrics", self.model)
            else:
                self.compiled.update_metrics(y, y_pred, weight)

    def _own_loss_of(self, x: Any, y: Any, y_pred: Any, weight: Any, training: bool) -> Tensor:
        arguments = {"training": training} if self._loss_takes_training else {}
        loss: Tensor | None = self.model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weight, **arguments)
        if loss is not None:
            return loss
        if training:
            raise InvalidTypeError(f"`compute_loss` of model {self.model.name!r} must return a scalar. Received: None")
        return torch.zeros(())

    def reset(self) -> None:
        """Begins an epoch, or an evaluation: starts the metrics anew."""
        self.returned = None
        self.compiled.reset()
        if any(own_method(type(self.model), name) for name in ("metrics", "reset_metrics")):
            self.model.reset_metrics()

    def logs(self) -> dict[str, Any]:
        """The loss and metrics so far: what the model's own code returned, if it has some."""
        logs: dict[str, Any] = self.compiled.logs() if self.returned is None else dict(self.returned)
        return logs

    def logs_of_all(self) -> dict[str, Any]:
        """The same over all processes of a run, each of which must ask for them; they wait for each other."""
        with self.compiled.synced():
            if self.returned is None:
                logs: dict[str, Any] = self.compiled.logs()
                return logs
            metrics = {metric.name: metric for metric in self.model.metrics}
            # A metric's result may have been returned before the last batch went in, and is this process's own.
            return {name: metrics[name].result() if name in metrics else value for name, value in self.returned.items()}


class OwnSteps(EagerSteps):
    """Those of a model whose class has its own `train_step`, `test_step` or `predict_step`, as Keras has them.

    They get a batch as Keras gives it, x or (x, y) or (x, y, sample_weight), and return logs, or outputs.
    """

    def __init__(self, model: Any, compiled: Compiled | None) -> None:
        super().__init__(model, compiled)
        cls = type(model)
        self._trains, self._tests = own_method(cls, "train_step"), own_method(cls, "test_step")
        self._predicts = own_method(cls, "predict_step")

    @property
    def updates_itself(self) -> bool:
        return self._trains

    def train(self, x: Any, y: Any, weight: Any) -> None:
        if not self._trains:
            super().train(x, y, weight)
            return
        self.returned = _checked_logs(self.model.train_step(packed(x, y, weight)), "train_step", self.model)

    def test(self, x: Any, y: Any, weight: Any) -> None:
        if not self._tests:
            super().test(x, y, weight)
            return
        self.returned = _checked_logs(self.model.test_step(packed(x, y, weight)), "test_step", self.model)

    def predict(self, x: Any, y: Any = None, weight: Any = None) -> Any:
        return self.model.predict_step(packed(x, y, weight)) if self._predicts else super().predict(x)


class LightningSteps(EagerSteps):
    """Those of a model with Lightning's `training_step(batch, batch_idx)`, which returns the loss.

    It may have `validation_step(batch, batch_idx)` as well; what that returns, if anything, is the loss. What they
    `log` joins the loss in the logs.
    """

    def __init__(self, model: Any, compiled: Compiled | None) -> None:
        super().__init__(model, compiled)
        self._trained = self._tested = 0

    def forward(self, x: Any, y: Any, weight: Any, training: bool) -> tuple[Tensor, Any]:
        if training:
            name, index = "training_step", self._trained
            self._trained += 1
        elif hasattr(self.model, "validation_step"):
            name, index = "validation_step", self._tested
            self._tested += 1
        else:
            return super().forward(x, y, weight, training)
        self.compiled.samples = _batch_size(x)
        returned = getattr(self.model, name)(packed(x, y, weight), index)
        loss = returned.get("loss") if isinstance(returned, Mapping) else returned
        if loss is None and not training:
            return torch.zeros(()), None
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise InvalidTypeError(
                f"`{name}` of model {self.model.name!r} must return the loss, a scalar tensor, or a dict that has it "
                f'as "loss". Received: {returned!r}'
            )
        return loss, None

    def update(self, loss: Tensor, x: Any, y: Any, y_pred: Any, weight: Any) -> None:
        if y_pred is None:
            self.compiled.update_loss(loss, self.compiled.samples)
        else:
            super().update(loss, x, y, y_pred, weight)

    def reset(self) -> None:
        super().reset()
        self._trained = self._tested = 0


def detached_outputs(outputs: Any) -> Any:
    """Outputs without their history, in the memory of the host."""
    if isinstance(outputs, Tensor):
        return outputs.detach().cpu()
    return map_structure(lambda leaf: leaf.detach().cpu() if isinstance(leaf, Tensor) else leaf, outputs)


def as_arrays(outputs: list[Any]) -> Any:
    """The outputs of batches, joined along the samples, as arrays."""
    joined = [torch.cat(parts) for parts in zip(*(flatten(batch) for batch in outputs), strict=True)]
    # NumPy has no bfloat16.
    return pack(outputs[0], [(t.float() if t.dtype is torch.bfloat16 else t).numpy() for t in joined])


def packed(x: Any, y: Any, weight: Any) -> Any:
    """A batch as Keras hands it to a model's own steps: x, (x, y) or (x, y, sample_weight)."""
    if y is None and weight is None:
        return (x,) if isinstance(x, list | tuple) else x
    return (x, y) if weight is None else (x, y, weight)


def own_method(model_class: Any, name: str) -> bool:
    """Whether a class, or a parent of it outside of labkeras and torch, defines a method."""
    owner = next((cls for cls in model_class.__mro__ if name in vars(cls)), torch.nn.Module)
    return not owner.__module__.startswith(("labkeras.", "torch."))


def _takes_training(compute_loss: Any) -> bool:
    # Keras's `compute_loss` got this argument late, and many that override it do without.
    parameters = inspect.signature(compute_loss).parameters.values()
    return any(one.name == "training" or one.kind is one.VAR_KEYWORD for one in parameters)


def _batch_size(x: Any) -> int:
    if isinstance(x, Tensor):
        return x.shape[0]
    leaf = next((leaf for leaf in flatten(x) if isinstance(leaf, Tensor) and leaf.ndim), None)
    if leaf is None:
        raise DataError(f"a batch must hold tensors with an axis of samples. Received: x={x!r}")
    return leaf.shape[0]


def _checked_logs(logs: Any, method: str, model: Any) -> Mapping[str, Any]:
    if not isinstance(logs, Mapping):
        raise InvalidTypeError(
            f"`{method}` of model {model.name!r} must return a dict of logs, such as "
            f"`{{metric.name: metric.result() for metric in self.metrics}}`. Received: {logs!r}"
        )
    return logs


def _warn_of_nothing_to_train(model: Any) -> None:
    if any(weight.requires_grad for weight in model.parameters()):
        raise InvalidArgumentError(
            "the loss does not depend on the weights that are to be trained: no gradient flows from it. Was it "
            f"computed from detached tensors or NumPy arrays? Received: a loss without `grad_fn`, model={model!r}"
        )
    warnings.warn(f"the model {getattr(model, 'name', model)!r} has no trainable weights.", stacklevel=2)
