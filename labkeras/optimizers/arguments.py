"""Checks of the arguments that all optimizers have."""

import inspect
import math
import warnings
from collections.abc import Callable
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

from labkeras.errors import InvalidArgumentError, did_you_mean
from labkeras.optimizers.schedules.schedule import LearningRateSchedule
from labkeras.ranges import NonNegative

__all__ = [
    "LearningRate",
    "check_betas",
    "check_clips",
    "check_counts",
    "check_fractions",
    "check_unknown",
    "checked_rate",
]

LearningRate: TypeAlias = NonNegative | LearningRateSchedule | Callable[[], Any]
"""What `learning_rate` may be: a number, a schedule, or a function without arguments that returns a number."""


def checked_rate(learning_rate: Any) -> LearningRate:
    """The learning rate, a number as a float; raises InvalidArgumentError for what cannot be one."""
    if callable(learning_rate) and not inspect.isclass(learning_rate):
        rate: LearningRate = learning_rate
        return rate
    if isinstance(learning_rate, Tensor | np.ndarray) and learning_rate.shape == ():
        learning_rate = learning_rate.item()
    # Differs from Keras: any real number will do, not only a float; a sweep's `learning_rate=1` is an int.
    if isinstance(learning_rate, Real) and not isinstance(learning_rate, bool) and math.isfinite(learning_rate):
        return float(learning_rate)
    raise InvalidArgumentError(
        "`learning_rate` must be a number, a LearningRateSchedule, or a function that takes nothing and returns a "
        "number. "
        f"Received: learning_rate={learning_rate!r}"
    )


def check_unknown(cls: type, arguments: dict[str, Any]) -> None:
    """Raises InvalidArgumentError for an argument that a class does not have; warns of `decay`, as Keras does."""
    if arguments.pop("decay", None) is not None:
        # 4: past this function, the constructor of the base and that of the class.
        warnings.warn(
            f"{cls.__name__}: `decay` is no longer an argument and is ignored; give `learning_rate` a schedule.",
            stacklevel=4,
        )
    if arguments:
        name = next(iter(arguments))
        known = [known for known in inspect.signature(cls).parameters if known != "kwargs"]
        raise InvalidArgumentError(
            f"{cls.__name__} has no argument `{name}`.{did_you_mean(name, known)} Received: {name}={arguments[name]!r}"
        )


def check_clips(clipnorm: float | None, clipvalue: float | None, global_clipnorm: float | None) -> None:
    """Raises InvalidArgumentError if there is more than one limit."""
    if sum(limit is not None for limit in (clipnorm, clipvalue, global_clipnorm)) > 1:
        raise InvalidArgumentError(
            "only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be given. "
            f"Received: clipnorm={clipnorm!r}, clipvalue={clipvalue!r}, global_clipnorm={global_clipnorm!r}"
        )


def check_counts(use_ema: bool, ema_momentum: float, overwrite_frequency: int | None, accumulation: int | None) -> None:
    """Raises InvalidArgumentError if the moving average or the accumulation cannot be as they are asked for."""
    if accumulation and not (isinstance(accumulation, int) and accumulation >= 2):
        raise InvalidArgumentError(
            "`gradient_accumulation_steps` must be an integer of at least 2, or None. "
            f"Received: gradient_accumulation_steps={accumulation!r}"
        )
    if use_ema and not 0 <= ema_momentum <= 1:
        raise InvalidArgumentError(f"`ema_momentum` must be in [0, 1]. Received: ema_momentum={ema_momentum!r}")
    if use_ema and overwrite_frequency and not (isinstance(overwrite_frequency, int) and overwrite_frequency >= 1):
        raise InvalidArgumentError(
            "`ema_overwrite_frequency` must be an integer of at least 1, or None. "
            f"Received: ema_overwrite_frequency={overwrite_frequency!r}"
        )


def check_fractions(**fractions: float) -> None:
    """Raises InvalidArgumentError unless each argument, given by its name, is in [0, 1]."""
    for name, value in fractions.items():
        if not 0 <= value <= 1:
            raise InvalidArgumentError(f"`{name}` must be in [0, 1]. Received: {name}={value!r}")


def check_betas(**betas: float) -> None:
    """Raises InvalidArgumentError unless each argument, given by its name, is in [0, 1): 1 would take nothing up."""
    for name, value in betas.items():
        if not 0 <= value < 1:
            raise InvalidArgumentError(f"`{name}` must be in [0, 1). Received: {name}={value!r}")
