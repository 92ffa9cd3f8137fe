"""FiniteCheck: stops training at the batch whose loss is NaN or infinite, and says where that came from."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from labkeras.errors import NonFiniteLossError
from labkeras.nest import flatten

__all__ = ["FiniteCheck"]

# How many losses an accelerator may be ahead of the check: each look waits for all that it has been given to do.
_LOOK_EVERY = 32


class FiniteCheck:
    """Looks at the loss of each training batch, before the weights are changed.

    On the CPU that costs a fifth of a microsecond. On an accelerator it would make the host wait in every step, so
    there the losses of some batches are looked at together; the weights may then have been changed by a bad one.

    Args:
        model: the model that is trained.
        at_once: whether to look in every step on an accelerator too.

    Attributes:
        enabled: whether to look at all; a `TerminateOnNaN` callback does it in its own way.
        epoch: the number of the epoch, for the message.
    """

    def __init__(self, model: Any, at_once: bool = False) -> None:
        self.model = model
        self.at_once = at_once
        self.enabled = True
        self.epoch = 0
        self._step = 0
        self._waiting: list[Tensor] = []

    def begin_epoch(self, epoch: int) -> None:
        """Counts the batches of an epoch from 0."""
        self.epoch = epoch
        self._step = 0
        self._waiting = []

    def __call__(self, loss: Tensor, x: Any) -> None:
        """Takes the loss of the next batch.

        Args:
            loss: a scalar.
            x: the inputs of the batch, to find out which layer it comes from.

        Raises:
            NonFiniteLossError: if it is NaN or infinite.
        """
        if not self.enabled:
            return
        if loss.device.type != "cpu" and not self.at_once:
            self._waiting.append(loss.detach())
            if len(self._waiting) == _LOOK_EVERY:
                self.finish()
            return
        if not math.isfinite(loss.item()):
            raise self._error(loss.item(), self._step, origin(self.model, x))
        self._step += 1

    def finish(self) -> None:
        """Looks at the losses that wait for it."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        values = torch.stack([loss.float() for loss in waiting]).tolist()
        for place, value in enumerate(values):
            if not math.isfinite(value):
                where = (
                    "on an accelerator, losses are looked at some steps late; train with `run_eagerly=True` or on the "
                    "CPU to have the layer named"
                )
                raise self._error(value, self._step + place, where)
        self._step += len(waiting)

    def _error(self, value: float, step: int, where: str) -> NonFiniteLossError:
        return NonFiniteLossError(
            f"the loss of model {getattr(self.model, 'name', type(self.model).__name__)!r} is not finite in epoch "
            f"{self.epoch}, batch {step} (both counted from 0): {where}. A lower learning rate, `clipnorm`, or data "
            f"without NaN may help; a `TerminateOnNaN` callback ends training without an error. Received: loss={value}"
        )


def origin(model: torch.nn.Module, x: Any) -> str:
    """The first thing that is NaN or infinite when a model computes its outputs: an input, a weight, a layer.

    Args:
        model: the model; its state stays as it is.
        x: the inputs of a batch.
    """
    bad_rows = [row for leaf in flatten(x) for row in _bad_rows(leaf)]
    if bad_rows:
        return f"the inputs of the batch are not, in row {min(bad_rows)} first"
    found: list[str] = []

    def look(module: torch.nn.Module, args: Any, output: Any) -> None:
        if found or all(_is_finite(leaf) for leaf in flatten(output)):
            return
        name = getattr(module, "name", None) or names[module]
        broken = [key for key, weight in module.named_parameters(recurse=False) if not _is_finite(weight)]
        because = f", whose weights {broken} are not finite," if broken else ""
        found.append(f"layer {name!r} ({type(module).__name__}){because} is the first with such outputs")

    names = {module: name for name, module in model.named_modules()}
    # A layer's output comes after those of the layers in it: the innermost is found first.
    hooks = [module.register_forward_hook(look) for module in names if module is not model]
    try:
        with torch.no_grad(), _kept_buffers(model):
            model(x, training=True) if hasattr(model, "_call_spec") else model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else "all layers' outputs are finite, so it comes from the loss function or a regularizer"


@contextmanager
def _kept_buffers(model: torch.nn.Module) -> Iterator[None]:
    """Moving averages and seeds that a call changes are as before afterwards."""
    before = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        for buffer, value in before:
            buffer.copy_(value)


def _is_finite(leaf: Any) -> bool:
    return not (isinstance(leaf, Tensor) and leaf.is_floating_point()) or bool(torch.isfinite(leaf).all())


def _bad_rows(leaf: Any) -> list[int]:
    if _is_finite(leaf):
        return []
    bad = ~torch.isfinite(leaf.reshape(leaf.shape[0], -1)).all(dim=1)
    rows: list[int] = bad.nonzero().flatten().tolist()
    return rows
