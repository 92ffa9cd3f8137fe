"""The distribution that is set; apart from its class, so that whoever only asks need not load all of torch for it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labkeras.distribution.setting import Distribution

__all__ = ["get_current", "set_current"]

_current: "Distribution | None" = None


def get_current() -> "Distribution | None":
    """The distribution that is set, or None."""
    return _current


def set_current(value: "Distribution | None") -> None:
    """Sets it, unchecked."""
    global _current
    _current = value
