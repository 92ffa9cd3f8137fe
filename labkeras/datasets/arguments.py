"""Checks of arguments that several data sets take: each returns the value, or raises with the argument's name."""

from numbers import Integral

from labkeras.errors import InvalidArgumentError

__all__ = ["checked_count", "checked_seed"]


def checked_count(value: int, argument: str, at_least: int = 1) -> int:
    """`value`, if it is an integer of at least so many.

    Args:
        value: what was given.
        argument: its name, for the message.
        at_least: the smallest value there is.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < at_least:
        raise InvalidArgumentError(
            f"`{argument}` must be an integer of at least {at_least}. Received: {argument}={value!r}"
        )
    return int(value)


def checked_seed(value: int) -> int:
    """`value`, if it is an integer that is not negative."""
    return checked_count(value, "seed", 0)
