"""Passes: a step that runs its batch more than once, for optimizers that need gradients at several points.

What a model remembers (moving statistics, seeds) and what is drawn at random is in each pass as in the first, and after
the step as the first left it: dropout masks are the same, and no batch is counted twice.
"""

from typing import Any

import torch
from torch import Tensor

from labkeras.errors import InvalidArgumentError

__all__ = ["Passes", "check_passes"]


class Passes:
    """The passes of a model over the batch of one step. To be made before the first.

    Args:
        model: the model; its buffers are what it remembers.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._buffers = list(model.buffers())
        weight = next(model.parameters(), None)
        self._device = torch.device("cpu") if weight is None else weight.device
        self._before = self._state()
        self._after: Any = None
        self.count = 0
        """How many have begun."""

    def begin(self) -> bool:
        """Begins a pass; whether it is the first, whose loss and metrics count."""
        if self.count:
            if self.count == 1:
                self._after = self._state()
            self._restore(self._before)
        self.count += 1
        return self.count == 1

    def finish(self) -> None:
        """Ends the step."""
        if self.count > 1:
            self._restore(self._after)

    def _state(self) -> tuple[list[Tensor], Tensor, Tensor | None]:
        on_device = None if self._device.type == "cpu" else _random_of(self._device).get_rng_state(self._device)
        return [buffer.detach().clone() for buffer in self._buffers], torch.get_rng_state(), on_device

    def _restore(self, state: tuple[list[Tensor], Tensor, Tensor | None]) -> None:
        values, random, on_device = state
        with torch.no_grad():
            for buffer, value in zip(self._buffers, values, strict=True):
                buffer.copy_(value)
        torch.set_rng_state(random)
        if on_device is not None:
            _random_of(self._device).set_rng_state(on_device, self._device)


def check_passes(optimizer: Any, trainer: Any) -> None:
    """Raises if a Trainer adds up gradients of several batches, of which an optimizer could run only the last again.

    Args:
        optimizer: that of the model.
        trainer: Lightning's.

    Raises:
        InvalidArgumentError: if it does.
    """
    if getattr(optimizer, "needs_closure", False) and trainer.accumulate_grad_batches != 1:
        raise InvalidArgumentError(
            f"the optimizer {optimizer.name!r} runs each batch more than once, and Lightning's accumulation would mix "
            "the gradients of all runs: give the optimizer, or the one within it, `gradient_accumulation_steps` "
            f"instead. Received: accumulate_grad_batches={trainer.accumulate_grad_batches!r}"
        )


def _random_of(device: torch.device) -> Any:
    return torch.get_device_module(device)
