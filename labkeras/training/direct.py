"""Evaluation and prediction without a Trainer, where Lightning has no part in them.

A Trainer takes some 8 ms to make, as long as a small model takes for thousands of rows, and Lightning seconds to load.
"""

from typing import Any

import torch

from labkeras.callbacks.callback_list import CallbackList
from labkeras.distribution.replicas import alone
from labkeras.training.batch_hooks import BatchHooks
from labkeras.training.compiled import Compiled
from labkeras.training.data import Batches
from labkeras.training.devices import planned
from labkeras.training.steps import begin_run, detached_outputs, steps_for

__all__ = ["evaluate_directly", "goes_directly", "predict_directly"]


def goes_directly(trainer: Any, callbacks: CallbackList) -> bool:
    """Whether nobody asked for something of Lightning's, and the CPU is the device that it would choose."""
    plan = planned({})
    asked = trainer is not None or callbacks.lightning_callbacks or plan.arguments or plan.distribution is not None
    return not asked and not torch.accelerator.is_available()


def evaluate_directly(model: Any, compiled: Compiled, batches: Batches, callbacks: CallbackList) -> dict[str, Any]:
    """The loss and metrics over all batches, by name."""
    hooks = BatchHooks(callbacks, compiled.steps_per_execution)
    with torch.no_grad(), alone():
        steps = begin_run(model, compiled, torch.device("cpu"))
        steps.reset()
        callbacks.on_test_begin()
        for x, y, weight in batches:
            hooks.around("test", steps.logs, steps.test, x, y, weight)
            del x, y, weight  # their memory is for the next batch
        hooks.finish()
        logs = steps.logs_of_all()
    callbacks.on_test_end(logs)
    return logs


def predict_directly(model: Any, compiled: Compiled | None, batches: Batches, callbacks: CallbackList) -> list[Any]:
    """The outputs for each batch."""
    hooks = BatchHooks(callbacks, 1 if compiled is None else compiled.steps_per_execution)
    steps = steps_for(model, compiled)
    outputs: list[Any] = []

    def predict(x: Any, y: Any, weight: Any) -> None:
        outputs.append(detached_outputs(steps.predict(x, y, weight)))

    def logs() -> dict[str, Any]:
        return {"outputs": outputs[-1]}

    with torch.no_grad(), alone():
        callbacks.on_predict_begin()
        for x, y, weight in batches:
            hooks.around("predict", logs, predict, x, y, weight)
            del x, y, weight
        hooks.finish()
    callbacks.on_predict_end()
    return outputs
