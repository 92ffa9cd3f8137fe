"""Numbers: what an optimizer keeps on the host, as Python numbers: its learning rate, and how many steps there were.

Everything else of a step is work on tensors, which a compiler can record. Those numbers it must not record as they are:
a compiled step is given the numbers of `numbers()` as tensors, and steps of different `phase()` are different programs.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from labkeras import config
from labkeras.errors import InvalidTypeError
from labkeras.optimizers.arguments import LearningRate, checked_rate
from labkeras.optimizers.one_by_one import OneByOne
from labkeras.optimizers.optimizer_variable import HostVariable
from labkeras.optimizers.schedules.schedule import LearningRateSchedule

__all__ = ["Fed", "Number", "Numbers"]

Number: TypeAlias = float | Tensor
"""A number of a step: of Python's in an eager one; in one that is recorded, a scalar tensor."""


class Fed:
    """The tensors that stand for the numbers of a step while it is recorded.

    Args:
        numbers: for each number that `Numbers.numbers` gives, a scalar tensor.
        groups: `optimizer.param_groups`, whose learning rates come first among the numbers.

    Attributes:
        steps: how many steps were recorded.
    """

    def __init__(self, numbers: Sequence[Tensor], groups: Sequence[Mapping[str, Any]]) -> None:
        self.steps = 0
        self._rates = {id(group): rate for group, rate in zip(groups, numbers, strict=False)}
        self.factors: tuple[Number, ...] = tuple(numbers[len(groups) :])

    def rate_of(self, group: Mapping[str, Any]) -> Tensor:
        """The learning rate of a group."""
        return self._rates[id(group)]


class Numbers(OneByOne):
    """The learning rate and the count of steps of an optimizer, and what follows from them."""

    gradient_accumulation_steps: int | None
    use_ema: bool
    ema_overwrite_frequency: int | None
    _learning_rate: LearningRate
    # `iterations` of an optimizer that is not built; later, of the first group, where torch saves it.
    _first_iteration: int
    # While a compiler records a step: the tensors that stand for its numbers.
    _fed: Fed | None = None

    def _begin_numbers(self, learning_rate: LearningRate) -> None:
        self._learning_rate = checked_rate(learning_rate)
        self._first_iteration = 0

    def factors(self) -> tuple[float, ...]:
        """What the formula of the next update needs beside the learning rate, and follows from the count of updates.

        Such as Adam's correction for means that began at 0. `update` reads them from `factors_now()`.
        """
        return ()

    def factors_now(self) -> tuple[Number, ...]:
        """`factors()`, or the tensors that stand for them while a compiler records the step."""
        return self.factors() if self._fed is None else self._fed.factors

    def numbers(self) -> list[float]:
        """What the host computes for the next step: the learning rate of each group, then `factors`."""
        self._follow_schedule()
        return [*(group["lr"] for group in self.param_groups), *self.factors()]

    def phase(self) -> tuple[bool, ...] | None:
        """Which of the things that an optimizer does only in some steps the next one does; None if it comes only once.

        Whether it updates the parameters, with accumulation of gradients; whether it replaces them by their averages.
        """
        if not (self.gradient_accumulation_steps or self.use_ema):
            return ()
        steps = self.gradient_accumulation_steps or 1
        if not self.use_ema:
            return ((self._iteration() + 1) % steps == 0,)
        updates = self.updates_done()
        if not updates:
            return None  # its averages begin
        overwrites = bool(self.ema_overwrite_frequency and (updates + 1) % self.ema_overwrite_frequency == 0)
        return (self._iteration() + 1) % steps == 0, overwrites

    def count_step(self) -> None:
        """Counts a step; one that is only recorded, apart from those that were done."""
        if self._fed is None:
            self.param_groups[0]["iterations"] += 1
        else:
            self._fed.steps += 1

    @property
    def learning_rate(self) -> Tensor:
        """The learning rate of the next step, now. Its `assign` sets it; with a schedule, it is a plain tensor."""
        if not isinstance(self._learning_rate, float):
            return torch.tensor(self._current_rate())
        return HostVariable(self._current_rate(), self._set_rate, config.floatx(), f"{self.name}/learning_rate")

    @learning_rate.setter
    def learning_rate(self, learning_rate: LearningRate) -> None:
        if isinstance(self._learning_rate, LearningRateSchedule) and not callable(learning_rate):
            raise InvalidTypeError(
                "the learning rate of this optimizer is a schedule, which a number cannot replace: set a schedule, "
                f"or make the optimizer with a number. Received: learning_rate={learning_rate!r}"
            )
        self._set_rate(learning_rate)

    @property
    def iterations(self) -> Tensor:
        """The number of steps (of updates, where gradients are accumulated), now. Its `assign` sets it."""
        return torch.tensor(self.updates_done()) if self.gradient_accumulation_steps else self._iteration_variable()

    def updates_done(self) -> int:
        """`iterations` as a Python number."""
        steps = self._iteration()
        return steps // self.gradient_accumulation_steps if self.gradient_accumulation_steps else steps

    def _follow_schedule(self) -> None:
        if not isinstance(self._learning_rate, float):
            rate = self._rate(self._iteration())
            for group in self.param_groups:
                group["lr"] = rate

    def _rate(self, step: int) -> float:
        rate = self._learning_rate
        if isinstance(rate, LearningRateSchedule):
            return rate.rate_at(step)
        return float(rate() if callable(rate) else rate)

    def _shown_rate(self) -> float:
        """What torch's tools see until the next step; a function is asked only once a step, and 0 stands for it."""
        known = isinstance(self._learning_rate, float | LearningRateSchedule)
        return self._rate(self._iteration()) if known else 0.0

    def _current_rate(self) -> float:
        if self.built and isinstance(self._learning_rate, float):
            return float(self.param_groups[0]["lr"])
        return self._rate(self._iteration())

    def _set_rate(self, learning_rate: LearningRate) -> None:
        self._learning_rate = checked_rate(learning_rate)
        if self.built:
            rate = self._shown_rate()
            for group in self.param_groups:
                group["lr"] = rate

    def _iteration(self) -> int:
        return int(self.param_groups[0]["iterations"] if self.built else self._first_iteration)

    def _set_iteration(self, value: Any) -> None:
        if self.built:
            self.param_groups[0]["iterations"] = int(value)
        else:
            self._first_iteration = int(value)

    def _iteration_variable(self) -> HostVariable:
        return HostVariable(self._iteration(), self._set_iteration, "int32", f"{self.name}/iteration")
