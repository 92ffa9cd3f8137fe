"""Checks of arguments that many layers take: each returns the value, or raises with the argument's name."""

from typing import Any

import numpy as np

from labkeras.errors import InvalidArgumentError, UnsupportedArgumentError

__all__ = ["fraction", "positive_integer", "refuse"]


def positive_integer(value: int, argument: str) -> int:
    """`value`, if it is a positive integer."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value <= 0:
        raise InvalidArgumentError(f"`{argument}` must be a positive integer. Received: {argument}={value!r}")
    return int(value)


def fraction(value: float, argument: str) -> float:
    """`value`, if it is a number in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value <= 1:
        raise InvalidArgumentError(f"`{argument}` must be a number in [0, 1]. Received: {argument}={value!r}")
    return value


def refuse(owner: str, **arguments: Any) -> None:
    """Raises for the first of these arguments that was given: Keras has them, labkeras does not.

    Args:
        owner: what takes the arguments, for the message: "Dense".
        arguments: their values, None (or False) where not given.
    """
    for argument, value in arguments.items():
        if value:
            raise UnsupportedArgumentError(f"{owner} does not support `{argument}` yet. Received: {argument}={value!r}")
