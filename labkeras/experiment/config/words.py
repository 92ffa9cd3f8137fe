"""Endings of messages: the nearest names, or all of them."""

from collections.abc import Iterable

from labkeras.errors import did_you_mean

__all__ = ["listed", "nearest"]


def nearest(name: object, known: Iterable[object], title: str = "Known") -> str:
    """A closing sentence with the names nearest to `name`; with all of them if none is near."""
    names = [str(one) for one in known]
    return did_you_mean(str(name), names) or listed(names, title)


def listed(names: Iterable[str], title: str = "Known") -> str:
    """A closing sentence with all names."""
    return f" {title}: {', '.join(names) or 'none'}."
