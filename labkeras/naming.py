"""Names: snake case, and the counters behind `dense`, `dense_1`, `dense_2`."""

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

__all__ = ["auto_name", "clear_names", "names_kept", "normalize", "to_snake_case", "uniquify"]

_counters: defaultdict[str, int] = defaultdict(int)


@cache
def to_snake_case(name: str) -> str:
    """`name` in snake case as Keras writes it: "MaxPooling2D" → "max_pooling2d"."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def normalize(name: str) -> str:
    """The form in which component names are compared: "MaxPooling2D", "max_pooling2d" → "maxpooling2d"."""
    return re.sub(r"[\W_]+", "", name).lower()


def uniquify(name: str) -> str:
    """`name` the first time, then `name_1`, `name_2`, … until `clear_names()`."""
    count = _counters[name]
    _counters[name] += 1
    return name if count == 0 else f"{name}_{count}"


def auto_name(prefix: str) -> str:
    """A unique name from a class name or another prefix: "Dense" → "dense", "dense_1", …"""
    return uniquify(to_snake_case(prefix))


def clear_names() -> None:
    """Starts all counters again, as `clear_session` does."""
    _counters.clear()


@contextmanager
def names_kept() -> Iterator[None]:
    """After it, all counters are as they were: what is made within it only to look at it takes no name away."""
    before = dict(_counters)
    try:
        yield
    finally:
        _counters.clear()
        _counters.update(before)
